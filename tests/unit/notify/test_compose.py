"""Mails: 7-bit, deterministic, in brand and language, within 9 MB, and nothing injects."""

from __future__ import annotations

import email
import email.policy
import io
import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from roamclear.notify.model import Attachment, DisputeFacts, MailBrand, MailFacts, MailKind, MailLanguage, Voice
from roamclear.notify.rules import MAX_MIME_BYTES, encoded_size
from roamclear.notify.service import compose

BRAND = MailBrand(
    name="Hellström Ladenetz GmbH",
    sender="billing@hellstrom.example",
    reply_to="ar@hellstrom.example",
    primary="#1F3A5F",
    footer_lines=("Amtsgericht Hamburg HRB 104711", "USt-IdNr. DE136695976"),
)


DISPUTE = DisputeFacts(
    number="D-90692B4FD5DD",
    cdr_ref="DEABC*CDR-1",
    claimed=Money(830, "EUR"),
    accepted=Money(300, "EUR"),
    outcome="PARTIAL",
    due_at_utc=datetime(2026, 11, 13, 23, 0, tzinfo=UTC),
    word="<b>our meter is right</b>",
)


def facts(**more: Any) -> MailFacts:
    values: dict[str, Any] = {
        "business_key": "issuer-1#INV#RE-2026-000042#1",
        "recipients": ("ap@fahrstrom.example", "finance@fahrstrom.example"),
        "sent_at_utc": datetime(2026, 11, 9, 6, 30, tzinfo=UTC),
        "partner_name": "Zażółć Mobilność",
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
        "zone": "Europe/Berlin",
        "sessions": 812,
        "amount": Money(941233, "EUR"),
        "opens_at_utc": datetime(2026, 11, 1, 23, 0, tzinfo=UTC),
        "closes_at_utc": datetime(2026, 11, 8, 23, 0, tzinfo=UTC),
        "document_number": "RE-2026-000042",
        "due_date": date(2026, 12, 9),
        "reference": "RF18539007547034",
        "disputed": 3,
        "dispute": DISPUTE,
        "link": "https://clearing.hellstrom.example/d/abc?x=1&y=2",
        **more,
    }
    return MailFacts(**values)


def file(name: str, size: int, link: str | None = "https://clearing.hellstrom.example/f/1") -> Attachment:
    return Attachment(name=name, content_type="application/pdf", content=b"%" * size, link=link)


def read(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)  # type: ignore[return-value]


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("language", MailLanguage)
def test_every_mail_is_seven_bit_and_reads_in_its_language(kind: MailKind, language: MailLanguage) -> None:
    mail = compose(kind, language, BRAND, facts())
    assert mail.raw.isascii()
    assert max(len(line) for line in mail.raw.split(b"\r\n")) <= 998
    message = read(mail.raw)
    assert message["Content-Language"] == language.value.lower()
    assert str(message["From"].addresses[0].display_name) == BRAND.name
    assert [a.addr_spec for a in message["To"].addresses] == list(facts().recipients)
    for text in (body(message, "plain"), body(message, "html")):
        assert "Zażółć Mobilność" in text
        assert "RE-2026-000042" in text
        assert "roamclear" not in text.lower()
    assert "#1F3A5F" in body(message, "html")
    assert "{" not in mail.subject + body(message, "plain")


def test_the_deadline_names_the_day_that_ends() -> None:
    mail = compose(MailKind.WINDOW_OPENED, MailLanguage.DE, BRAND, facts())
    assert mail.subject.endswith("bitte prüfen bis 08.11.2026 24:00")
    assert "812" in body(read(mail.raw), "plain")
    assert "9.412,33 EUR" in body(read(mail.raw), "plain").replace("\u00a0", " ")


@pytest.mark.parametrize("kind", [k for k in MailKind if k.startswith("DISPUTE")])
def test_a_mail_on_a_dispute_says_what_and_until_when(kind: MailKind) -> None:
    message = read(compose(kind, MailLanguage.DE, BRAND, facts()).raw)
    plain = body(message, "plain").replace("\u00a0", " ")
    for text in ("D-90692B4FD5DD", "8,30 EUR", "3,00 EUR", "13.11.2026 24:00 (Europe/Berlin)", "teilweise anerkannt"):
        assert text in plain
    assert "&lt;b&gt;our meter is right" in body(message, "html")


