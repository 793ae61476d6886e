"""From a received body to a VERIFIED session, or to the reason why it is not one yet (rules.md 4, product.md row 11).

Idempotent per CDR: it may run twice, at once, or after a crash anywhere, and comes to the same row.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from roamclear.cdrs import adjustments, credits, settling, store, telling
from roamclear.cdrs.model import WAITING, Billing, DisputeState, Original, Session, waits
from roamclear.cdrs.pricing import Priced, price
from roamclear.contracts import service as contracts
from roamclear.contracts.model import ContractVersion, Match
from roamclear.evses import service as evses
from roamclear.evses.model import Evse
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed, DetailExpired, NotFound
from roamclear.kernel.time import local_midnight
from roamclear.rating import service as rating
from roamclear.rating.model import ChargeRecord

_TRIES = 6
#: Nothing waits longer than a year (``Terms.hold_expiry_days``), so older sessions need not be looked at.
_MEMORY = timedelta(days=400)
#: A sweep leaves alone what the stream may still be working on.
SETTLE = timedelta(minutes=5)
#: States that no retry visits again: their exception is told by whoever finds them so.
_TOLD_LATE = (Billing.TOO_LATE, Billing.REJECTED)
#: A sweep looks so far behind the last one: the index of what came in follows its table by some seconds.
_OVERLAP = timedelta(minutes=5)
_LOOK_BACK = timedelta(days=2)
#: How long the sweep comes back to a body that cannot be processed.
_PATIENCE = timedelta(days=14)


def process(ctx: Context, issuer_id: str, cdr_ref: str) -> Session:
    """Check, attach, price and tie a CDR to its payout account; what already left the waiting states stays."""
    body = store.original(ctx.db, issuer_id, cdr_ref)
    if body is None:
        ours = store.session(ctx.db, issuer_id, cdr_ref)
        if ours is None or not adjustments.is_ours(ours):
            raise NotFound("no such CDR")
        return ours  # a row of our own has its price; what holds it (a dispute) is settled elsewhere
    if body.expired_at_utc is not None and (settled := store.session(ctx.db, issuer_id, cdr_ref)) is not None:
        return settled  # only what was final lost its detail
    charge = read(body)
    for _ in range(_TRIES):
        known = store.session(ctx.db, issuer_id, cdr_ref)
        if known is not None and (not waits(known) or known.dispute is not DisputeState.NONE):
            # A disputed session waits for its answer, not for us.
            if known.billing in _TOLD_LATE:
                telling.tell(ctx, known)  # the process may have died between the row and its exception
            _wake_credits(ctx, charge, known)
            return known
        settle = credits.settle if charge.credit else settling.settle
        try:
            made = settle(ctx, body, charge, known)
        except ConditionFailed:
            continue
        telling.tell(ctx, made)
        telling.close(ctx, made, known)
        _wake_credits(ctx, charge, made)
        return made
    raise Busy("a session is changed by too many at once")


def _wake_credits(ctx: Context, charge: ChargeRecord, made: Session) -> None:
    """A credit that came before its original goes on once the original is there.

    The credit notes that it waits before it looks for the original a last time, and the original's row stands before
    the notes are read here: of the two, whichever order they come in, at least one sees the other.
    """
    if charge.credit:
        return
    for ref in store.awaiting(ctx.db, made.issuer_id, made.cdr_ref):
        process(ctx, made.issuer_id, ref)


def price_again(ctx: Context, known: Session) -> tuple[Priced, ContractVersion | None]:
    """The price of a session by the contract version of its start as it reads now, and that version."""
    body = store.original(ctx.db, known.issuer_id, adjustments.body_ref(known))
    match = contracts.match(ctx, known.issuer_id, known.party, known.emsp_party, known.start_utc)
    evse = evses.find(ctx, known.issuer_id, known.evse_id) if known.evse_id else None
    return price_under(known, body, match, evse), match.terms


def price_under(known: Session, body: Original | None, match: Match, evse: Evse | None) -> Priced:
    """The price of a session under one contract version, whether that is in force or only proposed."""
    if body is None or match.terms is None or match.terms.contract_id != known.contract_id:
        return Priced(reasons=(match.reason or "NO_CONTRACT",))
    if body.expired_at_utc is not None:
        return Priced(reasons=("DETAIL_EXPIRED",))
    charge = read(body)
    if charge.credit or known.zone is None:
        return Priced(reasons=("CREDIT" if charge.credit else "NO_TIME_ZONE",))
    zone = evse.zone if evse and evse.zone else known.zone
    return price(charge, match.terms, zone, settling.facts_of(evse, charge))


def read(body: Original) -> ChargeRecord:
    """The normalised CDR of a body.

    Raises:
        DetailExpired: its detail was given up after its term.
    """
    if body.expired_at_utc is not None:
        raise DetailExpired("the detail of this CDR has expired", expired_at_utc=body.expired_at_utc)
    raw = numbers_json.loads(zlib.decompress(body.raw))
    return rating.normalise_cdr(raw[0] if isinstance(raw, list) else raw, body.ocpi_version)


def retry_waiting(ctx: Context, issuer_id: str, contract_id: str | None) -> int:
    """Process again what waits under a contract, or under none; returns how many became VERIFIED.

    With what stopped before its contract was cleared here, where that day is an earlier one by now.
    """
    refs = [ref for state in WAITING for ref in store.unbilled_refs(ctx.db, issuer_id, contract_id, state)]
    refs += _in_scope_by_now(ctx, issuer_id, contract_id) if contract_id is not None else []
    return _again(ctx, issuer_id, refs)


def retry_contract(ctx: Context, issuer_id: str, contract_id: str) -> int:
    """Process again what a new or changed contract may free."""
    return retry_waiting(ctx, issuer_id, None) + retry_waiting(ctx, issuer_id, contract_id)


def _in_scope_by_now(ctx: Context, issuer_id: str, contract_id: str) -> list[str]:
    terms = contracts.terms_now(ctx, issuer_id, contract_id)
    since = local_midnight(terms.auto_from, terms.zone) if terms.auto_from else None
    return list(store.out_of_scope_since(ctx.db, issuer_id, contract_id, since))


def retry_evse(ctx: Context, issuer_id: str, evse_id: str) -> int:
    """Process again what waits at an EVSE after its assignment changed (product.md rows 101-102)."""
    found = store.sessions(ctx.db, issuer_id, store.refs_of_evse(ctx.db, issuer_id, evse_id, ctx.now() - _MEMORY))
    freed = _again(ctx, issuer_id, [ref for ref, s in found.items() if s.billing in WAITING])
    if not any(s.billing in WAITING for s in store.sessions(ctx.db, issuer_id, found).values()):
        journal.resolve(
            ctx, issuer_id, ExceptionType.EVSE_UNASSIGNED, evse_id, by="system:evse.assigned", reason="assigned"
        )
    return freed


def sweep(ctx: Context, issuer_id: str) -> int:
    """Process bodies that the stream has left behind for more than five minutes; returns how many there were.

    It looks at what came in since the last sweep that left nothing behind, day by day, so an outage of any length is
    caught up, and a body is looked at twice, not at every sweep of its day. A body that cannot be processed keeps its
    instant for ``_PATIENCE`` and no other from its turn; the proof tells of it for ever. What the index learned too
    late ``sweep_again`` finds.
    """
    before = ctx.now() - SETTLE
    since = store.swept_until(ctx.db, issuer_id) or identity.issuer(ctx, issuer_id).created_at_utc or before
    stuck, behind, faults = None, 0, list[Exception]()
    for first, until in _days(min(since, before) - _OVERLAP, before):
        missing = _left_behind(ctx, issuer_id, first, until, faults)
        stuck, behind = stuck or min(missing, default=None), behind + len(missing)
        # Each day by itself: a sweep that dies in a long outage has not looked for nothing. Never past what was seen.
        mark = min(until, max(stuck, before - _PATIENCE)) if stuck else until
        ctx.db.write(store.swept_put(issuer_id, mark))
    _raise_first(faults)
    return behind


def sweep_again(ctx: Context, issuer_id: str) -> int:
    """Process what the last two days' sweeps did not see in the index (nightly); returns how many there were."""
    before, faults = ctx.now() - SETTLE, list[Exception]()
    days = _days(before - _LOOK_BACK, before)
    behind = sum(len(_left_behind(ctx, issuer_id, first, until, faults)) for first, until in days)
    _raise_first(faults)
    return behind


