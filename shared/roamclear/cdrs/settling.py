"""What a session is after one look at it: attached, priced, checked, tied to its payout account (row 11)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from roamclear.cdrs import collisions, rules, store, zones
from roamclear.cdrs.model import BEFORE_AUTO_FROM, Billing, Original, PayoutState, Rating, Session
from roamclear.cdrs.pricing import Priced, price
from roamclear.cdrs.severities import Severity
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Match, Terms
from roamclear.contracts.plausibility import Judgement
from roamclear.evses import service as evses
from roamclear.evses.model import Evse
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.ids import contract_id as emaid
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.ids import party as parties
from roamclear.kernel.time import local_midnight
from roamclear.rating import service as rating
from roamclear.rating.model import ChargeRecord


def settle(ctx: Context, body: Original, charge: ChargeRecord, known: Session | None) -> Session:
    """Decide the state of a session and write it over exactly the state that was read."""
    base = _base(body, charge, known)
    match = contracts.match(ctx, body.issuer_id, body.party, base.emsp_party, base.start_utc)
    owed = match.terms is not None and match.terms.terms.is_reverse
    evse = _evse(ctx, body, charge, base) if not owed else None  # another CPO's chargers are not in our register
    zone = evse.zone if evse and evse.zone else zones.of_country(charge.location.country)
    base = base.model_copy(update={"zone": zone, "country": evse.country if evse else base.country})
    if base.emsp_party == body.party:
        return _write(ctx, base.model_copy(update={"billing": Billing.OUT_OF_SCOPE, "reasons": ("OWN",)}), known)
    if _before_automation(match, base):
        update = {"billing": Billing.OUT_OF_SCOPE, "reasons": (BEFORE_AUTO_FROM,)}
        update |= {"contract_id": match.contract.contract_id} if match.contract else {}
        return _write(ctx, base.model_copy(update=update), known)
    found = collisions.look(ctx, body, charge, base)
    base = base.model_copy(update={"replaces": found.replaces})
    if match.contract is None or match.terms is None:
        reasons = (match.reason or "NO_CONTRACT",)
        return _write(ctx, base.model_copy(update={"billing": Billing.NOT_RATED, "reasons": reasons}), known)
    base = base.model_copy(update={"contract_id": match.contract.contract_id, "contract_version": match.terms.version})
    priced = price(charge, match.terms, zone, facts_of(evse, charge)) if zone else Priced(reasons=("NO_TIME_ZONE",))
    made, told = _assess(ctx, body, charge, base, match, priced, evse, found)
    if priced.net is not None:
        made = _rate(ctx, made, match, priced, known)
    return _write(ctx, made.model_copy(update={"warnings": told}), known)


def _before_automation(match: Match, base: Session) -> bool:
    """Whether a session was over before its contract began to be cleared here (product.md A3, Activation)."""
    judging = match.current or match.terms
    begins = judging.terms.auto_from if judging else None
    return (
        match.contract is not None
        and begins is not None
        and base.stop_utc < local_midnight(begins, match.contract.zone)
    )


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


def facts_of(evse: Evse | None, charge: ChargeRecord) -> rating.EvseFacts:
    """What the register knows of the place, as the price grid asks for it."""
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
    # The price is that of the start; what is plausible may be learnt later: a raised threshold frees what waits.
    judging = match.current.terms if match.current else terms
    findings = rules.check(
        charge, thresholds(judging), received_at=body.received_at_utc, evse_facts=_plug(evse, base, judging)
    )
    reasons = list(priced.reasons)
    reasons += [f.id for f in findings if f.severity == Severity.HOLD]
    warnings = [*priced.warnings, *(f.id for f in findings if f.severity == Severity.WARN)]
    reasons += found.holds
    warnings += found.warnings
    if _is_misrouted(ctx, body, base):
        reasons.append("RECEIVER_MISMATCH")
    if charge.total_energy_kwh == 0 and not terms.bill_zero_energy:
        reasons.append("ZERO_ENERGY")
    account, payout = None, PayoutState.NONE
    if terms.is_reverse:
        pass  # the document itself says whom we owe: nobody has a share in what we buy
    elif base.evse_id is None:
        reasons.append("EVSE_UNKNOWN")
    else:
        account = evses.payee(ctx, body.issuer_id, base.evse_id, base.stop_utc)
        if account is None and terms.unassigned_policy == "INVOICE_AND_PARK":
            payout = PayoutState.PARKED
        elif account is None:
            reasons.append("EVSE_UNASSIGNED")
    vat = contracts.vat_of(ctx, match.terms, base.country, base.stop_utc)
    if vat is None:
        reasons.append("VAT_MISSING")
    billing = _billing(reasons, priced, late=_is_late(ctx, body, charge, terms))
    now = ctx.now() if billing is Billing.VERIFIED else None
    made = base.model_copy(
        update={
            "billing": billing,
            "reasons": tuple(dict.fromkeys(reasons)),
            "net": priced.net,
            "vat_category": vat.category.value if vat else None,
            "vat_rate_percent": vat.rate_percent if vat else None,
            "account_id": account,
            "payout": payout,
            "verified_at_utc": now,
            "available_at_utc": base.available_at_utc or now,
        }
    )
    return made, tuple(dict.fromkeys(warnings))


def _is_misrouted(ctx: Context, body: Original, base: Session) -> bool:
    """The routing headers named a receiver that is neither the owner of the token nor we (ocpi.md 4)."""
    if not body.to_party or body.to_party == base.emsp_party:
        return False
    return body.to_party not in identity.issuer(ctx, body.issuer_id).parties


def _billing(reasons: list[str], priced: Priced, *, late: bool) -> Billing:
    if late:
        return Billing.TOO_LATE
    if priced.net is None:
        return Billing.NOT_RATED
    return Billing.ON_HOLD if reasons else Billing.VERIFIED


def _is_late(ctx: Context, body: Original, charge: ChargeRecord, terms: Terms) -> bool:
    """Received after the late limit, and not both sides agreed to bill it (product.md row 50)."""
    if body.received_at_utc <= charge.end + timedelta(days=terms.late_limit_days):
        return False
    return len(store.late_consents(ctx.db, body.issuer_id, body.cdr_ref)) < 2


def thresholds(terms: Terms) -> rules.Thresholds:
    """The thresholds of an agreement, as the rules ask for them (product.md row 10)."""
    agreed = terms.plausibility
    off = tuple(sorted(rule_id for rule_id, judged in agreed.severities.items() if judged is Judgement.OFF))
    severities = {name: Severity(judged) for name, judged in agreed.severities.items() if name not in off}
    same = {name: getattr(agreed, name) for name in rules.Thresholds.model_fields.keys() & type(agreed).model_fields}
    own = {"max_energy_kwh": terms.max_energy_kwh, "max_duration_h": Decimal(terms.max_duration_hours)}
    return rules.Thresholds(**same | own | {"severities": severities, "off": off})


def _plug(evse: Evse | None, base: Session, terms: Terms) -> rules.PlugFacts:
    return rules.PlugFacts(
        max_power_kw=evse.output_kw if evse else None,
        time_zone=base.zone,
        contract_currency=terms.currency,
        operators=terms.plausibility.operators,
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


def put(ctx: Context, made: Session, known: Session | None) -> None:
    """Write a session over exactly the state that was read, with the fact of what changed.

    That a CDR came, and what it was first, is told by who took it in: one write more for each would be the dearest.
    """
    if known is None:
        ctx.db.write(store.create(made))
        return
    if made == known:
        return  # looked at again, and nothing is different: no write, and the session is still in its first state
    facts = store.moved(made, known, ctx.now())
    if facts:
        ctx.db.transact([store.replace(made, known), *facts])
    else:
        ctx.db.write(store.replace(made, known))


def _write(ctx: Context, made: Session, known: Session | None) -> Session:
    put(ctx, made, known)
    return made
