"""Two CDRs for one session, or two sessions in one place at one time (product.md rows 5 and 10, ocpi.md 9.9 and 9.13).

Both are found by writes that read what others wrote in the same step, so they are found also when the two CDRs arrive
at the same moment. Of two that collide the one received first counts; the other waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from roamclear.cdrs import store
from roamclear.cdrs.model import Billing, Original, Session
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.time import sort_instant
from roamclear.rating.model import ChargeRecord

#: What has left billing for good takes no place.
_GONE = (Billing.CREDITED, Billing.INVALIDATED, Billing.REJECTED, Billing.EXPIRED)


@dataclass(slots=True)
class Collisions:
    """Hold reasons, warnings, and the credited CDR that this one replaces."""

    holds: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    replaces: str | None = None


def look(ctx: Context, body: Original, charge: ChargeRecord, base: Session) -> Collisions:
    """Claim the session id, note the use of connector and token, and say what stands in the way."""
    found = Collisions()
    if charge.session_id and charge.session_id != "#NA":
        _session_id(ctx, body, f"{body.party}#{charge.session_id.upper()}", found)
    if base.stop_utc < base.start_utc:
        return found
    if base.evse_id:
        connector = (charge.location.connector_id or "").upper()
        _overlap(ctx, base, "CONNECTOR", f"{base.evse_id}#{connector}", found)
    if charge.token.uid:
        _overlap(ctx, base, "TOKEN", f"{base.emsp_party}#{charge.token.uid.upper()}", found)
    return found


def _session_id(ctx: Context, body: Original, value: str, found: Collisions) -> None:
    owner = body.cdr_ref
    try:
        ctx.db.write(store.claim_put(body.issuer_id, "SESSION", value, body.cdr_ref))
    except ConditionFailed as lost:
        owner = str((lost.current or {}).get("owner") or store.claim_owner(ctx.db, body.issuer_id, "SESSION", value))
    if owner == body.cdr_ref:
        return
    other = store.session(ctx.db, body.issuer_id, owner)
    if other is not None and other.billing is Billing.CREDITED:
        ctx.db.write(store.claim_takeover(body.issuer_id, "SESSION", value, body.cdr_ref, owner))
        found.replaces = owner
    else:
        found.holds.append("POSSIBLE_DUPLICATE")


def _overlap(ctx: Context, base: Session, kind: str, subject: str, found: Collisions) -> None:
    start, stop = sort_instant(base.start_utc), sort_instant(base.stop_utc)
    mine = (sort_instant(base.received_at_utc), base.cdr_ref)
    overlapping = [
        ref
        for ref, (begin, end, received) in store.occupy(ctx.db, base, kind, subject).items()
        if (begin < stop and start < end) or begin == start
        if (received, ref) < mine
    ]
    for ref, other in store.sessions(ctx.db, base.issuer_id, overlapping).items():
        same_start = other.start_utc == base.start_utc
        if other.billing in _GONE:
            found.replaces = found.replaces or (ref if same_start and kind == "CONNECTOR" else None)
        elif kind == "TOKEN":
            found.warnings.append("OVERLAP_TOKEN")
        else:
            found.holds.append("POSSIBLE_DUPLICATE" if same_start else "OVERLAP_CONNECTOR")
    if kind == "CONNECTOR" and set(overlapping) - set(store.sessions(ctx.db, base.issuer_id, overlapping)):
        # Received before us and not processed yet: it will count, so we wait for the nightly retry.
        found.holds.append("OVERLAP_CONNECTOR")
