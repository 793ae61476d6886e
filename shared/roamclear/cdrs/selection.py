"""Which sessions a person means by a filter, walked in pieces from a key that the table keeps in order.

Wide filters do not combine in the table (rules.md 11): a contract or an EVSE leads, the rest is looked at per session.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from pydantic import Field, field_validator, model_validator

from roamclear.cdrs import store
from roamclear.cdrs.model import WAITING, Billing, Session
from roamclear.contracts import matching
from roamclear.kernel.context import Context
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.record import Record
from roamclear.kernel.time import sort_instant

_VISIBLE, _WAITING, _EVSE = "V", "W", "E"
#: Lower than every character of a key: what begins with a position and goes on is not passed over.
_NEXT = " "
#: A partner's clock may be ahead of ours, so that a session is visible before it starts.
_SKEW = timedelta(hours=1)


class Filter(Record):
    """Sessions of a contract or of an EVSE, narrowed by start ``[start_from, start_until)``, country, state, reason.

    ``reason`` is a hold reason or a warning, ``route`` the way the CDR came.
    """

    contract_id: str | None = Field(None, pattern=r"^[A-Z0-9][A-Z0-9-]{1,30}$")
    evse_id: str | None = Field(None, min_length=5, max_length=48)
    start_from_utc: datetime | None = None
    start_until_utc: datetime | None = None
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    state: Billing | None = None
    reason: str | None = Field(None, pattern=r"^[A-Z][A-Z_]{2,50}$")
    route: str | None = Field(None, max_length=50)

    @field_validator("evse_id")
    @classmethod
    def _folded(cls, value: str | None) -> str | None:
        return evse_ids.validate(value) if value else None

    @model_validator(mode="after")
    def _leads(self) -> Filter:
        if self.contract_id is None and self.evse_id is None:
            raise ValueError("name a contract_id or an evse_id")
        for at in (self.start_from_utc, self.start_until_utc):
            if at is not None and at.tzinfo is None:
                raise ValueError("an instant has a time zone")
        if self.start_from_utc and self.start_until_utc and self.start_until_utc <= self.start_from_utc:
            raise ValueError("start_until_utc lies after start_from_utc")
        return self


def fits(wanted: Filter, session: Session) -> bool:
    """Whether a session is one of those that are meant."""
    return (
        (wanted.contract_id is None or session.contract_id == wanted.contract_id)
        and (wanted.evse_id is None or session.evse_id == wanted.evse_id)
        and (wanted.start_from_utc is None or session.start_utc >= wanted.start_from_utc)
        and (wanted.start_until_utc is None or session.start_utc < wanted.start_until_utc)
        and (wanted.country is None or session.country == wanted.country)
        and (wanted.state is None or session.billing is wanted.state)
        and (wanted.reason is None or wanted.reason in (*session.reasons, *session.warnings))
        and (wanted.route is None or session.route == wanted.route)
    )


def walk(
    ctx: Context, issuer_id: str, wanted: Filter, until: datetime, size: int, *, cursor: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """References of sessions that may fit, ``size`` at a time, each piece with the cursor that goes on behind it.

    Walked are the sessions that became visible before ``until``, and those that wait. One that moves meanwhile may
    come twice, or in a later walk: who acts on it must bear both.
    """
    begun = cursor.split("|", 1)
    parts = _parts(ctx, issuer_id, wanted)
    first = int(begun[0]) if cursor else 0
    for number in range(first, len(parts)):
        after = begun[1] if cursor and number == first else ""
        found = _listed(ctx, issuer_id, wanted, parts[number], after, until)
        while piece := list(islice(found, size)):
            yield f"{number}|{piece[-1][0]}{_NEXT}", [ref for _, ref in piece]


def _parts(ctx: Context, issuer_id: str, wanted: Filter) -> list[tuple[str, str]]:
    if wanted.contract_id is None:
        return [(_EVSE, "")]
    visible = [(_VISIBLE, party) for party in matching.parties(ctx, issuer_id, wanted.contract_id)]
    return [*visible, *((_WAITING, state.value) for state in WAITING)]


def _listed(
    ctx: Context, issuer_id: str, wanted: Filter, part: tuple[str, str], after: str, until: datetime
) -> Iterator[tuple[str, str]]:
    kind, name = part
    if kind == _VISIBLE:
        # What starts later is visible later, so the start bounds this index too.
        earliest = sort_instant(wanted.start_from_utc - _SKEW) if wanted.start_from_utc else "0"
        return store.visible_between(ctx.db, issuer_id, name, max(earliest, after), sort_instant(until))
    since = sort_instant(wanted.start_from_utc) if wanted.start_from_utc else "0"
    if kind == _EVSE:
        last = sort_instant(wanted.start_until_utc or until)
        return store.at_evse_between(ctx.db, issuer_id, wanted.evse_id or "", max(since, after), last)
    return store.waiting_after(ctx.db, issuer_id, wanted.contract_id or "", Billing(name), after)
