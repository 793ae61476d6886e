"""The columns of the session export, once for XLSX, CSV and NDJSON (product.md A4-annex).

The titles stay English in every language: partners read the files by machine and compare months.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from operator import attrgetter
from typing import Any

from roamclear.documents.session_model import SessionRow
from roamclear.kernel.time import zone


class Kind(Enum):
    """How a column is typed."""

    TEXT = "TEXT"
    WHOLE = "WHOLE"
    DECIMAL = "DECIMAL"
    MONEY = "MONEY"
    LOCAL = "LOCAL"
    UTC = "UTC"
    DURATION = "DURATION"
    FLAG = "FLAG"
    LINK = "LINK"


@dataclass(frozen=True, slots=True)
class SessionColumn:
    """A column: ``title`` for people, ``key`` for NDJSON; ``{}`` in the title becomes the currency."""

    title: str
    key: str
    kind: Kind
    width: int
    summed: bool = False

    @property
    def get(self) -> Callable[[SessionRow], Any]:
        """Reads the raw value from a row."""
        return attrgetter(self.key)


_T, _D, _M, _S = Kind.TEXT, Kind.DECIMAL, Kind.MONEY, Kind.DURATION

COLUMNS: tuple[SessionColumn, ...] = (
    SessionColumn("CDR id", "cdr_id", _T, 38),
    SessionColumn("Session id", "session_id", _T, 30),
    SessionColumn("Credit of", "credit_of", _T, 18),
    SessionColumn("Start (local)", "start_utc", Kind.LOCAL, 19),
    SessionColumn("Stop (local)", "stop_utc", Kind.LOCAL, 19),
    SessionColumn("Zone", "zone", _T, 16),
    SessionColumn("Stop (UTC)", "stop_utc", Kind.UTC, 19),
    SessionColumn("Duration hh:mm:ss", "duration_s", _S, 12),
    SessionColumn("of which charging", "charging_s", _S, 12),
    SessionColumn("of which parking", "parking_s", _S, 12),
    SessionColumn("Country", "country", _T, 8),
    SessionColumn("City", "city", _T, 18),
    SessionColumn("Postal code", "postcode", _T, 11),
    SessionColumn("Location", "location", _T, 28),
    SessionColumn("EVSE id", "evse_id", _T, 24),
    SessionColumn("Connector", "connector", _T, 10),
    SessionColumn("Power type", "power_type", _T, 14),
    SessionColumn("Max kW", "max_kw", _D, 9),
    SessionColumn("Token type", "token_type", _T, 12),
    SessionColumn("Contract id (masked)", "contract_id", _T, 22),
    SessionColumn("Auth method", "auth_method", _T, 14),
    SessionColumn("kWh", "energy_kwh", _D, 11, summed=True),
    SessionColumn("Meter start", "meter_start", _D, 12),
    SessionColumn("Meter stop", "meter_stop", _D, 12),
    SessionColumn("Tariff/contract version", "contract_version", _T, 14),
    SessionColumn("Tariff name", "tariff_name", _T, 22),
    SessionColumn("Time bracket(s)", "brackets", _T, 20),
    SessionColumn("Unit price kWh", "unit_price_kwh", _D, 11),
    SessionColumn("Energy {}", "energy", _M, 12, summed=True),
    SessionColumn("Session fee {}", "session_fee", _M, 12, summed=True),
    SessionColumn("Time {}", "time", _M, 12, summed=True),
    SessionColumn("Parking {}", "parking", _M, 12, summed=True),
    SessionColumn("Other {}", "other", _M, 12, summed=True),
    SessionColumn("Min/max cap adj. {}", "cap_adjustment", _M, 12, summed=True),
    SessionColumn("Net {}", "net", _M, 13, summed=True),
    SessionColumn("VAT cat.", "vat_category", _T, 8),
    SessionColumn("VAT %", "vat_rate", _D, 8),
    SessionColumn("CDR total_cost excl. VAT", "cdr_total", _D, 13),
    SessionColumn("Δ to CDR {}", "cdr_delta", _D, 11),
    SessionColumn("Pricing basis", "basis", _T, 16),
    SessionColumn("Dispute no.", "dispute_id", _T, 16),
    SessionColumn("Dispute outcome", "dispute_outcome", _T, 16),
    SessionColumn("Original {}", "original", _M, 12),
    SessionColumn("Accepted {}", "accepted", _M, 12),
    SessionColumn("Late flag", "late", Kind.FLAG, 9),
    SessionColumn("First seen", "first_seen_utc", Kind.UTC, 19),
    SessionColumn("Payload SHA-256", "payload_sha256", _T, 30),
    SessionColumn("Trace", "trace_link", Kind.LINK, 30),
)
#: Columns before ``COLUMNS``: they are equal for the whole export or counted.
LEADING = (("#", 7), ("Invoice no.", 18), ("Period", 23))


def local(value: datetime, zone_name: str) -> datetime:
    """An instant on the clock of its charger, still aware.

    >>> from datetime import UTC
    >>> local(datetime(2026, 10, 25, 1, 0, tzinfo=UTC), "Europe/Berlin").isoformat()
    '2026-10-25T02:00:00+01:00'
    """
    return value.astimezone(zone(zone_name))
