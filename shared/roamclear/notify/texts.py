"""How facts read in the language of a mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from roamclear.kernel.ids import rf_reference
from roamclear.kernel.money import Money, minor_digits
from roamclear.kernel.time import zone
from roamclear.notify.model import DisputeFacts, MailFacts, MailKind, MailLanguage
from roamclear.notify.words import phrase, voiced

_DAYS = {"DE": "%d.%m.%Y", "NL": "%d-%m-%Y"}
#: Their instant is in the text: from it on a second person may approve.
_NOT_A_CLOSE = (MailKind.LOGO_PROPOSED, MailKind.BRAND_CHANGE_PROPOSED)
_MARKS = {"EN": (",", "."), "DE": (".", ","), "FR": ("\u00a0", ","), "NL": (".", ",")}


def day_text(day: date, language: MailLanguage) -> str:
    """A day in figures.

    >>> day_text(date(2026, 11, 9), MailLanguage.DE)
    '09.11.2026'
    """
    return day.strftime(_DAYS.get(language.value, "%d/%m/%Y"))


def instant_text(at: datetime, zone_name: str, language: MailLanguage) -> str:
    """An instant on the clock of a zone.

    >>> from datetime import UTC
    >>> instant_text(datetime(2026, 11, 8, 23, 0, tzinfo=UTC), "Europe/Berlin", MailLanguage.DE)
    '09.11.2026 00:00'
    """
    local = at.astimezone(zone(zone_name))
    return f"{day_text(local.date(), language)} {local:%H:%M}"


def deadline_text(at: datetime, zone_name: str, language: MailLanguage) -> str:
    """The end of a half-open span: midnight reads as 24:00 of the day that it ends, so nobody is a day late.

    >>> from datetime import UTC
    >>> deadline_text(datetime(2026, 11, 8, 23, 0, tzinfo=UTC), "Europe/Berlin", MailLanguage.DE)
    '08.11.2026 24:00'
    """
    local = at.astimezone(zone(zone_name))
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{day_text(local.date() - timedelta(days=1), language)} 24:00"
    return instant_text(at, zone_name, language)


def money_text(amount: Money, language: MailLanguage) -> str:
    """An amount with separators and its currency.

    >>> money_text(Money(123456, "EUR"), MailLanguage.EN).replace(chr(160), " ")
    '1,234.56 EUR'
    """
    group, point = _MARKS[language.value]
    whole, _, part = f"{abs(amount).to_decimal():.{minor_digits(amount.currency)}f}".partition(".")
    text = f"{int(whole):,}".replace(",", group) + (point + part if part else "")
    return f"{'-' if amount.amount_minor < 0 else ''}{text}\u00a0{amount.currency}"


def filled(key: str, kind: MailKind, language: MailLanguage, facts: MailFacts) -> str:
    """A phrase with the facts of the mail in it, as it is said in its trade."""
    closes = facts.closes_at_utc
    return phrase(
        voiced(key, facts.voice),
        language,
        partner=facts.partner_name,
        period=f"{day_text(facts.period_start, language)} – {day_text(facts.period_end, language)}",
        closes=deadline_text(closes, facts.zone, language) if closes else "",
        zone=facts.zone,
        number=facts.document_number or "",
        **_of_dispute(language, facts),
    )


def _of_dispute(language: MailLanguage, facts: MailFacts) -> dict[str, str]:
    told = facts.dispute
    due = told.due_at_utc if told else None
    return {
        "dispute": told.number if told else "",
        "cdr": told.cdr_ref if told else "",
        "outcome": phrase(f"outcome.{told.outcome}", language) if told and told.outcome else "",
        "due": deadline_text(due, facts.zone, language) if due else "",
    }


def body_rows(kind: MailKind, language: MailLanguage, facts: MailFacts) -> Iterator[tuple[str, str]]:
    """The facts as label and value, in reading order; what is absent is left out."""
    if facts.dispute is not None:
        yield from _dispute_rows(language, facts.dispute, facts.zone)
    if facts.document_number:
        yield phrase("row.number", language), facts.document_number
    if facts.sessions is not None:
        yield phrase("row.sessions", language), f"{facts.sessions}"
    if facts.amount is not None:
        yield phrase("row.amount", language), money_text(facts.amount, language)
    if facts.disputed is not None:
        yield phrase("row.disputed", language), f"{facts.disputed}"
    if facts.opens_at_utc is not None:
        yield phrase("row.opens", language), f"{instant_text(facts.opens_at_utc, facts.zone, language)} ({facts.zone})"
    if facts.topics:
        yield phrase("row.topics", language), ", ".join(phrase(f"topic.{topic}", language) for topic in facts.topics)
    if facts.closes_at_utc is not None and kind not in _NOT_A_CLOSE:
        text = f"{deadline_text(facts.closes_at_utc, facts.zone, language)} ({facts.zone})"
        yield phrase("row.closes", language), text
    if facts.due_date is not None:
        yield phrase("row.due", language), day_text(facts.due_date, language)
    if facts.accept_by_utc is not None:
        text = f"{deadline_text(facts.accept_by_utc, facts.zone, language)} ({facts.zone})"
        yield phrase("row.accept_by", language), text
    if facts.payout_date is not None:
        yield phrase("row.payout", language), day_text(facts.payout_date, language)
    if facts.reference:
        yield phrase("row.reference", language), rf_reference.format(facts.reference)


def _dispute_rows(language: MailLanguage, told: DisputeFacts, zone_name: str) -> Iterator[tuple[str, str]]:
    yield phrase("row.dispute", language), told.number
    yield phrase("row.cdr", language), told.cdr_ref
    yield phrase("row.claimed", language), money_text(told.claimed, language)
    if told.outcome is not None:
        yield phrase("row.outcome", language), phrase(f"outcome.{told.outcome}", language)
    if told.accepted is not None:
        yield phrase("row.accepted", language), money_text(told.accepted, language)
    if told.due_at_utc is not None:
        text = deadline_text(told.due_at_utc, zone_name, language)
        yield phrase("row.answer_by", language), f"{text} ({zone_name})"
    if told.word:
        yield phrase("row.word", language), told.word
