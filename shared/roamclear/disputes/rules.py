"""Pure decisions on disputes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

from roamclear.disputes.model import PENDING, Claim, Dispute, Query, State
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.time import local_date, local_midnight
from roamclear.kernel.workdays import add_working_days


def claimed_amount(claim: Claim, net: Money) -> Money:
    """The amount in dispute: above zero, at most the session's net, all of it where none is stated."""
    amount = claim.claimed or net
    if amount.currency != net.currency:
        raise InvalidInput(f"the session is in {net.currency}", field="claimed.currency")
    if amount.amount_minor <= 0 or amount > net:
        raise InvalidInput(f"the claimed amount lies above zero and up to {net}", field="claimed")
    return amount


def answer_due(closes_at: datetime, working_days: int, zone: str, closed: Collection[date] = ()) -> datetime:
    """The end of the last working day on which the CPO may answer after the close (rules.md 6).

    >>> from datetime import UTC
    >>> answer_due(datetime(2026, 11, 8, 23, tzinfo=UTC), 5, "Europe/Berlin").isoformat()
    '2026-11-13T23:00:00+00:00'
    """
    last = add_working_days(local_date(closes_at - timedelta(seconds=1), zone), working_days, closed)
    return local_midnight(last + timedelta(days=1), zone)


def days_from(instant: datetime, working_days: int, zone: str, closed: Collection[date] = ()) -> datetime:
    """The end of the last of so many working days after the day of an instant.

    Working days are Monday to Friday in the contract's zone without the closed days (docs/time.md).

    >>> from datetime import UTC
    >>> days_from(datetime(2026, 11, 6, 9, tzinfo=UTC), 5, "Europe/Berlin").isoformat()
    '2026-11-13T23:00:00+00:00'
    """
    last = add_working_days(local_date(instant, zone), working_days, closed)
    return local_midnight(last + timedelta(days=1), zone)


def next_due(dispute: Dispute) -> datetime | None:
    """The instant at which silence ends a dispute; None where it has ended."""
    if dispute.state not in PENDING:
        return None
    return dispute.info_due_utc if dispute.state is State.INFO_REQUESTED else dispute.answer_due_utc


def clocks(dispute: Dispute, now: datetime) -> dict[str, object]:
    """Whose word is awaited until when, and the three deadlines (product.md B10)."""
    due = next_due(dispute)
    waits_for = None if due is None else "EMSP" if dispute.state is State.INFO_REQUESTED else "CPO"
    return {
        "waits_for": waits_for,
        "due_utc": due,
        "overdue": due is not None and due <= now,
        "emsp_files_until_utc": dispute.closes_at_utc,
        "emsp_informs_until_utc": dispute.info_due_utc,
        "cpo_answers_until_utc": dispute.answer_due_utc,
    }


def fits(dispute: Dispute, query: Query) -> bool:
    """Whether a dispute is one of those asked for; a deadline fits only what still waits for a word."""
    due = next_due(dispute)
    before, least = query.due_before_utc, query.min_claimed_minor
    return (
        (query.state is None or dispute.state is query.state)
        and (query.reason is None or dispute.reason is query.reason)
        and (query.assignee is None or dispute.assignee == query.assignee)
        and (before is None or (due is not None and due < before))
        and (query.filed_before_utc is None or dispute.filed_at_utc < query.filed_before_utc)
        and (least is None or dispute.claimed.amount_minor >= least)
        and (not query.waiting or due is not None)
    )


def granted_amount(dispute: Dispute, accepted: Money | None) -> tuple[State, Money]:
    """What the CPO grants: all of the claim (ACCEPTED) or a stated part of it (PARTIAL)."""
    if accepted is None or accepted == dispute.claimed:
        return State.ACCEPTED, dispute.claimed
    if accepted.currency != dispute.claimed.currency:
        raise InvalidInput(f"the claim is in {dispute.claimed.currency}", field="accepted.currency")
    if accepted.amount_minor <= 0 or accepted > dispute.claimed:
        raise InvalidInput(f"the accepted amount lies above zero and up to {dispute.claimed}", field="accepted")
    return State.PARTIAL, accepted