def _days(since: datetime, before: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The UTC days of a span, the first and the last one as far as they lie in it."""
    while since < before:
        midnight = since.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        until = min(midnight, before)
        yield since, until
        since = until


def _left_behind(
    ctx: Context, issuer_id: str, since: datetime, until: datetime, faults: list[Exception]
) -> list[datetime]:
    """Process the bodies without a session received in a part of a UTC day: their instants. What fails is noted."""
    seen = dict(store.received_between(ctx.db, issuer_id, since, until))
    known = store.sessions(ctx.db, issuer_id, seen, consistent=False)
    missing = [ref for ref in seen if ref not in known]
    # Noted before it is processed: a crash in between loses nobody's word of it.
    for ref in missing:
        _note(ctx, issuer_id, ref, seen[ref])
    _tried(ctx, issuer_id, missing, faults)
    return [seen[ref] for ref in missing]


def _note(ctx: Context, issuer_id: str, cdr_ref: str, day: datetime) -> None:
    try:
        ctx.db.write(store.left_behind(issuer_id, cdr_ref, day))
    except ConditionFailed:
        return  # an earlier sweep noted it


def expire(ctx: Context, issuer_id: str, contract_id: str | None, limit_days: int) -> int:
    """What waited longer than the contract allows is EXPIRED with an exception, never silently (row 12)."""
    before = ctx.now() - timedelta(days=limit_days)
    refs = [ref for state in WAITING for ref in store.unbilled_refs(ctx.db, issuer_id, contract_id, state)]
    gone = 0
    for known in store.sessions(ctx.db, issuer_id, refs).values():
        if known.billing not in WAITING or known.received_at_utc > before or known.dispute is DisputeState.OPEN:
            continue
        reasons = tuple(dict.fromkeys(("HOLD_EXPIRED", *known.reasons)))
        subject = f"{known.cdr_ref}#EXPIRED"
        # Told first: once it is EXPIRED nobody looks at it again, and a crash in between would leave it unsaid.
        journal.raise_once(
            ctx, issuer_id, ExceptionType.TOO_LATE, subject,
            f"waited longer than {limit_days} days: {', '.join(known.reasons)}",
            partner=known.emsp_party, expected=known.net, severity="HIGH",
        )  # fmt: skip
        try:
            ctx.db.write(
                store.replace(known.model_copy(update={"billing": Billing.EXPIRED, "reasons": reasons}), known)
            )
        except ConditionFailed:
            reason = "it was freed at that moment"
            journal.resolve(ctx, issuer_id, ExceptionType.TOO_LATE, subject, by="system:expire", reason=reason)
            continue
        gone += 1
    return gone


def _again(ctx: Context, issuer_id: str, refs: Iterable[str]) -> int:
    return sum(made.billing is Billing.VERIFIED for made in _each(ctx, issuer_id, refs))


def _each(ctx: Context, issuer_id: str, refs: Iterable[str]) -> list[Session]:
    """Process all of them; one that fails does not stop the others, and its fault is raised at the end."""
    faults: list[Exception] = []
    made = _tried(ctx, issuer_id, refs, faults)
    _raise_first(faults)
    return made


def _tried(ctx: Context, issuer_id: str, refs: Iterable[str], faults: list[Exception]) -> list[Session]:
    made: list[Session] = []
    for ref in refs:
        try:
            made.append(process(ctx, issuer_id, ref))
        except Exception as error:
            faults.append(error)
    return made


def _raise_first(faults: list[Exception]) -> None:
    if faults:
        raise faults[0]
