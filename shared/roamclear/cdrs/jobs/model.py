"""A job that prices many sessions again, and what it did with each of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from roamclear.cdrs.impact import Impact, Outcome
from roamclear.cdrs.selection import Filter
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class JobKind(StrEnum):
    """By a filter of a person (row 29), the preview of a back-dated version, or its effect (row 31)."""

    RERATE = "RERATE"
    PREVIEW = "PREVIEW"
    BACKDATED = "BACKDATED"


class JobState(StrEnum):
    """RUNNING until a whole pass found nothing more to do."""

    RUNNING = "RUNNING"
    DONE = "DONE"


class Result(StrEnum):
    """What was done with a CDR."""

    RERATED = "RERATED"
    ADJUSTED = "ADJUSTED"
    RETRIED = "RETRIED"
    UNCHANGED = "UNCHANGED"
    LOOKED = "LOOKED"
    REFUSED = "REFUSED"


class Item(Record):
    """One CDR of a job; ``row`` is the correction that was made beside it, where it was locked.

    ``outcome`` is what a preview saw.
    """

    issuer_id: str
    job_id: str
    cdr_ref: str
    result: Result
    reason: str | None = None
    before: Money | None = None
    after: Money | None = None
    row: str | None = None
    outcome: Outcome | None = None
    at_utc: datetime


class ResultSum(Record):
    """How many CDRs ended in one way, and what that changed."""

    result: Result
    currency: str
    sessions: int
    delta: Money


class Job(Record):
    """``until_utc`` bounds the sessions that are meant by when they became known; without it, all that still come.

    ``expected`` is what the approved preview said all prices move by; ``impact`` is what a preview came to. ``checker``
    agreed to an earlier preview of this ``digest``: it is made again, and the approval counts where both say the same.
    ``cursor`` is where the walk stands; ``passes`` counts whole walks, ``postponed`` what this one must see again.
    """

    issuer_id: str
    job_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,60}$")
    kind: JobKind
    filter: Filter
    author: str
    reason: str
    state: JobState = JobState.RUNNING
    made_at_utc: datetime
    until_utc: datetime | None = None
    version: int | None = None
    proposal_id: str | None = None
    expected: tuple[Money, ...] = ()
    impact: Impact | None = None
    checker: str | None = None
    digest: str | None = None
    cursor: str = ""
    pass_began_utc: datetime
    passes: int = 0
    postponed: int = 0
    results: tuple[ResultSum, ...] = ()
    done_at_utc: datetime | None = None
    changed: int = 0


def sums_of(items: Iterable[Item]) -> tuple[ResultSum, ...]:
    """What a job did, by result and currency; ``-`` where there is no price."""
    groups: dict[tuple[str, str], list[int]] = {}
    for item in items:
        delta = 0
        if item.outcome is not None:
            continue
        if item.after is not None:
            delta = item.after.amount_minor - (item.before.amount_minor if item.before else 0)
        priced = item.after or item.before
        groups.setdefault((item.result.value, priced.currency if priced else "XXX"), []).append(delta)
    return tuple(
        ResultSum(result=Result(name), currency=currency, sessions=len(each), delta=Money(sum(each), currency))
        for (name, currency), each in sorted(groups.items())
    )
