"""How values and sentences read in the language of a document: Babel for dates, numbers and countries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from roamclear.documents.days import period_text as period_text
from roamclear.documents.days import short_date as short_date
from roamclear.documents.invoice_model import InvoiceDocument, Language, Line, Section, SectionKind, VatCategory
from roamclear.documents.words import word
from roamclear.documents.xml_tools import number
from roamclear.kernel.money import Money, minor_digits
from roamclear.kernel.time import zone

#: British dates and euros in English documents: the partners are European.
_LOCALES = {Language.EN: "en_GB", Language.DE: "de_DE", Language.FR: "fr_FR", Language.NL: "nl_NL"}


@lru_cache(maxsize=8)
def _locale(language: Language) -> Any:
    from babel import Locale

    return Locale.parse(_LOCALES[language])


def long_date(value: date, language: Language) -> str:
    """A day with its month in words.

    >>> long_date(date(2026, 10, 1), Language.DE)
    '1. Oktober 2026'
    """
    from babel.dates import format_date

    return str(format_date(value, "long", locale=_locale(language)))


def instant_text(value: datetime, zone_name: str, language: Language) -> str:
    """An instant on the clock of a zone, to the minute.

    >>> from datetime import UTC
    >>> instant_text(datetime(2026, 11, 1, 23, 0, tzinfo=UTC), "Europe/Berlin", Language.DE)
    '02.11.2026 00:00'
    """
    local = value.astimezone(zone(zone_name))
    return f"{short_date(local.date(), language)} {local:%H:%M}"


@lru_cache(maxsize=8)
def _symbols(language: Language) -> tuple[str, str]:
    from babel.numbers import get_decimal_symbol, get_group_symbol

    locale = _locale(language)
    return str(get_group_symbol(locale)), str(get_decimal_symbol(locale))


def number_text(value: Decimal, language: Language, *, places: int | None = None, least: int = 0) -> str:
    """A decimal with the separators of the language; ``places`` fixes the digits, ``least`` only the fewest.

    >>> number_text(Decimal("1234.5"), Language.DE, places=3)
    '1.234,500'
    >>> number_text(Decimal("-0.4900"), Language.EN, least=2)
    '−0.49'
    """
    group, point = _symbols(language)
    if places is not None:
        plain = f"{abs(value):.{places}f}"
    else:
        plain = number(abs(value))
        whole, _, part = plain.partition(".")
        plain = f"{whole}.{part.ljust(least, '0')}" if part or least else whole
    whole, _, part = plain.partition(".")
    # A plain no-break space reads in every viewer; the narrow one of French is missing in some fonts.
    text = f"{int(whole):,}".replace(",", "\u00a0" if group.isspace() else group) + (point + part if part else "")
    return f"\u2212{text}" if value < 0 and set(plain) - {"0", "."} else text


def amount_text(value: Money, language: Language) -> str:
    """An amount without its currency.

    >>> amount_text(Money(-123456789, "EUR"), Language.EN)
    '−1,234,567.89'
    """
    return number_text(value.to_decimal(), language, places=minor_digits(value.currency))


def money_text(value: Money, language: Language) -> str:
    """An amount with its currency code behind it, as finance people write it across languages.

    >>> money_text(Money(123456, "EUR"), Language.DE).replace(chr(160), " ")
    '1.234,56 EUR'
    """
    return f"{amount_text(value, language)}\u00a0{value.currency}"


def percent_text(value: Decimal, language: Language) -> str:
    """A rate in percent.

    >>> percent_text(Decimal("5.50"), Language.DE).replace(chr(160), " ")
    '5,5 %'
    """
    return f"{number_text(value, language)}\u00a0%"


def country_text(code: str, language: Language) -> str:
    """The name of a country in the language; the code itself where it is unknown.

    >>> country_text("GR", Language.FR)
    'Grèce'
    """
    return str(_locale(language).territories.get(code, code))


def section_title(section: Section, language: Language) -> str:
    """The heading of a group of lines.

    >>> section_title(Section(country="PL"), Language.NL)
    'Laden in Polen'
    """
    if section.kind is not SectionKind.COUNTRY:
        return word(f"section.{section.kind}", language)
    if section.country is None:
        return word("section.plain", language)
    return word("section.country", language).format(country=country_text(section.country, language))


def item_name(line: Line, language: Language) -> str:
    """What a line is called (BT-153)."""
    return line.name or word(f"item.{line.component}", language)


def title(document: InvoiceDocument) -> str:
    """The printed title by document type."""
    return word(f"title.{document.type_code}", document.language)


def item_attributes(line: Line, document: InvoiceDocument) -> Iterator[tuple[str, str]]:
    """The item attributes (BG-32) that carry what BT-146 cannot: the agreed price, version, sessions, section."""
    language = document.language
    yield word("attr.section", language), section_title(line.section, language)
    if line.unit_price is not None:
        per = word(f"per.{line.unit}", language)
        yield word("attr.unit_price", language), f"{number(line.unit_price)} {document.currency}/{per}"
    if line.contract_version:
        yield word("attr.contract_version", language), line.contract_version
    if line.tariff_name:
        yield word("attr.tariff", language), line.tariff_name
    if line.sessions is not None:
        yield word("attr.sessions", language), str(line.sessions)
    if line.cdr_id:
        yield word("attr.session", language), line.cdr_id


def window_sentences(document: InvoiceDocument) -> Iterator[str]:
    """What the window and the lock were, in sentences."""
    window, language = document.window, document.language
    if window is None:
        return
    opened = instant_text(window.opened_at_utc, window.zone, language)
    closed = instant_text(window.closed_at_utc, window.zone, language)
    # What we buy is reviewed by us; its supplier receives the document.
    reviewed = "window.open.bought" if document.type_code.is_self_billed else "window.open"
    yield word(reviewed, language).format(opened=opened, closed=closed, zone=window.zone)
    if window.locked_at_utc is not None:
        locked = instant_text(window.locked_at_utc, window.zone, language)
        yield word("window.locked", language).format(locked=locked, zone=window.zone)
    if window.sessions is not None:
        yield word("window.counts", language).format(
            sessions=window.sessions, disputed=window.disputed or 0, not_included=window.not_included or 0
        )


def mentions(document: InvoiceDocument) -> Iterator[str]:
    """The mentions that Art. 226 (10a) and (11a) ask for, in the language of the document."""
    if document.type_code.is_self_billed:
        yield word("mention.self_billed", document.language)
    if any(row.category is VatCategory.REVERSE_CHARGE for row in document.vat):
        yield word("mention.AE", document.language)


def statement_notes(document: InvoiceDocument) -> Iterator[str]:
    """Free text of the XML files (BT-22): mentions, reason of a correction, window and manifest."""
    yield from mentions(document)
    if document.correction_reason:
        yield f"{word('reason', document.language)}: {document.correction_reason}"
    sentences = " ".join(window_sentences(document))
    if sentences:
        yield sentences
    if document.window is not None and document.window.manifest_sha256:
        yield f"{word('manifest', document.language)}: {document.window.manifest_sha256}"
