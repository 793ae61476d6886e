"""Files in any order, repeated, overlapping and interrupted give the same books (rules.md 9, banking.md 4.2)."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roamclear.aws import keys
from roamclear.billing import proof
from roamclear.kernel.context import Context
from roamclear.kernel.writes import Put, Table
from roamclear.reconciliation import service as reconciliation
from tests.support import builders as b
from tests.support.bank_files import Ntry, Stmt, Tx, camt
from tests.support.crashing import Fuse, mortal, survives
from tests.support.memory_stage import fresh
from tests.support.receivables import balances, drop, exceptions, issue, states

NOW = datetime(2026, 11, 20, tzinfo=UTC)
AMOUNTS = {1: "100.00", 2: "40.00", 3: "75.50", 4: "12.00", 5: "-15.00"}


def _founded() -> tuple[Context, dict[int, str]]:
    stage = fresh()
    ctx = stage.ctx
    b.found_issuer(ctx)
    b.found_contract(ctx)
    stage.clock.set(NOW)
    numbers = {n: issue(ctx, n, amount).number for n, amount in AMOUNTS.items()}
    ctx.db.write(Put(Table.CLEARING, keys.end_to_end(b.ISSUER, "PO-1"), {"issuer_id": b.ISSUER}))
    return ctx, numbers


def _days(numbers: dict[int, str]) -> list[list[Ntry]]:
    """Entries of four days: exact, short and its rest, a credit note, equal payments, a payout, a return, noise."""

    def credit(amount: str, ref: str, day: int, text: str, **tx: Any) -> Ntry:
        booked = f"2026-11-{day:02d}"
        return Ntry(amount, ref=ref, booked=booked, value=booked, txs=[Tx(amount, text=[text], **tx)])

    gone = Tx("75.50", end_to_end="E3", return_reason="MD06")
    return [
        [credit("100.00", "B1", 2, numbers[1]), credit("25.00", "B2", 2, numbers[2])],
        [credit("75.50", "B3", 3, numbers[3], end_to_end="E3"), Ntry("1.00", booked="2026-11-03", value="2026-11-03")],
        [credit("15.00", "B4", 4, f"rest {numbers[2]}"), Ntry("1.00", booked="2026-11-04", value="2026-11-04")],
        [
            Ntry("75.50", sign="DBIT", ref="R1", booked="2026-11-05", value="2026-11-05", txs=[gone]),
            Ntry("30.00", sign="DBIT", ref="D1", booked="2026-11-05", txs=[Tx("30.00", end_to_end="PO-1")]),
            *[Ntry("2.00", booked="2026-11-05", value="2026-11-05", txs=[Tx("2.00", text=["same"])])] * 2,
        ],
    ]


def _files(numbers: dict[int, str]) -> list[bytes]:
    """One statement per day, two that overlap, notifications that only announce, and a copy."""
    days = _days(numbers)
    opening = Decimal("500.00")
    files = []
    for place, entries in enumerate(days, 1):
        day = f"2026-11-{place + 1:02d}"
        statement = Stmt(entries, id=f"S{place}", number=str(place), opening=f"{opening}", day=day)
        files.append(camt(statement))
        files.append(camt(Stmt(entries, id=f"N{place}", opening=None, day=day), kind="054"))
        opening += sum(Decimal(e.amount) * (1 if e.sign == "CRDT" else -1) for e in entries)
    overlap = Stmt([*days[0], *days[1]], id="X1", number=None, opening="500.00", day="2026-11-03", mark="DUPL")
    return [*files, camt(overlap)]


def _books(ctx: Context) -> tuple[dict[str, int], dict[str, tuple[str, int]]]:
    return balances(ctx), states(ctx)


def _check(ctx: Context) -> None:
    for equation in [*reconciliation.equations(ctx, b.ISSUER), *proof.equations(ctx, b.ISSUER)]:
        assert equation.holds or equation.name.startswith("numbers"), equation


@pytest.fixture(scope="module")
def expected() -> tuple[dict[str, int], dict[str, tuple[str, int]], list[tuple[str, str]]]:
    """The books after every file once, in order."""
    ctx, numbers = _founded()
    for data in _files(numbers):
        drop(ctx, data)
    _check(ctx)
    told = sorted((row.kind.value, row.subject) for row in exceptions(ctx) if "STATEMENT" not in row.kind.value)
    assert states(ctx)[numbers[1]] == ("PAID", 0)
    assert states(ctx)[numbers[2]] == ("PAID", 0)
    assert states(ctx)[numbers[3]] == ("ISSUED", 7550)
    assert [kind for kind, _ in told] == ["RETURNED", *["UNMATCHED_CREDIT"] * 4]
    return *_books(ctx), told


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), crashes=st.booleans())
def test_any_order_repeats_and_crashes_give_the_same_books(expected: Any, seed: int, crashes: bool) -> None:
    rng = random.Random(seed)
    ctx, numbers = _founded()
    files = _files(numbers)
    rng.shuffle(files)
    queue = files + rng.choices(files, k=3)
    for data in queue:
        if crashes and rng.random() < 0.6:
            with survives():
                drop(mortal(ctx, Fuse(left=rng.randrange(12), after=rng.random() < 0.5)), data)
        drop(ctx, data)
    assert _books(ctx) == expected[:2]
    told = sorted((row.kind.value, row.subject) for row in exceptions(ctx) if "STATEMENT" not in row.kind.value)
    assert told == expected[2]
    assert not [row for row in exceptions(ctx) if row.kind.value == "STATEMENT_GAP"]
    _check(ctx)


def test_the_day_of_a_missing_booking_date_is_the_statements() -> None:
    ctx, _ = _founded()
    drop(ctx, camt(Stmt([Ntry("1.00", booked=None, value=None)], day="2026-11-09")))
    (entry,) = reconciliation.bank_entries(ctx, b.actor("FINANCE"), b.ISSUER, "DE89370400440532013000")
    assert (entry.booked_on, entry.value_on) == (date(2026, 11, 9), date(2026, 11, 9))
