"""What is left of a session after the retention of its detail (product.md row 139, D.6).

Kept for ever: money, energy, duration, VAT, contract, run, states, both hashes of the body and when it came. Given up:
token, contract id, EVSE, address, session id, the times of day and the price steps; equal values keep equal pseudonyms.
The body's row stays in its place, so that every body ever received is still in exactly one state (rules.md 8).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from roamclear.cdrs import adjustments
from roamclear.cdrs import store as rows
from roamclear.cdrs.detail import store
from roamclear.cdrs.detail.model import MARK
from roamclear.cdrs.model import Original, Session
from roamclear.cdrs.processing import read
from roamclear.cdrs.settling import emsp_of
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.ids import contract_id as emaid
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.record import plain
from roamclear.kernel.time import local_date, local_midnight
from roamclear.rating.model import ChargeRecord
from roamclear.retention.pseudonyms import Pseudonyms

_MOST_ROWS = 200
_NO_TRACE = b""


def received_after(ctx: Context, issuer_id: str, day: datetime, after: str) -> Iterator[tuple[str, str]]:
    """(position, reference) of what came on a UTC day behind a position, in order."""
    yield from store.received_after(ctx.db, issuer_id, day, after)


def family(ctx: Context, issuer_id: str, cdr_ref: str) -> list[Session]:
    """The session of a body and the rows of ours that were made of it after the lock."""
    first = rows.session(ctx.db, issuer_id, cdr_ref)
    found = [first] if first is not None else []
    for session in found:
        sums = rows.adjusted(ctx.db, issuer_id, session.cdr_ref)
        following = [*sums.refs, *([sums.successor] if sums.successor else [])]
        known = {each.cdr_ref for each in found}
        made = rows.sessions(ctx.db, issuer_id, (ref for ref in following if ref not in known)).values()
        # A credit CDR stands among the corrections too; it has a body and a term of its own.
        found += [each for each in made if adjustments.is_ours(each)][: _MOST_ROWS - len(found)]
    return found


def charge_of(body: Original) -> ChargeRecord | None:
    """What a body says, or None where it says nothing that can be read, or no more."""
    if body.expired_at_utc is not None:
        return None
    try:
        return read(body)
    except (InvalidInput, KeyError, TypeError, ValueError):
        return None


def coarse(instant: datetime, zone: str) -> datetime:
    """The midnight that an instant's day began with; periods are whole days, so it stays in its own."""
    return local_midnight(local_date(instant, zone), zone)


def expire_row(ctx: Context, known: Session, names: Pseudonyms, zone: str) -> Session:
    """The row of a session without its detail, and its prices without their steps; again changes nothing."""
    store.drop_traces(ctx.db, known.issuer_id, known.cdr_ref, _NO_TRACE)
    if known.detail_expired_at_utc is not None:
        return known
    made = known.model_copy(
        update={
            "evse_id": names.of("EVSE", known.evse_id) if known.evse_id else None,
            "session_id": names.of("SESSION", known.session_id) if known.session_id else None,
            "start_utc": coarse(known.start_utc, zone),
            "stop_utc": coarse(known.stop_utc, zone),
            "detail_expired_at_utc": ctx.now(),
        }
    )
    ctx.db.write(rows.replace(made, known))
    return made


def expire_body(ctx: Context, body: Original, names: Pseudonyms, zone: str) -> int:
    """What else a CDR left behind, its body last: until that is done the whole may run again. How many bodies."""
    charge = charge_of(body)
    if charge is not None:
        _forget(ctx, body, charge, names, zone)
    count = 0
    for other in store.conflicts(ctx.db, body.issuer_id, body.cdr_ref):
        if other.expired_at_utc is None:
            store.expire_conflict(ctx.db, _left(ctx, other, None, names, zone))
            count += 1
    if body.expired_at_utc is None:
        count += store.expire_original(ctx.db, _left(ctx, body, charge, names, zone))
    store.drop_parts(ctx.db, body.issuer_id, body.cdr_ref)
    return count


def refs_of_token(ctx: Context, issuer_id: str, emsp: str, uid: str, aliases: list[Pseudonyms]) -> list[str]:
    """References of the CDRs of a token, those whose detail expired too as far as a secret still finds them."""
    subject = f"{emsp}#{uid.upper()}"
    subjects = [subject, *(names.of("TOKEN", subject) for names in aliases)]
    found = (ref for each in subjects for ref in store.used_by(ctx.db, issuer_id, each))
    return list(dict.fromkeys(found))


def differing(ctx: Context, issuer_id: str, cdr_ref: str) -> list[Original]:
    """The differing bodies that came under a CDR's id."""
    return store.conflicts(ctx.db, issuer_id, cdr_ref)


def names(body: Original, field: str, alias: str) -> bool:
    """Whether what is left of a body names a pseudonym."""
    left = numbers_json.loads(zlib.decompress(body.raw))
    return isinstance(left, dict) and left.get(field) == alias


def _forget(ctx: Context, body: Original, charge: ChargeRecord, names: Pseudonyms, zone: str) -> None:
    issuer_id, ref, span = body.issuer_id, body.cdr_ref, (charge.start, charge.end)
    if charge.session_id and charge.session_id != "#NA":
        value = f"{body.party}#{charge.session_id.upper()}"
        store.rename_claim(ctx.db, issuer_id, "SESSION", value, names.of("SESSION", value), ref)
    if charge.location.evse_id:
        place = f"{evse_ids.compact(charge.location.evse_id)}#{(charge.location.connector_id or '').upper()}"
        store.vacate(ctx.db, issuer_id, "CONNECTOR", place, ref, span)
    if charge.token.uid:
        subject = f"{emsp_of(charge)}#{charge.token.uid.upper()}"
        store.note_alias(ctx.db, issuer_id, names.of("TOKEN", subject), ref, coarse(charge.end, zone))
        store.vacate(ctx.db, issuer_id, "TOKEN", subject, ref, span)


def _left(ctx: Context, body: Original, charge: ChargeRecord | None, names: Pseudonyms, zone: str) -> Original:
    """The body's row with what is left of it: named fields only, whatever else stood there is gone."""
    said: dict[str, Any] = {
        MARK: "EXPIRED",
        "expired_at": ctx.now(),
        "sha256": body.sha256,
        "cdr_ref": body.cdr_ref,
        "ocpi_version": body.ocpi_version,
    }
    if charge is not None:
        token, evse = charge.token, charge.location.evse_id
        said |= {
            "id": charge.id,
            "currency": charge.currency,
            "total_energy": charge.total_energy_kwh,
            "total_time": charge.total_time_h,
            "total_cost": charge.total_cost.excl_vat if charge.total_cost else None,
            "credit": charge.credit,
            "credit_reference_id": charge.credit_reference_id,
            "country": charge.location.country,
            "start_day": local_date(charge.start, zone),
            "stop_day": local_date(charge.end, zone),
            "token": names.of("UID", token.uid) if token.uid else None,
            "contract": names.of("CONTRACT", emaid.compact(charge.token.contract_id))
            if charge.token.contract_id
            else None,
            "evse": names.of("EVSE", evse_ids.compact(evse)) if evse else None,
        }
    text = numbers_json.dumps(plain(said), sort_keys=True)
    return body.model_copy(update={"raw": store.packed(text), "expired_at_utc": ctx.now(), "correlation_id": ""})