TO_A_CPO = [
    (kind, Voice.PURCHASE)
    for kind in (MailKind.WINDOW_OPENED, MailKind.WINDOW_CLOSING, MailKind.WINDOW_CLOSED, MailKind.INVOICE_PACKAGE)
] + [(MailKind.INVOICE_PACKAGE, Voice.PURCHASE_CREDIT)]
#: What only who buys may be told: that it owes, is invoiced, or may dispute.
OF_A_BUYER = (
    "your invoice",
    "Ihre Rechnung",
    "votre facture",
    "uw factuur",
    "you have not disputed",
    "Sie bis",
    "vous ne",
)


@pytest.mark.parametrize("language", MailLanguage)
@pytest.mark.parametrize(("kind", "voice"), TO_A_CPO)
def test_a_cpo_that_we_buy_from_is_told_as_the_supplier_it_is(
    kind: MailKind, voice: Voice, language: MailLanguage
) -> None:
    sold = compose(kind, language, BRAND, facts(dispute=None))
    bought = compose(kind, language, BRAND, facts(dispute=None, voice=voice))
    assert bought.message_id == sold.message_id
    page, plain = body(read(bought.raw), "html"), body(read(bought.raw), "plain")
    assert plain != body(read(sold.raw), "plain")
    for text in (page, plain, bought.subject):
        assert not any(word in text for word in OF_A_BUYER)
        assert "{" not in text.partition("<body")[2]
    assert (bought.subject == sold.subject) is (kind is MailKind.WINDOW_CLOSED)


@pytest.mark.parametrize("language", MailLanguage)
@pytest.mark.parametrize("kind", [MailKind.WINDOW_OPENED, MailKind.WINDOW_CLOSING])
def test_our_own_people_are_told_whose_sessions_to_review(kind: MailKind, language: MailLanguage) -> None:
    message = compose(kind, language, BRAND, facts(dispute=None, voice=Voice.HOUSE))
    told = body(read(message.raw), "plain")
    assert "Zażółć Mobilność" in message.subject
    assert told.count("Zażółć Mobilność") == 1
    assert "08" in message.subject


def test_the_end_of_objection_stands_in_the_mail_as_a_whole_day() -> None:
    until = datetime(2026, 11, 16, 23, 0, tzinfo=UTC)
    message = compose(
        MailKind.INVOICE_PACKAGE, MailLanguage.DE, BRAND, facts(voice=Voice.PURCHASE, accept_by_utc=until, dispute=None)
    )
    assert "Angenommen ohne Widerspruch bis" in body(read(message.raw), "plain")
    assert "16.11.2026 24:00 (Europe/Berlin)" in body(read(message.raw), "plain")


def test_equal_facts_give_equal_bytes_and_another_key_another_mail() -> None:
    one = compose(MailKind.INVOICE_PACKAGE, MailLanguage.EN, BRAND, facts(attachments=(file("a.pdf", 100),)))
    two = compose(MailKind.INVOICE_PACKAGE, MailLanguage.EN, BRAND, facts(attachments=(file("a.pdf", 100),)))
    other = compose(MailKind.INVOICE_PACKAGE, MailLanguage.EN, BRAND, facts(business_key="x"))
    assert one.raw == two.raw
    assert one.message_id == two.message_id == read(one.raw)["Message-ID"]
    assert other.message_id != one.message_id
    assert one.message_id.endswith("@hellstrom.example>")


def test_files_are_attached_whole() -> None:
    files = (file("Rechnung Zażółć.pdf", 1000), file("sessions.xlsx", 2000))
    mail = compose(MailKind.INVOICE_PACKAGE, MailLanguage.EN, BRAND, facts(attachments=files))
    parts = list(read(mail.raw).iter_attachments())
    assert [p.get_filename() for p in parts] == [f.name for f in files]
    assert [p.get_content() for p in parts] == [f.content for f in files]
    assert mail.attached == tuple(f.name for f in files)


