"""Locked sessions as rows of the session export (product.md A4-annex)."""

from __future__ import annotations

import re
import zlib
from datetime import timedelta
from decimal import Decimal

from roamclear.billing.model import Document, Run
from roamclear.cdrs.model import DisputeState, Original, Rating, Session
from roamclear.console import service as console
from roamclear.contracts.fees import FeeCharge
from roamclear.contracts.model import ContractVersion
from roamclear.documents.model import AdjustmentRow, ExcludedRow, FeeRow, InvoiceDocument, SessionExport, SessionRow
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.ids import contract_id as emaid
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.money import Money, total
from roamclear.rating.model import ChargeRecord
from roamclear.rating.service import normalise_cdr

_SECONDS = Decimal(3600)
#: References that stand in an address as they are.
_PLAIN = re.compile(r"[A-Z0-9._*-]+", re.ASCII)


def trace_base(ctx: Context) -> str | None:
    """The page where people read traces (product.md rows 123 and B2); None on a stage without an address."""
    page = console.address(ctx.public_base_url, "cdrs")
    return f"{page}/" if page else None


def head(ctx: Context, terms: ContractVersion, run: Run, header: Document, model: InvoiceDocument) -> SessionExport:
    """The head of an export; the issuer looks as it did on the day of issue."""
    ours = model.seller if header.self_billed is None else model.buyer
    return SessionExport(
        document_number=header.number,
        issuer_name=ours.name,
        partner_name=header.partner_name,
        contract_name=run.contract_id,
        period_start=model.period_start,
        period_end=model.period_end,
        currency=header.currency,
        language=model.language,
        created_at_utc=header.issued_at_utc,
        document_net=header.net,
        document_tax=header.tax,
        document_gross=header.gross,
        zone=terms.terms.zone,
        window=model.window,
        trace_base=trace_base(ctx),
        primary=model.branding.primary,
    )


def session_row(
    session: Session, rating: Rating, original: Original, basis: str, section: str, traces: str | None = None
) -> SessionRow:
    """One session with everything the eMSP needs to check it; the driver's contract id is masked.

    ``traces`` is the address under which its trace is found.
    """
    charge = _charge(original)
    amounts = {name: _sum(rating, name, session.currency) for name in ("ENERGY", "FLAT", "TIME", "PARKING", "CAP")}
    other = _rest(rating, set(amounts), session.currency)
    energy = [line for line in rating.lines if line.component == "ENERGY"]
    place = charge.location
    return SessionRow(
        cdr_id=session.cdr_id,
        session_id=session.session_id,
        start_utc=session.start_utc,
        stop_utc=session.stop_utc,
        zone=session.zone or "UTC",
        duration_s=int((session.stop_utc - session.start_utc).total_seconds()),
        charging_s=_charging_s(charge),
        parking_s=int((charge.total_parking_time_h or Decimal(0)) * _SECONDS),
        country=session.country or None,
        city=place.city,
        postcode=place.postal_code,
        location=place.name or place.address,
        evse_id=evse_ids.format(session.evse_id) if session.evse_id else None,
        connector=place.connector_id,
        power_type=place.connector_power_type,
        token_type=charge.token.type,
        contract_id=emaid.format(charge.token.contract_id) if charge.token.contract_id else None,
        auth_method=charge.auth_method,
        energy_kwh=session.energy_kwh,
        contract_version=str(rating.contract_version),
        tariff_name=rating.grid_line,
        brackets="; ".join(dict.fromkeys(line.bracket for line in rating.lines if line.bracket)) or None,
        unit_price_kwh=energy[0].unit_price if len({line.unit_price for line in energy}) == 1 else None,
        energy=amounts["ENERGY"],
        session_fee=amounts["FLAT"],
        time=amounts["TIME"],
        parking=amounts["PARKING"],
        cap_adjustment=amounts["CAP"],
        other=other,
        net=rating.net,
        vat_category=session.vat_category,
        vat_rate=session.vat_rate_percent,
        cdr_total=session.cdr_total,
        cdr_delta=rating.net.to_decimal() - session.cdr_total if session.cdr_total is not None else None,
        basis=basis,
        dispute_id=session.dispute_id,
        dispute_outcome=_outcome(session),
        original=_original(rating, session.currency),
        accepted=rating.net if _outcome(session) in (DisputeState.PARTIAL, DisputeState.ACCEPTED) else None,
        late=section == "EARLIER",
        first_seen_utc=session.received_at_utc,
        payload_sha256=session.sha256,
        trace_link=f"{traces}{session.cdr_ref}" if traces and _PLAIN.fullmatch(session.cdr_ref) else None,
    )


def adjustment_row(session: Session, rating: Rating, billed: Money | None, document: Document | None) -> AdjustmentRow:
    """One correction of a session of an earlier document: what was billed until then, and what is right instead."""
    before = billed if billed is not None else -rating.net
    return AdjustmentRow(
        cdr_id=session.cdr_id,
        original_document=document.number if document else "-",
        original_date=document.issue_date if document else None,
        reason=rating.reason,
        original=before,
        corrected=before + rating.net,
        net=rating.net,
    )


def fee_row(charge: FeeCharge) -> FeeRow:
    """One fee of the document."""
    return FeeRow(
        code=charge.code,
        name=charge.name,
        counted=charge.counted,
        period_start=charge.first,
        period_end=charge.end - timedelta(days=1),
        vat_category=charge.vat_category,
        vat_rate=charge.vat_rate,
        net=charge.net,
    )


def excluded_row(session: Session) -> ExcludedRow:
    """One session that is not on the document, and why."""
    return ExcludedRow(
        cdr_id=session.cdr_id,
        evse_id=evse_ids.format(session.evse_id) if session.evse_id else None,
        start_utc=session.start_utc,
        zone=session.zone or "UTC",
        state=session.billing.value,
        reason=", ".join(session.reasons) or session.dispute.value,
        claimed=session.net,
    )


def _charge(original: Original) -> ChargeRecord:
    raw = numbers_json.loads(zlib.decompress(original.raw))
    return normalise_cdr(raw[0] if isinstance(raw, list) else raw, original.ocpi_version)


def _charging_s(charge: ChargeRecord) -> int:
    return int((charge.total_time_h - (charge.total_parking_time_h or Decimal(0))) * _SECONDS)


def _sum(rating: Rating, component: str, currency: str) -> Money | None:
    found = [line.amount for line in rating.lines if line.component == component]
    return total(found, currency) if found else None


def _rest(rating: Rating, named: set[str], currency: str) -> Money | None:
    found = [line.amount for line in rating.lines if line.component not in named]
    return total(found, currency) if found else None


def _outcome(session: Session) -> str | None:
    """How the dispute of a session stood at its lock, which is what its price follows from."""
    if session.withheld is not None:
        return DisputeState.OPEN.value
    return session.dispute.value if session.dispute is not DisputeState.NONE else None


def _original(rating: Rating, currency: str) -> Money | None:
    lowered = [line.amount for line in rating.lines if line.component in ("DISPUTE", "WITHHELD")]
    return rating.net - total(lowered, currency) if lowered else None
