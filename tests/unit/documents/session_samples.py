"""Sessions that the export tests write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from roamclear.documents.model import SessionExport, SessionRow
from roamclear.kernel.money import Money
from tests.unit.documents.samples import WINDOW

START = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)


def session(i: int = 0, **more: Any) -> SessionRow:
    """A believable session; ``i`` varies it."""
    start = START + timedelta(minutes=11 * i % 20_000)
    values: dict[str, Any] = {
        "cdr_id": f"CDR-{i:07d}",
        "session_id": f"S-{i:07d}",
        "start_utc": start,
        "stop_utc": start + timedelta(minutes=43),
        "zone": "Europe/Berlin",
        "duration_s": 2580,
        "charging_s": 2400,
        "parking_s": 180,
        "country": "DE",
        "city": "München",
        "postcode": "01067",
        "location": "Ladepark Süd",
        "evse_id": f"DE*HEL*E{i % 997:04d}",
        "connector": "1",
        "power_type": "DC",
        "max_kw": Decimal("150"),
        "token_type": "RFID",
        "contract_id": "DE-FAH-C****12-3",
        "auth_method": "WHITELIST",
        "energy_kwh": Decimal("25.4422"),
        "meter_start": Decimal("1204.1"),
        "meter_stop": Decimal("1229.5422"),
        "contract_version": "3",
        "tariff_name": "Day and night",
        "brackets": "06:00-22:00",
        "unit_price_kwh": Decimal("0.49"),
        "energy": Money(1247 + i % 5, "EUR"),
        "session_fee": Money(35, "EUR"),
        "net": Money(1282 + i % 5, "EUR"),
        "vat_category": "S",
        "vat_rate": Decimal("19"),
        "cdr_total": Decimal("12.8167"),
        "cdr_delta": Decimal("0.0033"),
        "basis": "CONTRACT_GRID",
        "first_seen_utc": start + timedelta(minutes=45),
        "payload_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        **more,
    }
    return SessionRow(**values)


def sessions(count: int) -> Iterator[SessionRow]:
    """``count`` sessions, one at a time."""
    return (session(i) for i in range(count))


def export(net_minor: int, **more: Any) -> SessionExport:
    """The head of an export with a net total."""
    values: dict[str, Any] = {
        "document_number": "RE-2026-000042",
        "issuer_name": "Hellstrom Ladenetz GmbH",
        "partner_name": "Fahrstrom Mobility AG",
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
        "currency": "EUR",
        "created_at_utc": datetime(2026, 11, 9, 6, 0, tzinfo=UTC),
        "document_net": Money(net_minor, "EUR"),
        "zone": "Europe/Berlin",
        "window": WINDOW,
        **more,
    }
    return SessionExport(**values)


def net_of(count: int) -> int:
    """Minor units that ``sessions(count)`` sum to."""
    return sum(1282 + i % 5 for i in range(count))