def test_what_does_not_fit_goes_behind_its_link() -> None:
    files = (file("a.pdf", 100_000), file("huge.xlsx", 7_000_000), file("b.xml", 50_000))
    mail = compose(MailKind.INVOICE_PACKAGE, MailLanguage.FR, BRAND, facts(attachments=files))
    assert (mail.attached, mail.linked) == (("a.pdf", "b.xml"), ("huge.xlsx",))
    assert mail.size_bytes < 300_000
    for kind in ("plain", "html"):
        text = body(read(mail.raw), kind)
        assert "https://clearing.hellstrom.example/f/1" in text
        assert "huge.xlsx" in text


def test_the_largest_mail_that_is_attached_stays_within_nine_megabytes() -> None:
    files = (file("a.pdf", 6_400_000),)
    mail = compose(MailKind.INVOICE_PACKAGE, MailLanguage.EN, BRAND, facts(attachments=files))
    assert mail.attached == ("a.pdf",)
    assert 8_500_000 < mail.size_bytes <= MAX_MIME_BYTES


def test_a_large_file_without_a_link_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too large"):
        compose(MailKind.INVOICE_PACKAGE, MailLanguage.EN, BRAND, facts(attachments=(file("a.pdf", 8_000_000, None),)))


@settings(deadline=None)
@given(st.integers(0, 40_000))
def test_the_estimate_is_never_below_the_real_part(size: int) -> None:
    message = EmailMessage(policy=email.policy.SMTP.clone(cte_type="7bit"))
    message.add_attachment(b"x" * size, maintype="application", subtype="pdf", filename="a" * 100)
    assert len(message.as_bytes()) <= encoded_size(size) + 200


@pytest.mark.parametrize("kind", MailKind)
def test_a_missing_fact_is_named(kind: MailKind) -> None:
    bare = facts(amount=None, sessions=None, opens_at_utc=None, closes_at_utc=None, document_number=None, dispute=None)
    with pytest.raises(InvalidInput) as caught:
        compose(kind, MailLanguage.EN, BRAND, bare)
    assert caught.value.field in str(caught.value)


def test_nothing_breaks_out_of_a_header_or_the_html() -> None:
    evil = 'X\r\nBcc: thief@evil.example\r\n\r\n<script>alert("1")</script>'
    brand = BRAND.model_copy(update={"name": evil, "footer_lines": (evil,)})
    mail = compose(MailKind.INVOICE_PACKAGE, MailLanguage.EN, brand, facts(document_number=evil, partner_name=evil))
    message = read(mail.raw)
    assert message["Bcc"] is None
    assert len(message.get_all("Subject", [])) == 1
    assert "<script" not in body(message, "html")


def test_a_copy_says_so() -> None:
    mail = compose(MailKind.INVOICE_PACKAGE, MailLanguage.DE, BRAND, facts(is_copy=True))
    assert mail.subject.startswith("KOPIE: ")


@contextmanager
def _sink() -> Iterator[tuple[int, list[bytes]]]:
    """A real SMTP server that does not speak 8BITMIME for what it is not told."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP, Envelope, Session

    got: list[bytes] = []

    class Keep:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            assert envelope.content is not None
            got.append(envelope.content if isinstance(envelope.content, bytes) else envelope.content.encode())
            return "250 kept"

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(Keep(), hostname="127.0.0.1", port=port, decode_data=False)
    controller.start()
    try:
        yield port, got
    finally:
        controller.stop()


def test_a_real_server_takes_it_unchanged() -> None:
    mail = compose(MailKind.INVOICE_PACKAGE, MailLanguage.NL, BRAND, facts(attachments=(file("a.pdf", 3000),)))
    with _sink() as (port, got), smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail(mail.sender, list(mail.recipients), mail.raw)
    assert got == [mail.raw]
    assert io.BytesIO(got[0]).readline().startswith(b"From: ")
