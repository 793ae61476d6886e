"""The frozen types of mails: what is said, to whom, in whose brand."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class MailKind(StrEnum):
    """The mails of the chain (product.md J.2)."""

    WINDOW_OPENED = "WINDOW_OPENED"
    WINDOW_CLOSING = "WINDOW_CLOSING"
    WINDOW_CLOSED = "WINDOW_CLOSED"
    WINDOW_ACCEPTED = "WINDOW_ACCEPTED"
    RUN_CARRIED = "RUN_CARRIED"
    INVOICE_PACKAGE = "INVOICE_PACKAGE"
    PAYOUT_STATEMENT = "PAYOUT_STATEMENT"
    DISPUTE_FILED = "DISPUTE_FILED"
    DISPUTE_LIST_FILED = "DISPUTE_LIST_FILED"
    DISPUTE_COMMENT = "DISPUTE_COMMENT"
    DISPUTE_INFO_REQUESTED = "DISPUTE_INFO_REQUESTED"
    DISPUTE_ANSWERED = "DISPUTE_ANSWERED"
    DISPUTE_EXPIRED = "DISPUTE_EXPIRED"
    DISPUTE_WITHDRAWN = "DISPUTE_WITHDRAWN"
    DISPUTE_ESCALATED = "DISPUTE_ESCALATED"
    LOGO_PROPOSED = "LOGO_PROPOSED"
    BRAND_CHANGE_PROPOSED = "BRAND_CHANGE_PROPOSED"


class Voice(StrEnum):
    """In which trade a mail is said: what we sell, what we buy and bill ourselves, or a credit of the latter (261).

    HOUSE is said to our own people, who review what we buy; ``partner_name`` is then the supplier.
    """

    SALE = "SALE"
    PURCHASE = "PURCHASE"
    PURCHASE_CREDIT = "PURCHASE_CREDIT"
    HOUSE = "HOUSE"


class MailLanguage(StrEnum):
    """Languages that mails are written in; the same four as documents."""

    EN = "EN"
    DE = "DE"
    FR = "FR"
    NL = "NL"


class Topic(StrEnum):
    """What a change of an issuer's brand touches."""

    NAME = "NAME"
    COLOURS = "COLOURS"
    TYPEFACE = "TYPEFACE"
    FOOTER = "FOOTER"
    CONTACT = "CONTACT"
    BANK = "BANK"


class MailBrand(Record):
    """Whose mail it is. The software's own name appears nowhere."""

    name: str = Field(max_length=120)
    sender: str = Field(max_length=254, pattern=r"^[^@\s<>]+@[A-Za-z0-9.-]+$", description="From address")
    reply_to: str | None = Field(default=None, max_length=254, pattern=r"^[^@\s<>]+@[A-Za-z0-9.-]+$")
    primary: str = Field(default="#1F3A5F", pattern=r"^#[0-9A-Fa-f]{6}$")
    accent: str = Field(default="#2E9E6B", pattern=r"^#[0-9A-Fa-f]{6}$")
    footer_lines: tuple[str, ...] = Field(default=(), max_length=6)


class Attachment(Record):
    """A file of a mail. ``link`` stands in for it where the mail would become too large, or always (``link_only``)."""

    name: str = Field(max_length=120)
    content_type: str = Field(pattern=r"^[a-z0-9.+-]+/[a-z0-9.+-]+(; charset=utf-8)?$")
    content: bytes
    link: str | None = Field(default=None, pattern=r"^https?://\S+$")
    link_only: bool = False


class DisputeFacts(Record):
    """What a mail says of one dispute; ``word`` is the last thing that was said in it."""

    number: str
    cdr_ref: str
    claimed: Money
    accepted: Money | None = None
    outcome: str | None = Field(default=None, pattern=r"^(ACCEPTED|PARTIAL|REJECTED|WITHDRAWN|EXPIRED)$")
    due_at_utc: datetime | None = None
    word: str | None = Field(default=None, max_length=1000)


class MailFacts(Record):
    """What a mail says. ``business_key`` names the event for ever: equal keys give equal Message-IDs."""

    business_key: str = Field(min_length=1, max_length=300)
    recipients: tuple[str, ...] = Field(min_length=1, max_length=20)
    sent_at_utc: datetime
    partner_name: str
    period_start: date
    period_end: date = Field(description="the last day, inclusive")
    zone: str = "UTC"
    sessions: int | None = None
    amount: Money | None = None
    opens_at_utc: datetime | None = None
    closes_at_utc: datetime | None = None
    document_number: str | None = None
    due_date: date | None = None
    payout_date: date | None = None
    reference: str | None = Field(default=None, description="the RF reference of the document")
    disputed: int | None = None
    dispute: DisputeFacts | None = None
    topics: tuple[Topic, ...] = Field(default=(), description="what a change of the brand touches")
    link: str | None = Field(default=None, pattern=r"^https?://\S+$", description="list, document or statement page")
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=10)
    is_copy: bool = False
    voice: Voice = Voice.SALE
    accept_by_utc: datetime | None = Field(default=None, description="until when a self-billed document is objected to")


class MailMessage(Record):
    """A finished mail: ``raw`` is 7-bit MIME, the rest is what is recorded of it."""

    kind: MailKind
    message_id: str
    subject: str
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    attached: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Size on the wire."""
        return len(self.raw)
