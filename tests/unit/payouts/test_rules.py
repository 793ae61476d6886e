"""Statements, splits and hashes by themselves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from roamclear.evses.model import AccountKind, AccountVersion
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.money import Money
from roamclear.payouts import rules
from roamclear.payouts.model import Batch, BatchItem, BatchState, Payout, PayoutStatus
from roamclear.payouts.payments import shown
from tests.support.payees import IBAN, ISSUER, session, terms

NOW = datetime(2026, 11, 10, tzinfo=UTC)


def version(number: int, day: int, share: int) -> AccountVersion:
    return AccountVersion(
        issuer_id=ISSUER, account_id="P1", version=number, terms=terms(share_percent=Decimal(share)),
        author="a", recorded_at_utc=NOW + timedelta(days=day),
    )  # fmt: skip


def test_the_version_at_session_stop_counts() -> None:
    known = [version(1, 0, 80), version(2, 5, 70)]
    stops = {-9: 1, 0: 1, 4: 1, 5: 2, 99: 2}
    assert {day: rules.version_at(known, NOW + timedelta(days=day)).version for day in stops} == stops
    with pytest.raises(InvariantBroken):
        rules.version_at([], NOW)


def test_a_locked_session_without_an_amount_is_a_fault() -> None:
    with pytest.raises(InvariantBroken):
        rules.share_line(session(1, 100, net=None), "R1", "P1", version(1, 0, 80))


@pytest.mark.parametrize(
    ("kind", "opening", "added", "minimum", "expected"),
    [
        ("EXTERNAL", 0, 1000, 1000, (1000, 0, "READY")),
        ("EXTERNAL", 0, 999, 1000, (0, 999, "CARRIED")),
        ("EXTERNAL", 0, 1, None, (1, 0, "READY")),
        ("EXTERNAL", -500, 1499, 1000, (0, 999, "CARRIED")),
        ("EXTERNAL", 500, -600, None, (0, -100, "CARRIED")),
        ("EXTERNAL", 500, -500, 1000, (0, 0, "CONFIRMED")),
        ("OWN", 0, 0, 1000, (0, 0, "CONFIRMED")),
    ],
)
def test_what_is_paid_and_what_is_carried(
    kind: str, opening: int, added: int, minimum: int | None, expected: tuple[int, int, str]
) -> None:
    least = Money(minimum, "EUR") if minimum is not None else None
    pay, closing, state = rules.settle(AccountKind(kind), Money(opening, "EUR"), Money(added, "EUR"), least)
    assert (pay.amount_minor, closing.amount_minor, state.value) == expected


def batch(**changes: object) -> Batch:
    item = BatchItem(
        payout_id="PO-P1-0001", end_to_end_id="PO-P1-0001", account_id="P1", iban_version=1, holder="H", iban=IBAN,
        amount=Money(100, "EUR"), remittance="PO-P1-0001",
    )  # fmt: skip
    base: dict[str, object] = {
        "issuer_id": ISSUER,
        "batch_id": "B-1",
        "state": BatchState.MADE,
        "maker": "m",
        "made_at_utc": NOW,
        "execution_date": date(2026, 11, 20),
        "debtor_name": "Acme",
        "debtor_iban": IBAN,
        "items": (item,),
        "total": Money(100, "EUR"),
        "digest": "",
    }
    return Batch.model_validate(base | changes)


def test_the_hash_covers_what_a_bank_would_do() -> None:
    made = batch()
    (item,) = made.items
    same = batch(maker="other", made_at_utc=NOW + timedelta(1), state=BatchState.APPROVED, exports=3)
    assert rules.digest(same) == rules.digest(made)
    for other in (
        batch(execution_date=date(2026, 11, 23)),
        batch(debtor_iban="DE02120300000000202051"),
        batch(items=(item.model_copy(update={"iban": "FR1420041010050500013M02606"}),)),
        batch(items=(item.model_copy(update={"amount": Money(101, "EUR")}),)),
        batch(items=(item.model_copy(update={"holder": "X"}),)),
        batch(items=(item, item)),
    ):
        assert rules.digest(other) != rules.digest(made)


def test_a_ready_payout_takes_its_batch_s_state() -> None:
    nothing = Money.zero("EUR")
    payout = Payout(
        issuer_id=ISSUER, payout_id="PO-P1-0001", account_id="P1", account_version=1, kind=AccountKind.EXTERNAL,
        currency="EUR", issue_date=NOW.date(), groups=("R1",), sessions=1, energy_kwh=Decimal(1), first_day=NOW.date(),
        last_day=NOW.date(), gross=nothing, commission=nothing, share=nothing, own=nothing, vat=nothing,
        opening=nothing, pay=nothing, closing=nothing, state=PayoutStatus.READY, end_to_end_id="PO-P1-0001",
        batch_id="B-1", created_at_utc=NOW,
    )  # fmt: skip
    states = {s: shown(payout, batch(state=s)).value for s in BatchState}
    assert states == {
        "MADE": "READY",
        "APPROVED": "APPROVED",
        "EXPORTED": "EXPORTED",
        "CANCELLED": "READY",
        "REJECTED": "READY",
    }
    assert shown(payout, None) is PayoutStatus.READY
    assert shown(payout, batch(batch_id="B-2", state=BatchState.EXPORTED)) is PayoutStatus.READY
