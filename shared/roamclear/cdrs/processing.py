"""From a received body to a VERIFIED session, or to the reason why it is not one yet (rules.md 4, product.md row 11).

Idempotent per CDR: it may run twice, at once, or after a crash anywhere, and comes to the same row.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from roamclear.cdrs import collisions, credits, rules, store, zones
from roamclear.cdrs.model import WAITING, Billing, DisputeState, Original, PayoutState, Rating, Session
from roamclear.cdrs.pricing import Priced, price
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Match, Terms
from roamclear.evses import service as evses
from roamclear.evses.model import Evse
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed, NotFound
from roamclear.kernel.ids import contract_id as emaid
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.ids import party as parties
from roamclear.rating import service as rating
from roamclear.rating.model import ChargeRecord

_TRIES = 6
#: Nothing waits longer than a year (``Terms.hold_expiry_days``), so older sessions need not be looked at.
_MEMORY = timedelta(days=400)
#: Reasons that concern a whole EVSE or partner are told once for it, not once per CDR.
_SHARED = {"EVSE_UNASSIGNED": "evse", "NO_CONTRACT": "party", "AMBIGUOUS_CONTRACT": "party", "VAT_MISSING": "party"}
#: A sweep leaves alone what the stream may still be working on.
SETTLE = timedelta(minutes=5)
#: States that no retry visits again: their exception is told by whoever finds them so.
_TOLD_LATE = (Billing.TOO_LATE, Billing.REJECTED)
#: How long the sweep comes back to a body that cannot be processed.
_PATIENCE = timedelta(days=14)


def process(ctx: Context, issuer_id: str, cdr_ref: str) -> Session:
    """Check, attach, price and tie a CDR to its payout account; what already left the waiting states stays."""
    body = store.original(ctx.db, issuer_id, cdr_ref)
    if body is None:
        raise NotFound("no such CDR")
    charge = read(body)
    for _ in range(_TRIES):
        known = store.session(ctx.db, issuer_id, cdr_ref)
        if known is not None and (known.billing not in WAITING or known.dispute is not DisputeState.NONE):
            # A disputed session waits for its answer, not for us.
            if known.billing in _TOLD_LATE:
                _tell(ctx, known)  # the process may have died between the row and its exception
            return known
        try:
            made = credits.settle(ctx, body, charge, known) if charge.credit else _settle(ctx, body, charge, known)
        except ConditionFailed:
            continue
        _tell(ctx, made)
        _close(ctx, made, known)
        return made
    raise Busy("a session is changed by too many at once")


def price_again(ctx: Context, known: Session) -> tuple[Priced, int]:
    """The price of a session by the contract version of its start as it reads now, and that version."""
    body = store.original(ctx.db, known.issuer_id, known.cdr_ref)
    match = contracts.match(ctx, known.issuer_id, known.emsp_party, known.start_utc)
    if body is None or match.terms is None or match.terms.contract_id != known.contract_id:
        return Priced(reasons=(match.reason or "NO_CONTRACT",)), 0
    charge = read(body)
    if charge.credit or known.zone is None:
        return Priced(reasons=("CREDIT" if charge.credit else "NO_TIME_ZONE",)), 0
    evse = evses.find(ctx, known.issuer_id, known.evse_id) if known.evse_id else None
    zone = evse.zone if evse and evse.zone else known.zone
    return price(charge, match.terms, zone, _facts(evse, charge)), match.terms.version


def read(body: Original) -> ChargeRecord:
    """The normalised CDR of a body."""
    raw = numbers_json.loads(zlib.decompress(body.raw))
    return rating.normalise_cdr(raw[0] if isinstance(raw, list) else raw, body.ocpi_version)


def retry_waiting(ctx: Context, issuer_id: str, contract_id: str | None) -> int:
    """Process again what waits under a contract, or under none; returns how many became VERIFIED."""
    refs = [ref for state in WAITING for ref in store.unbilled_refs(ctx.db, issuer_id, contract_id, state)]
    return _again(ctx, issuer_id, refs)


def retry_contract(ctx: Context, issuer_id: str, contract_id: str) -> int:
    """Process again what a new or changed contract may free."""
    return retry_waiting(ctx, issuer_id, None) + retry_waiting(ctx, issuer_id, contract_id)


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

    It looks back to the day of the last sweep that left nothing behind, at least two days: an outage of any length is
    caught up. A body that cannot be processed keeps that day for ``_PATIENCE``; the proof tells of it for ever.
    """
    before = ctx.now() - SETTLE
    mark = store.swept_until(ctx.db, issuer_id) or identity.issuer(ctx, issuer_id).created_at_utc or before
    day = min(mark, before - timedelta(days=2))
    behind: list[str] = []
    done = before
    while day.date() <= before.date():
        refs = list(store.received(ctx.db, issuer_id, day, before=before))
        known = store.sessions(ctx.db, issuer_id, refs, consistent=False)
        missing = [ref for ref in refs if ref not in known]
        if missing:
            done = min(done, day)
        behind += missing
        day += timedelta(days=1)
    _each(ctx, issuer_id, behind)
    if done.date() > mark.date() or mark < before - _PATIENCE:
        ctx.db.write(store.swept_put(issuer_id, max(done, before - _PATIENCE)))
    return len(behind)


