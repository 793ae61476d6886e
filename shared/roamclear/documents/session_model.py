"""The list of sessions behind a document: one row per CDR, with the columns of product.md A4-annex.

Energy is in kWh, durations are whole seconds, amounts are ``Money`` of the export's currency. The sum of
``net`` over the sessions, the adjustments and the fees equals the document's net to the cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from pydantic import Field

from roamclear.documents.invoice_model import Language, WindowStatement
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class SessionRow(Record):
    """One session. ``stop_utc`` may be absent only on rows that are not included."""

    cdr_id: str
    session_id: str | None = None
    credit_of: str | None = None
    start_utc: datetime
    stop_utc: datetime | None = None
    zone: str = Field(description="IANA zone of the charger; local columns are in it")
    duration_s: int | None = None
    charging_s: int | None = None
    parking_s: int | None = None
    country: str | None = None
    city: str | None = None
    postcode: str | None = None
    location: str | None = None
    evse_id: str | None = None
    connector: str | None = None
    power_type: str | None = None
    max_kw: Decimal | None = None
    token_type: str | None = None
    contract_id: str | None = Field(default=None, description="already masked by the caller")
    auth_method: str | None = None
    energy_kwh: Decimal | None = None
    meter_start: Decimal | None = None
    meter_stop: Decimal | None = None
    contract_version: str | None = None
    tariff_name: str | None = None
    brackets: str | None = None
    unit_price_kwh: Decimal | None = None
    energy: Money | None = None
    session_fee: Money | None = None
    time: Money | None = None
    parking: Money | None = None
    other: Money | None = None
    cap_adjustment: Money | None = None
    net: Money
    vat_category: str | None = None
    vat_rate: Decimal | None = None
    cdr_total: Decimal | None = Field(default=None, description="the CDR's own total_cost excl. VAT, as received")
    cdr_delta: Decimal | None = Field(default=None, description="net minus cdr_total")
    basis: str | None = None
    dispute_id: str | None = None
    dispute_outcome: str | None = None
    original: Money | None = None
    accepted: Money | None = None
    late: bool = False
    first_seen_utc: datetime | None = None
    payload_sha256: str | None = None
    trace_link: str | None = Field(default=None, description="a link where it begins with the export's trace_base")


class AdjustmentRow(Record):
    """One correction of a session of an earlier document (product.md row 68)."""

    cdr_id: str
    original_document: str
    original_date: date | None = None
    reason: str
    original: Money
    corrected: Money
    net: Money = Field(description="what it adds to this document: corrected minus original")


class FeeRow(Record):
    """One fee of the document (product.md row 32); ``counted`` is in what the fee counts, its net part of the sum."""

    code: str
    name: str
    counted: Decimal | None = None
    period_start: date
    period_end: date = Field(description="the last day, inclusive")
    vat_category: str
    vat_rate: Decimal = Decimal(0)
    net: Money


class ExcludedRow(Record):
    """One session of the period that is not on the document, with its reason."""

    cdr_id: str
    evse_id: str | None = None
    start_utc: datetime | None = None
    zone: str = "UTC"
    state: str
    reason: str
    claimed: Money | None = None


class SessionExport(Record):
    """The head of an export. Rows are passed beside it as iterables, so 300,000 of them never stand in memory."""

    document_number: str | None
    issuer_name: str
    partner_name: str
    contract_name: str | None = None
    period_start: date
    period_end: date = Field(description="the last day, inclusive")
    currency: str
    language: Language = Language.EN
    created_at_utc: datetime = Field(description="the issue instant, so that two writes give equal bytes")
    document_net: Money = Field(description="the net total of the document; the writer refuses another sum")
    document_tax: Money | None = None
    document_gross: Money | None = None
    zone: str = "UTC"
    window: WindowStatement | None = None
    rounding_note: str = "Each component is rounded half-up to the minor unit once per session."
    is_copy: bool = False
    trace_base: str | None = Field(default=None, pattern=r"^https?://[!-~]+/$", description="our own address of traces")
    primary: str = Field(default="#1F3A5F", pattern=r"^#[0-9A-Fa-f]{6}$", description="the issuer's brand colour")


@dataclass(frozen=True, slots=True)
class Ending:
    """What stands behind the sessions in the last part of an export. The excluded rows stand in the XLSX alone."""

    adjustments: Iterable[AdjustmentRow] = ()
    excluded: Iterable[ExcludedRow] = ()
    fees: Sequence[FeeRow] = ()


class ExportPart(Record):
    """One written file of an export and what it holds."""

    path: str
    index: int = Field(description="from 1")
    last: bool
    rows: int
    net: Money
    size_bytes: int
