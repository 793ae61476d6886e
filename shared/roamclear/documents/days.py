"""Days in figures, as documents of each language write them; light, because billing writes notes with them too."""

from __future__ import annotations

from datetime import date

from roamclear.documents.invoice_model import Language


def short_date(value: date, language: Language) -> str:
    """A day in figures.

    >>> short_date(date(2026, 10, 1), Language.FR)
    '01/10/2026'
    """
    pattern = {"DE": "%d.%m.%Y", "NL": "%d-%m-%Y"}.get(language.value, "%d/%m/%Y")
    return value.strftime(pattern)


def period_text(start: date, end: date, language: Language) -> str:
    """Both days of a period, the last one inclusive.

    >>> period_text(date(2026, 10, 1), date(2026, 10, 31), Language.EN)
    '01/10/2026 – 31/10/2026'
    """
    return f"{short_date(start, language)} – {short_date(end, language)}"