def expire(ctx: Context, issuer_id: str, contract_id: str | None, limit_days: int) -> int:
    """What waited longer than the contract allows is EXPIRED with an exception, never silently (row 12)."""
    before = ctx.now() - timedelta(days=limit_days)
    refs = [ref for state in WAITING for ref in store.unbilled_refs(ctx.db, issuer_id, contract_id, state)]
    gone = 0
    for known in store.sessions(ctx.db, issuer_id, refs).values():
        if known.billing not in WAITING or known.received_at_utc > before or known.dispute is DisputeState.OPEN:
            continue
        reasons = tuple(dict.fromkeys(("HOLD_EXPIRED", *known.reasons)))
        try:
            ctx.db.write(
                store.replace(known.model_copy(update={"billing": Billing.EXPIRED, "reasons": reasons}), known)
            )
        except ConditionFailed:
            continue  # freed a moment ago
        journal.raise_once(
            ctx, issuer_id, ExceptionType.TOO_LATE, f"{known.cdr_ref}#EXPIRED",
            f"waited longer than {limit_days} days: {', '.join(known.reasons)}",
            partner=known.emsp_party, expected=known.net, severity="HIGH",
        )  # fmt: skip
        gone += 1
    return gone


def _again(ctx: Context, issuer_id: str, refs: Iterable[str]) -> int:
    return sum(made.billing is Billing.VERIFIED for made in _each(ctx, issuer_id, refs))


def _each(ctx: Context, issuer_id: str, refs: Iterable[str]) -> list[Session]:
    """Process all of them; one that fails does not stop the others, and its fault is raised at the end."""
    made: list[Session] = []
    fault: Exception | None = None
    for ref in refs:
        try:
            made.append(process(ctx, issuer_id, ref))
        except Exception as error:
            fault = fault or error
    if fault is not None:
        raise fault
    return made


# ---- one session ---------------------------------------------------------------------------------------------------
def _settle(ctx: Context, body: Original, charge: ChargeRecord, known: Session | None) -> Session:
    """Decide the state of a session and write it over exactly the state that was read."""
    base = _base(body, charge, known)
    evse = _evse(ctx, body, charge, base)
    zone = evse.zone if evse and evse.zone else zones.of_country(charge.location.country)
    base = base.model_copy(update={"zone": zone, "country": evse.country if evse else base.country})
    match = contracts.match(ctx, body.issuer_id, base.emsp_party, base.start_utc)
    if base.emsp_party == body.party:
        return _write(ctx, base.model_copy(update={"billing": Billing.OUT_OF_SCOPE, "reasons": ("OWN",)}), known)
    found = collisions.look(ctx, body, charge, base)
    base = base.model_copy(update={"replaces": found.replaces})
    if match.contract is None or match.terms is None:
        reasons = (match.reason or "NO_CONTRACT",)
        return _write(ctx, base.model_copy(update={"billing": Billing.NOT_RATED, "reasons": reasons}), known)
    base = base.model_copy(update={"contract_id": match.contract.contract_id, "contract_version": match.terms.version})
    priced = price(charge, match.terms, zone, _facts(evse, charge)) if zone else Priced(reasons=("NO_TIME_ZONE",))
    made, told = _assess(ctx, body, charge, base, match, priced, evse, found)
    if priced.net is not None:
        made = _rate(ctx, made, match, priced, known)
    return _write(ctx, made.model_copy(update={"warnings": told}), known)


