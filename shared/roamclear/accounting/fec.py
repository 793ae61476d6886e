"""The French file of accounting entries (FEC, Art. A47 A-1 of the Livre des procédures fiscales); pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from roamclear.accounting.model import Booking, Chart, Side
from roamclear.accounting.rules import both_columns, of_currency
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.time import last_of_month

#: The 18 columns in their order.
_COLUMNS = (
    "JournalCode", "JournalLib", "EcritureNum", "EcritureDate", "CompteNum", "CompteLib", "CompAuxNum", "CompAuxLib",
    "PieceRef", "PieceDate", "EcritureLib", "Debit", "Credit", "EcritureLet", "DateLet", "ValidDate", "Montantdevise",
    "Idevise",
)  # fmt: skip
_JOURNALS = {
    "SALES": ("VE", "Ventes"),
    "PURCHASES": ("AC", "Achats"),
    "BANK": ("BQ", "Banque"),
    "GENERAL": ("OD", "Operations diverses"),
}


def write_fec(found: Sequence[Booking], chart: Chart, label: str) -> tuple[str, bytes]:
    """Tab-separated, ISO 8859-15; entries are numbered without a break within the period."""
    if chart.siren is None:
        raise InvalidInput("a FEC is named by the SIREN of the house", field="chart.siren")
    other = sorted(set(of_currency(found)) - {"EUR"})
    if other:
        raise InvalidInput(f"a FEC states euros; this period also has {other[0]}: take CSV", field="profile")
    lines = ["\t".join(_COLUMNS)]
    lines += ["\t".join(_row(each, side, label)) for each in found for side in each.sides]
    last = last_of_month(date.fromisoformat(f"{label}-01"))
    return f"{chart.siren}FEC{last:%Y%m%d}.txt", ("\r\n".join(lines) + "\r\n").encode("iso8859-15", "replace")


def _row(each: Booking, side: Side, label: str) -> list[str]:
    code, name = _JOURNALS[each.journal]
    debit, credit = (amount.replace(".", ",") or "0,00" for amount in both_columns(side.amount))
    day = f"{each.day:%Y%m%d}"
    number = f"{label.replace('-', '')}{each.place:06d}"
    cells = (
        code, name, number, day, side.account, side.name, side.auxiliary or "",
        side.name if side.auxiliary else "", each.document, day, each.text, debit, credit, "", "", day, "", "",
    )  # fmt: skip
    return [" ".join(cell.split()) for cell in cells]
