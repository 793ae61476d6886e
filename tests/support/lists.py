"""Two lists for comparisons: sessions of ours and what a partner's own list says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from roamclear.compare.model import Ours, Theirs

START = int(datetime(2026, 10, 5, 10, 0, tzinfo=UTC).timestamp())
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ours(n: int, **changes: Any) -> Ours:
    """Session ``n``: one every two hours over fifty EVSEs, 20 kWh and a little more, 0.39 per kWh and 0.50."""
    kwh = Decimal(20) + Decimal(n % 977) / 100
    values: dict[str, Any] = {
        "cdr_ref": f"DEVWK*CDR-{n:06d}",
        "cdr_id": f"CDR-{n:06d}",
        "session_id": f"S-{n:06d}",
        "evse": f"DEVWKE{n % 50:03d}",
        "start": START + 7_200 * n,
        "energy_kwh": kwh,
        "amount_minor": int(kwh * 39) + 50,
        "currency": "EUR",
    }
    return Ours(**(values | changes))


def theirs(row: int, of: Ours, **changes: Any) -> Theirs:
    """The row of a partner that says the same as a session of ours."""
    values: dict[str, Any] = {
        "row": row,
        "cdr_id": of.cdr_id,
        "session_id": of.session_id,
        "evse": of.evse,
        "starts": (of.start,),
        "energy_kwh": of.energy_kwh,
        "amount_minor": of.amount_minor,
        "currency": of.currency,
    }
    return Theirs(**(values | changes))


def nameless(row: int, of: Ours, **changes: Any) -> Theirs:
    """The same without any id: only EVSE, start and energy tell."""
    return theirs(row, of, cdr_id="", session_id="", **changes)


def csv_of(rows: list[Ours], mark: str = ";") -> bytes:
    """A partner's CSV of these sessions."""
    lines = [mark.join(("CDR ID", "Session ID", "EVSE-ID", "Start", "kWh", "Net amount", "Currency"))]
    for o in rows:
        at = EPOCH + timedelta(seconds=o.start)
        amount = Decimal(o.amount_minor).scaleb(-2)
        cells = (o.cdr_id, o.session_id, o.evse, at.isoformat(), f"{o.energy_kwh:f}", f"{amount:f}", o.currency)
        lines.append(mark.join(cells))
    return "\r\n".join(lines).encode()