def _base(body: Original, charge: ChargeRecord, known: Session | None) -> Session:
    evse = charge.location.evse_id
    folded = evse_ids.compact(evse) if evse and evse_ids.is_valid(evse) else None
    return Session(
        issuer_id=body.issuer_id,
        cdr_ref=body.cdr_ref,
        cdr_id=charge.id,
        party=body.party,
        emsp_party=emsp_of(charge),
        partner_id=body.partner_id,
        route=body.route,
        source=body.source,
        session_id=charge.session_id,
        evse_id=folded,
        country=rating.alpha2(charge.location.country or "") or "",
        start_utc=charge.start,
        stop_utc=charge.end,
        energy_kwh=charge.total_energy_kwh,
        received_at_utc=body.received_at_utc,
        available_at_utc=known.available_at_utc if known else None,
        billing=Billing.NOT_RATED,
        rating_version=known.rating_version if known else 0,
        currency=charge.currency,
        cdr_total=charge.total_cost.excl_vat if charge.total_cost else None,
        sha256=body.sha256,
        changed=known.changed if known else 0,
    )


def emsp_of(charge: ChargeRecord) -> str:
    """The eMSP of a session: the token's owner, else the provider of its contract id, else ``-`` (ocpi.md 4)."""
    token = charge.token
    if token.country_code and token.party_id:
        return parties.compact(token.country_code, token.party_id)
    return (emaid.provider(token.contract_id) if token.contract_id else None) or "-"


def _evse(ctx: Context, body: Original, charge: ChargeRecord, base: Session) -> Evse | None:
    if base.evse_id is None:
        return None
    known = evses.find(ctx, body.issuer_id, base.evse_id)
    return known or evses.register_from_cdr(ctx, body.issuer_id, body.party, charge)


def _facts(evse: Evse | None, charge: ChargeRecord) -> rating.EvseFacts:
    groups = (evse.group,) if evse and evse.group else ()
    power = evse.power_type if evse and evse.power_type else charge.location.connector_power_type
    return rating.EvseFacts(group_ids=groups, power_type=power, country=charge.location.country)


def _assess(
    ctx: Context,
    body: Original,
    charge: ChargeRecord,
    base: Session,
    match: Match,
    priced: Priced,
    evse: Evse | None,
    found: collisions.Collisions,
) -> tuple[Session, tuple[str, ...]]:
    """All reasons against VERIFIED, the worst first, and the warnings."""
    assert match.terms is not None
    terms = match.terms.terms
    findings = rules.check(
        charge, _thresholds(terms), received_at=body.received_at_utc, evse_facts=_plug(evse, base, terms)
    )
    reasons = list(priced.reasons)
    reasons += [f.id for f in findings if f.severity == rules.Severity.HOLD]
    warnings = [*priced.warnings, *(f.id for f in findings if f.severity == rules.Severity.WARN)]
    reasons += found.holds
    warnings += found.warnings
    if charge.total_energy_kwh == 0 and not terms.bill_zero_energy:
        reasons.append("ZERO_ENERGY")
    account, payout = None, PayoutState.NONE
    if base.evse_id is None:
        reasons.append("EVSE_UNKNOWN")
    else:
        account = evses.payee(ctx, body.issuer_id, base.evse_id, base.stop_utc)
        if account is None and terms.unassigned_policy == "INVOICE_AND_PARK":
            payout = PayoutState.PARKED
        elif account is None:
            reasons.append("EVSE_UNASSIGNED")
    billing = _billing(reasons, priced, late=_is_late(body, charge, terms))
    now = ctx.now() if billing is Billing.VERIFIED else None
    made = base.model_copy(
        update={
            "billing": billing,
            "reasons": tuple(dict.fromkeys(reasons)),
            "net": priced.net,
            "vat_category": terms.vat.category.value,
            "vat_rate_percent": terms.vat.rate_percent,
            "account_id": account,
            "payout": payout,
            "verified_at_utc": now,
            "available_at_utc": base.available_at_utc or now,
        }
    )
    return made, tuple(dict.fromkeys(warnings))


