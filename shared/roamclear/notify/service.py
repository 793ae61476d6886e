"""Composing mails: facts in, 7-bit MIME out. Sending is done elsewhere.

Equal facts give equal bytes: boundaries and Message-ID come from the business key, the date from the facts. So a mail
composed again after a crash is the same mail, and receivers drop the second one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from roamclear.kernel.errors import InvalidInput, InvariantBroken
from roamclear.notify.model import Attachment, MailBrand, MailFacts, MailKind, MailLanguage, MailMessage
from roamclear.notify.page import html_page, text_page
from roamclear.notify.rules import MAX_MIME_BYTES, needed, split_attachments
from roamclear.notify.texts import body_rows, day_text, filled

_POLICY = SMTP.clone(cte_type="7bit")


def compose(kind: MailKind, language: MailLanguage, brand: MailBrand, facts: MailFacts) -> MailMessage:
    """Write a mail as multipart text + HTML in the issuer's brand and the contract's language.

    Files are attached in the given order while the finished MIME stays within 9 MB; the others are named with their
    links (rules.md 11).

    Raises:
        InvalidInput: a fact that this kind of mail needs is missing, or a file that does not fit has no link.
    """
    absent = [name for name in needed(kind) if getattr(facts, name) is None]
    if absent:
        raise InvalidInput(f"the mail needs {', '.join(absent)}", field=absent[0])
    attached, linked = split_attachments(facts.attachments)
    message = _build(kind, language, brand, facts, attached, linked)
    raw = message.as_bytes()
    if not raw.isascii() or len(raw) > MAX_MIME_BYTES:
        raise InvariantBroken("the mail is not 7-bit or too large", size=len(raw))
    return MailMessage(
        kind=kind,
        message_id=str(message["Message-ID"]),
        subject=str(message["Subject"]),
        sender=brand.sender,
        recipients=facts.recipients,
        raw=raw,
        attached=tuple(a.name for a in attached),
        linked=tuple(a.name for a in linked),
    )


def _build(
    kind: MailKind,
    language: MailLanguage,
    brand: MailBrand,
    facts: MailFacts,
    attached: tuple[Attachment, ...],
    linked: tuple[Attachment, ...],
) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    for name, value in _headers(kind, language, brand, facts):
        message[name] = value
    rows = list(body_rows(kind, language, facts))
    message.set_content(text_page(kind, language, brand, facts, rows, linked), cte="quoted-printable")
    page = html_page(kind, language, brand, facts, rows, linked)
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    for attachment in attached:
        main, _, sub = attachment.content_type.partition("/")
        message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=_flat(attachment.name))
    # Set last: content headers given earlier would have moved into the first part.
    message["Content-Language"] = language.value.lower()
    seed = facts.business_key.encode()
    for place, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{hashlib.sha256(seed + str(place).encode()).hexdigest()[:40]}")
    return message


def _headers(kind: MailKind, language: MailLanguage, brand: MailBrand, facts: MailFacts) -> Iterator[tuple[str, str]]:
    from email.headerregistry import Address

    subject = filled(f"{kind}.subject", kind, language, facts)
    yield "From", str(Address(_flat(brand.name), addr_spec=brand.sender))
    yield "To", ", ".join(str(Address(addr_spec=_flat(r))) for r in facts.recipients)
    if brand.reply_to:
        yield "Reply-To", brand.reply_to
    yield "Subject", _flat((f"{filled('copy', kind, language, facts)}: " if facts.is_copy else "") + subject)
    yield "Date", format_datetime(facts.sent_at_utc.astimezone(UTC))
    yield "Message-ID", message_id(facts.business_key, brand.sender)
    yield "Auto-Submitted", "auto-generated"


def message_id(business_key: str, sender: str) -> str:
    """The Message-ID of a business event (RFC 5322, 3.6.4): the same for ever.

    >>> message_id("invoice:RE-1", "billing@example.org") == message_id("invoice:RE-1", "billing@example.org")
    True
    """
    digest = hashlib.sha256(business_key.encode()).hexdigest()[:40]
    return f"<{digest}@{sender.rpartition('@')[2]}>"


def _flat(text: str) -> str:
    """One line without control characters: nothing can break out of a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


__all__ = ["compose", "day_text", "message_id"]
