"""The dated table of the law's terms (product.md D.6), and the dates that follow from terms. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.time import local_date, local_midnight
from roamclear.retention.model import DEFAULT_YEARS, LegalTerm, RetentionChoice, RetentionTerms

_EVER = date(1900, 1, 1)


def _since(years: int, source: str, since: date = _EVER) -> LegalTerm:
    return LegalTerm(since=since, years=years, source=source)


#: By the issuer's country (Art. 247 of the VAT directive: the state of the taxable person). Of several terms of a
#: country the longest that accounting or tax law asks for of invoices.
LEGAL: dict[str, tuple[LegalTerm, ...]] = {
    "AT": (_since(7, "BAO 132"),),
    "BE": (_since(10, "VAT code 60"),),
    "DE": (_since(10, "AO 147, UStG 14b"), _since(8, "AO 147, UStG 14b (BEG IV)", date(2025, 1, 1))),
    "ES": (_since(6, "Codigo de Comercio 30"),),
    "FR": (_since(10, "Code de commerce L123-22"),),
    "HR": (_since(11, "Accounting act 10"),),
    "IT": (_since(10, "Codice civile 2220"),),
    "LU": (_since(10, "Code de commerce 16"),),
    "NL": (_since(7, "AWR 52"),),
    "PL": (_since(5, "Ordynacja podatkowa 86"),),
}


def legal(country: str, day: date) -> LegalTerm | None:
    """What a country asks for on a day; None where the table does not know it.

    >>> legal("DE", date(2024, 12, 31)).years, legal("DE", date(2026, 1, 1)).years
    (10, 8)
    """
    return next((term for term in reversed(LEGAL.get(country, ())) if term.since <= day), None)


def least_years(country: str, day: date) -> int:
    """The shortest term of documents: the law's or the house's, whichever is longer.

    >>> least_years("DE", date(2026, 1, 1)), least_years("HR", date(2026, 1, 1))
    (10, 11)
    """
    asked = legal(country, day)
    return max(DEFAULT_YEARS, asked.years if asked else 0)


def in_force(choices: Iterable[RetentionChoice], day: date) -> RetentionChoice | None:
    """The approved choice of a day: the one that begins last; of one day, the one that was decided last."""
    approved = [c for c in choices if c.state == "APPROVED" and c.valid_from <= day]
    return max(approved, key=lambda c: (c.valid_from, c.decided_at_utc or c.made_at_utc), default=None)


def terms(issuer_id: str, country: str, zone: str, choices: Iterable[RetentionChoice], day: date) -> RetentionTerms:
    """What is in force on a day; a choice shorter than the law of that day gives way to it."""
    asked, chosen = legal(country, day), in_force(choices, day)
    wished = chosen.document_years if chosen else None
    years = max(least_years(country, day), wished or 0)
    months = chosen.detail_months if chosen else None
    return RetentionTerms(
        issuer_id=issuer_id,
        country=country,
        zone=zone,
        day=day,
        legal_years=asked.years if asked else None,
        legal_source=asked.source if asked else None,
        document_years=years,
        detail_months=months,
        detail_years=None if months is not None else (asked.years if asked else DEFAULT_YEARS),
    )


def end_of(years: int, at: datetime, zone: str) -> datetime:
    """The current year of an instant and so many whole years behind it, by the issuer's calendar.

    >>> from datetime import UTC
    >>> end_of(10, datetime(2026, 11, 21, tzinfo=UTC), "Europe/Berlin").isoformat()
    '2036-12-31T23:00:00+00:00'
    """
    return local_midnight(date(local_date(at, zone).year + years + 1, 1, 1), zone)


def detail_until(found: RetentionTerms, at: datetime) -> datetime:
    """Until when the detail of a session stays whose last document, stop or body is of an instant.

    Months are whole ones behind the current month.

    >>> from datetime import UTC
    >>> of = terms("a", "DE", "UTC", (), date(2026, 1, 1)).model_copy(update={"detail_months": 12})
    >>> detail_until(of, datetime(2026, 11, 21, tzinfo=UTC)).isoformat()
    '2027-12-01T00:00:00+00:00'
    """
    if found.detail_months is None:
        return end_of(found.detail_years or DEFAULT_YEARS, at, found.zone)
    day = local_date(at, found.zone)
    months = day.year * 12 + day.month + found.detail_months
    return local_midnight(date(months // 12, months % 12 + 1, 1), found.zone)


def require(choice: RetentionChoice, country: str, today: date) -> None:
    """A choice begins today or later and is no shorter than the law.

    Raises:
        InvalidInput: naming the field.
    """
    if choice.valid_from < today:
        raise InvalidInput("terms begin today or later", field="valid_from")
    least = least_years(country, choice.valid_from)
    if choice.document_years is not None and choice.document_years < least:
        raise InvalidInput(f"documents are kept for {least} years here at least", field="document_years")
    if choice.document_years is None and choice.detail_months is None:
        raise InvalidInput("name years for documents, months for detail, or both", field="document_years")
