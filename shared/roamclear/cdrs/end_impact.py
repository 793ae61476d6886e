"""What another end of a contract would mean for its sessions, before anybody sets it (B11).

An end never takes back what was priced: a session that has its contract keeps it, and its runs close (rules.md 6). What
comes later, and what still waits, starts behind the end and finds no contract.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from roamclear.cdrs import selection, store
from roamclear.cdrs.model import WAITING
from roamclear.cdrs.selection import Filter
from roamclear.contracts import service as contracts
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record
from roamclear.kernel.time import local_midnight

#: How many sessions one answer can look at.
MOST = 20_000
_CHUNK = 100
#: A session that arrives this much later than it began is late, but may come.
_LATEST = timedelta(days=90)


class Behind(Record):
    """Sessions of one billing state and currency that start behind the end; ``net`` of those that are priced."""

    billing: str
    currency: str
    sessions: int
    net: Money


class EndImpact(Record):
    """``keeps``: sessions that stay with the contract though they start behind its end; ``loses`` find none."""

    contract_id: str
    valid_to: date | None
    present: date | None = None
    as_of_utc: datetime
    keeps: tuple[Behind, ...] = ()
    loses: tuple[Behind, ...] = ()


def end_impact(ctx: Context, actor: Actor, issuer_id: str, contract_id: str, valid_to: date | None) -> EndImpact:
    """The sessions that start on or after an end that is thought of; None asks for a contract without one.

    Raises:
        InvalidInput: the end lies before the contract, or more sessions than one answer can look at.
    """
    require_contract(authorise(actor, Right.CONTRACT_EDIT, issuer_id), contract_id)
    head = contracts.head(ctx, issuer_id, contract_id)
    made = EndImpact(contract_id=contract_id, valid_to=valid_to, present=head.valid_to, as_of_utc=ctx.now())
    if valid_to is None:
        return made
    if valid_to <= head.valid_from:
        raise InvalidInput("valid_to lies after valid_from", field="valid_to")
    wanted = Filter(contract_id=contract_id, start_from_utc=local_midnight(valid_to, head.zone))
    found: dict[tuple[bool, str, str], tuple[set[str], int]] = {}
    seen = 0
    for _, refs in selection.walk(ctx, issuer_id, wanted, ctx.now() + _LATEST, _CHUNK):
        seen += len(refs)
        if seen > MOST:
            raise InvalidInput(f"more than {MOST} sessions start behind this day", field="valid_to")
        for session in store.sessions(ctx.db, issuer_id, refs, consistent=False).values():
            if selection.fits(wanted, session):
                key = (session.billing in WAITING, session.billing.value, session.currency)
                known, total = found.setdefault(key, (set(), 0))
                if session.cdr_ref not in known:
                    known.add(session.cdr_ref)
                    found[key] = (known, total + (session.net.amount_minor if session.net else 0))
    told = {
        waits: tuple(
            Behind(billing=billing, currency=currency, sessions=len(refs), net=Money(minor, currency))
            for (lost, billing, currency), (refs, minor) in sorted(found.items())
            if lost is waits
        )
        for waits in (False, True)
    }
    return made.model_copy(update={"keeps": told[False], "loses": told[True]})
