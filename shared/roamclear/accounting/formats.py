"""A period's bookings as files: generic CSV, DATEV EXTF, FEC. Pure: bookings in, named bytes out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

from roamclear.accounting.datev import write_datev
from roamclear.accounting.fec import write_fec
from roamclear.accounting.model import Booking, Chart, Profile
from roamclear.accounting.rules import both_columns
from roamclear.documents.session_text import safe

_CSV_COLUMNS = (
    "no", "entry", "journal", "date", "document", "account", "personal_account", "account_name", "debit", "credit",
    "currency", "text", "undoes",
)  # fmt: skip


def write(
    profile: Profile, found: Sequence[Booking], chart: Chart, label: str, at: datetime
) -> list[tuple[str, bytes]]:
    """The files of a period: name and bytes; equal input gives equal bytes.

    Raises:
        InvalidInput: the chart lacks what the profile needs (``datev``, ``siren``), or FEC would hold another currency.
    """
    if profile is Profile.CSV:
        return [(f"journal-{label}.csv", _csv(found))]
    if profile is Profile.FEC:
        return [write_fec(found, chart, label)]
    return list(write_datev(found, chart, label, at))


def _csv(found: Iterable[Booking]) -> bytes:
    """RFC 4180, UTF-8, one row per side; amounts with a point, no text that a spreadsheet takes for a formula."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(_CSV_COLUMNS)
    for each in found:
        for side in each.sides:
            debit, credit = both_columns(side.amount)
            rows.writerow([
                each.place, safe(each.entry), each.journal, each.day.isoformat(), safe(each.document), side.account,
                side.auxiliary or "", safe(side.name), debit, credit, side.amount.currency, safe(each.text),
                safe(each.mirrors or ""),
            ])  # fmt: skip
    return text.getvalue().encode()