def _billing(reasons: list[str], priced: Priced, *, late: bool) -> Billing:
    if late:
        return Billing.TOO_LATE
    if priced.net is None:
        return Billing.NOT_RATED
    return Billing.ON_HOLD if reasons else Billing.VERIFIED


def _is_late(body: Original, charge: ChargeRecord, terms: Terms) -> bool:
    return body.received_at_utc > charge.end + timedelta(days=terms.late_limit_days)


def _thresholds(terms: Terms) -> rules.Thresholds:
    return rules.Thresholds(
        max_energy_kwh=terms.max_energy_kwh,
        max_duration_h=Decimal(terms.max_duration_hours),
        signed_data_countries=(),
    )


def _plug(evse: Evse | None, base: Session, terms: Terms) -> rules.PlugFacts:
    return rules.PlugFacts(
        max_power_kw=evse.output_kw if evse else None, time_zone=base.zone, contract_currency=terms.currency
    )


def _rate(ctx: Context, made: Session, match: Match, priced: Priced, known: Session | None) -> Session:
    """Keep the rating as its own row, never changed; the same price again needs no new version."""
    assert match.terms is not None
    assert priced.net is not None
    version = made.rating_version
    current = store.rating(ctx.db, made.issuer_id, made.cdr_ref, version) if version else None
    if current is not None and current.trace == priced.trace and current.contract_version == match.terms.version:
        return made
    while True:
        version += 1
        row = Rating(
            issuer_id=made.issuer_id,
            cdr_ref=made.cdr_ref,
            version=version,
            contract_id=match.terms.contract_id,
            contract_version=match.terms.version,
            grid_line=priced.grid_line,
            basis=match.terms.terms.basis.value,
            author="system:intake",
            reason="first rating" if known is None else "rated again",
            at_utc=ctx.now(),
            lines=priced.lines,
            net=priced.net,
            grid_total=priced.grid_total,
            cdr_total=priced.cdr_total,
            flags=priced.warnings,
            trace=priced.trace,
        )
        try:
            ctx.db.write(store.rating_put(row))
        except ConditionFailed as lost:
            # A crash after this write: the row that stands there is ours if it prices the same.
            if lost.current is not None and Rating.load(lost.current).trace == priced.trace:
                return made.model_copy(update={"rating_version": version})
            continue
        return made.model_copy(update={"rating_version": version})


def _write(ctx: Context, made: Session, known: Session | None) -> Session:
    ctx.db.write(store.create(made) if known is None else store.replace(made, known))
    return made


def _tell(ctx: Context, made: Session) -> None:
    """Raise what keeps a session from being billed."""
    for reason in made.reasons if made.billing not in (Billing.OUT_OF_SCOPE, Billing.CREDITED) else ():
        kind, subject = _named(made, reason)
        journal.raise_once(
            ctx,
            made.issuer_id, kind, subject,
            f"{reason}: session of {made.stop_utc:%Y-%m-%d} is not billed yet",
            partner=made.emsp_party,
            expected=made.net,
            details={"cdr_ref": made.cdr_ref, "evse_id": made.evse_id or "", "reason": reason},
        )  # fmt: skip
    if made.billing is Billing.TOO_LATE:
        journal.raise_once(
            ctx, made.issuer_id, ExceptionType.TOO_LATE, made.cdr_ref, "received after the contract's late limit",
            partner=made.emsp_party, expected=made.net,
        )  # fmt: skip


def _close(ctx: Context, made: Session, known: Session | None) -> None:
    """Close what held this session, and no other one, until now."""
    for reason in set(known.reasons) - set(made.reasons) - set(_SHARED) if known else ():
        journal.resolve(ctx, made.issuer_id, *_named(made, reason), by="system:intake", reason="no longer so")


def _named(made: Session, reason: str) -> tuple[ExceptionType, str]:
    """The kind and subject of the exception of a reason."""
    if reason not in ExceptionType.__members__:
        return ExceptionType.PLAUSIBILITY, f"{made.cdr_ref}#{reason}"
    subjects = {"evse": made.evse_id or made.cdr_ref, "party": made.emsp_party, None: made.cdr_ref}
    return ExceptionType(reason), subjects[_SHARED.get(reason)]
