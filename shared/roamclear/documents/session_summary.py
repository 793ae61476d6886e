"""What the sheets Summary and Read me of the session export say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from roamclear.documents.session_model import SessionExport
from roamclear.documents.session_totals import Tally
from roamclear.kernel.money import Money
from roamclear.kernel.time import zone


def summary_rows(
    export: SessionExport, tally: Tally, index: int, *, last: bool
) -> Iterator[tuple[str, str | int | Decimal | Money]]:
    """Labels and values of one part's Summary; ``tally`` holds everything up to its end."""
    yield "Issuer", export.issuer_name
    yield "Partner", export.partner_name
    if export.contract_name:
        yield "Contract", export.contract_name
    yield "Document", (export.document_number or "not issued yet") + (" (COPY)" if export.is_copy else "")
    yield "Period", f"{export.period_start.isoformat()} to {export.period_end.isoformat()}"
    yield "Currency", export.currency
    yield "Part", f"{index}{'' if last and index == 1 else ' (the last part holds the totals of all)'}"
    yield "Sessions", tally.rows
    yield "Energy kWh", tally.sums["energy_kwh"]
    yield "Net of sessions", tally.sessions_net
    yield "Net of adjustments", tally.adjustments_net
    if tally.fees_net:
        yield "Net of fees", tally.fees_net
    yield "Net of document", export.document_net
    if export.document_tax is not None:
        yield "VAT of document", export.document_tax
    if export.document_gross is not None:
        yield "Total of document", export.document_gross
    window = export.window
    if window is not None:
        yield "Window opened", _wall(window.opened_at_utc, window.zone)
        yield "Window closed", _wall(window.closed_at_utc, window.zone)
        if window.locked_at_utc is not None:
            yield "Locked", _wall(window.locked_at_utc, window.zone)
        if window.manifest_sha256:
            yield "Manifest SHA-256", window.manifest_sha256


def _wall(value: datetime, zone_name: str) -> str:
    return f"{value.astimezone(zone(zone_name)):%Y-%m-%d %H:%M:%S} {zone_name}"


def read_me(export: SessionExport) -> tuple[str, ...]:
    """What whoever opens the workbook has to know."""
    return (
        "Sessions: one row per session on this document. Adjustments: corrections of earlier documents. "
        "Not included: sessions of the period that are not billed here, each with its reason.",
        f"Rounding: {export.rounding_note} The sum of Net over sessions, adjustments and fees is the document's "
        "net total.",
        "Local times are on the clock of the charger, whose zone is in the column Zone; Stop (UTC) and First seen are "
        "UTC. On the day the clocks go back an hour occurs twice: Stop (UTC) tells which.",
        f"The period is decided by the stop of the session on the clock of {export.zone}.",
        "Unit price kWh is the agreed price; the pricing basis tells whether the contract's prices or the CDR's own "
        "total were used. Delta to CDR is Net minus the total in the CDR.",
        "Payload SHA-256 is the digest of the message as it was received.",
        "Trace is the address of the session's calculation, segment by segment, for who may see this contract.",
    )
