"""Pure decisions on disputes."""

from __future__ import annotations

from datetime import datetime, timedelta

from roamclear.disputes.model import Claim, Dispute, State
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.time import add_working_days, local_date, local_midnight


def claimed_amount(claim: Claim, net: Money) -> Money:
    """The amount in dispute: above zero, at most the session's net, all of it where none is stated."""
    amount = claim.claimed or net
    if amount.currency != net.currency:
        raise InvalidInput(f"the session is in {net.currency}", field="claimed.currency")
    if amount.amount_minor <= 0 or amount > net:
        raise InvalidInput(f"the claimed amount lies above zero and up to {net}", field="claimed")
    return amount


def answer_due(closes_at: datetime, working_days: int, zone: str) -> datetime:
    """The end of the last working day on which the CPO may answer after the close (rules.md 6).

    >>> from datetime import UTC
    >>> answer_due(datetime(2026, 11, 8, 23, tzinfo=UTC), 5, "Europe/Berlin").isoformat()
    '2026-11-13T23:00:00+00:00'
    """
    last = add_working_days(local_date(closes_at - timedelta(seconds=1), zone), working_days)
    return local_midnight(last + timedelta(days=1), zone)


def granted_amount(dispute: Dispute, accepted: Money | None) -> tuple[State, Money]:
    """What the CPO grants: all of the claim (ACCEPTED) or a stated part of it (PARTIAL)."""
    if accepted is None or accepted == dispute.claimed:
        return State.ACCEPTED, dispute.claimed
    if accepted.currency != dispute.claimed.currency:
        raise InvalidInput(f"the claim is in {dispute.claimed.currency}", field="accepted.currency")
    if accepted.amount_minor <= 0 or accepted > dispute.claimed:
        raise InvalidInput(f"the accepted amount lies above zero and up to {dispute.claimed}", field="accepted")
    return State.PARTIAL, accepted
