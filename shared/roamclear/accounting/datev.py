"""The DATEV booking batch (EXTF format 700, category 21, format version 13); pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime

from roamclear.accounting.model import Booking, Chart, Datev, Side
from roamclear.accounting.rules import of_currency, pairs
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.time import last_of_month, sort_instant

#: The 125 columns of format version 13, in their order.
COLUMNS: tuple[str, ...] = (
    "Umsatz (ohne Soll/Haben-Kz)", "Soll/Haben-Kennzeichen", "WKZ Umsatz", "Kurs", "Basis-Umsatz", "WKZ Basis-Umsatz",
    "Konto", "Gegenkonto (ohne BU-Schlüssel)", "BU-Schlüssel", "Belegdatum", "Belegfeld 1", "Belegfeld 2", "Skonto",
    "Buchungstext", "Postensperre", "Diverse Adressnummer", "Geschäftspartnerbank", "Sachverhalt", "Zinssperre",
    "Beleglink",
    *(f"Beleginfo - {what} {n}" for n in range(1, 9) for what in ("Art", "Inhalt")),
    "KOST1 - Kostenstelle", "KOST2 - Kostenstelle", "Kost-Menge", "EU-Land u. UStID (Bestimmung)",
    "EU-Steuersatz (Bestimmung)", "Abw. Versteuerungsart", "Sachverhalt L+L", "Funktionsergänzung L+L",
    "BU 49 Hauptfunktionstyp", "BU 49 Hauptfunktionsnummer", "BU 49 Funktionsergänzung",
    *(f"Zusatzinformation - {what} {n}" for n in range(1, 21) for what in ("Art", "Inhalt")),
    "Stück", "Gewicht", "Zahlweise", "Forderungsart", "Veranlagungsjahr", "Zugeordnete Fälligkeit", "Skontotyp",
    "Auftragsnummer", "Buchungstyp", "USt-Schlüssel (Anzahlungen)", "EU-Land (Anzahlungen)",
    "Sachverhalt L+L (Anzahlungen)", "EU-Steuersatz (Anzahlungen)", "Erlöskonto (Anzahlungen)", "Herkunft-Kz",
    "Buchungs GUID", "KOST-Datum", "SEPA-Mandatsreferenz", "Skontosperre", "Gesellschaftername", "Beteiligtennummer",
    "Identifikationsnummer", "Zeichnernummer", "Postensperre bis", "Bezeichnung SoBil-Sachverhalt",
    "Kennzeichen SoBil-Buchung", "Festschreibung", "Leistungsdatum", "Datum Zuord. Steuerperiode", "Fälligkeit",
    "Generalumkehr (GU)", "Steuersatz", "Land", "Abrechnungsreferenz", "BVV-Position", "EU-Land u. UStID (Ursprung)",
    "EU-Steuersatz (Ursprung)", "Abw. Skontokonto",
)  # fmt: skip
_MOST_ROWS = 99_999
_NOT_IN_DOCUMENT_FIELD = re.compile(r"[^A-Za-z0-9$&%*+/-]")


def write_datev(found: Sequence[Booking], chart: Chart, label: str, at: datetime) -> Iterator[tuple[str, bytes]]:
    """One batch per currency and 99,999 rows: Windows-1252, semicolons, CRLF.

    A credit note that is set off stays on its debtor's account: no row, for DATEV refuses an account against itself.
    """
    if chart.datev is None:
        raise InvalidInput("a DATEV batch needs the numbers of consultant and client", field="chart.datev")
    for currency, part in of_currency(found).items() or {"EUR": []}.items():
        rows = [_row(each, *step) for each in part for step in pairs(each) if _number(step[0]) != _number(step[1])]
        for number, begin in enumerate(range(0, max(len(rows), 1), _MOST_ROWS), start=1):
            yield _batch(chart.datev, label, currency, number, rows[begin : begin + _MOST_ROWS], at)


def _batch(
    house: Datev, label: str, currency: str, number: int, rows: Sequence[str], at: datetime
) -> tuple[str, bytes]:
    head = _header(house, label, currency, at)
    text = "\r\n".join([head, ";".join(COLUMNS), *rows]) + "\r\n"
    name = f"EXTF_Buchungsstapel_{label}_{currency}_{number:02d}.csv"
    return name, text.encode("cp1252", "replace")


def _header(house: Datev, label: str, currency: str, at: datetime) -> str:
    """The 31 fields of the header line (format 700, category 21, version 13)."""
    first = date.fromisoformat(f"{label}-01")
    last = last_of_month(first)
    year = first.year if first.month >= house.fiscal_year_month else first.year - 1
    made = re.sub(r"[^0-9]", "", sort_instant(at))[:17].ljust(17, "0")
    fields = [
        '"EXTF"', "700", "21", '"Buchungsstapel"', "13", made, "", '""', '""', '""', str(house.consultant),
        str(house.client), f"{date(year, house.fiscal_year_month, 1):%Y%m%d}", str(house.account_length),
        f"{first:%Y%m%d}", f"{last:%Y%m%d}", f'"Roaming {label}"', '""', "1", "0", "0", f'"{currency}"', "", '""', "",
        "", '""', "", "", '""', '""',
    ]  # fmt: skip
    return ";".join(fields)


def _row(each: Booking, debit: Side, credit: Side, amount: Money) -> str:
    cells = [""] * len(COLUMNS)
    cells[0] = str(amount.to_decimal()).replace(".", ",")
    cells[1] = '"S"'
    cells[2] = f'"{amount.currency}"'
    cells[6] = _number(debit)
    cells[7] = _number(credit)
    cells[9] = f"{each.day:%d%m}"
    cells[10] = f'"{_NOT_IN_DOCUMENT_FIELD.sub("-", each.document)[:36]}"'
    cells[13] = f'"{each.text.replace(chr(34), chr(39))[:60]}"'
    cells[113] = "0"
    return ";".join(cells)


def _number(side: Side) -> str:
    return side.auxiliary or side.account
