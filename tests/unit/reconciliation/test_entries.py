"""What a booked entry is taken for, which payments it holds, and whether statements follow each other."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from roamclear.bank import service as bank
from roamclear.bank.model import Entry
from roamclear.kernel.money import Money
from roamclear.reconciliation import continuity, entries
from roamclear.reconciliation.booking import represents
from roamclear.reconciliation.model import EntryKind, Payment, StatementRow
from tests.support.bank_files import Ntry, Stmt, Tx, camt

DAY = date(2026, 11, 3)


def entry(made: Ntry) -> Entry:
    """An entry through a real file."""
    (statement,) = bank.read_camt(camt(Stmt([made], opening=None))).statements
    return statement.entries[0]


def payments(made: Ntry, kind: EntryKind = EntryKind.CREDIT) -> list[Payment]:
    """Its payments."""
    return entries.payments("i", entry(made), kind, DAY, DAY)


def code(sub_family: str) -> str:
    """A bank transaction code."""
    return f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>{sub_family}</SubFmlyCd></Fmly></Domn></BkTxCd>"


@pytest.mark.parametrize(
    ("made", "own", "kind"),
    [
        (Ntry("1.00"), False, EntryKind.CREDIT),
        (Ntry("1.00", txs=[Tx("1.00", return_reason="AC04")]), False, EntryKind.RETURN),
        (Ntry("1.00", reversal=True), False, EntryKind.RETURN),
        (Ntry("1.00", extra=code("RRTN")), False, EntryKind.RETURN),
        (Ntry("1.00", sign="DBIT"), True, EntryKind.PAYOUT),
        (Ntry("1.00", sign="DBIT", extra=code("CHRG")), False, EntryKind.FEE),
        (Ntry("1.00", sign="DBIT", extra=code("ESCT")), False, EntryKind.DEBIT),
        (Ntry("1.00", sign="DBIT", reversal=True), True, EntryKind.RETURN),
    ],
)
def test_what_an_entry_is(made: Ntry, own: bool, kind: EntryKind) -> None:
    assert entries.kind_of(entry(made), own) is kind


def test_details_that_add_up_are_payments_of_their_own() -> None:
    first, second = payments(Ntry("5.00", txs=[Tx("2.00", text=["a"]), Tx("3.00", text=["b"])]))
    assert [(p.amount.amount_minor, p.text) for p in (first, second)] == [(200, "a"), (300, "b")]
    assert first.payment_id != second.payment_id


@pytest.mark.parametrize(
    "txs",
    [
        [Tx("2.00", text=["a"]), Tx("2.00", text=["b"])],
        [Tx(text=["a"]), Tx(text=["b"])],
        [Tx("2.00", currency="CHF", text=["a"]), Tx("3.00", currency="CHF", text=["b"])],
        [Tx("7.00", text=["a"]), Tx("2.00", sign="DBIT", text=["b"])],
        [Tx("9.00", text=["a", "b"])],
    ],
    ids=["other sum", "no amounts", "other currency", "other sign", "one with another amount"],
)
def test_details_that_do_not_add_up_stay_one_payment_with_all_texts(txs: list[Tx]) -> None:
    (made,) = payments(Ntry("5.00", txs=txs))
    assert made.amount == Money(500, "EUR")
    assert made.text == "a b"


def test_the_payers_own_words_may_stand_anywhere() -> None:
    (made,) = payments(Ntry("5.00", txs=[Tx("5.00", end_to_end="VW-1", extra="<AddtlTxInf>x</AddtlTxInf>")]))
    assert made.document_numbers == ("VW-1",)
    assert made.text == "x"
    (plain,) = payments(Ntry("5.00", extra="<AddtlNtryInf>only here</AddtlNtryInf>"))
    assert plain.text == "only here"


def test_names_hold_no_account_number() -> None:
    (made,) = payments(Ntry("5.00", ref="B1"))
    assert made.account not in made.payment_id


@pytest.mark.parametrize(
    ("known", "incoming", "signed", "same"),
    [
        ({"x": 100}, {"a": 30, "b": 70}, 30, True),
        ({"a": 30, "b": 70}, {"x": 100}, 100, True),
        ({"x": 100}, {"a": 30, "b": 70, "fee": -1}, -1, False),
        ({"x": 100}, {"x": 100, "y": 100}, 100, False),
        ({"x": 100}, {"y": -100}, -100, False),
        ({}, {"y": 100}, 100, False),
    ],
)
def test_a_batch_and_its_parts_are_one(
    known: dict[str, int], incoming: dict[str, int], signed: int, same: bool
) -> None:
    assert represents(known, incoming, signed) is same


def row(number: str | None, day: int, opening: int, closing: int, month: int = 11, year: int = 2026) -> StatementRow:
    """A statement."""
    return StatementRow(
        issuer_id="i",
        account="a",
        key=f"{year}{month}{day}{number}",
        kind="camt.053",
        statement_id="s",
        currency="EUR",
        number=number,
        day=date(year, month, day),
        opening=Money(opening, "EUR"),
        closing=Money(closing, "EUR"),
        net=Money(closing - opening, "EUR"),
        entries=1,
        digest="d",
        file_sha256="f",
        received_at_utc=datetime(2026, 11, 20, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([row("1", 1, 0, 5), row("2", 2, 5, 9)], 0),
        ([row("2", 2, 5, 9), row("1", 1, 0, 5)], 0),
        ([row("1", 1, 0, 5), row("3", 3, 5, 9)], 1),
        ([row("1", 1, 0, 5), row("2", 2, 6, 9)], 1),
        ([row(None, 1, 0, 5), row(None, 2, 5, 9)], 0),
        ([row("1", 1, 0, 5), row("2", 2, 5, 9), row(None, 2, 0, 9), row("3", 3, 9, 9)], 0),
        ([row("260", 31, 0, 5, month=12, year=2025), row("1", 2, 5, 9, month=1)], 0),
    ],
    ids=["follows", "any order", "number missing", "balance breaks", "no numbers", "overlap", "new year"],
)
def test_gaps_in_the_chain(rows: list[StatementRow], count: int) -> None:
    assert len(continuity.gaps(rows)) == count
