"""Pure decisions about mails: what a kind needs, and which files fit."""

from __future__ import annotations

from collections.abc import Iterable

from roamclear.kernel.errors import InvalidInput
from roamclear.notify.model import Attachment, MailKind

#: The finished MIME, base64 included; the mail service stops at 10 MB (rules.md 11).
MAX_MIME_BYTES = 9_000_000
#: Kept free for headers, text and HTML.
_OVERHEAD = 200_000

_NEEDED: dict[MailKind, tuple[str, ...]] = {
    MailKind.WINDOW_OPENED: ("closes_at_utc", "opens_at_utc", "sessions"),
    MailKind.WINDOW_CLOSING: ("closes_at_utc",),
    MailKind.WINDOW_CLOSED: ("closes_at_utc",),
    MailKind.WINDOW_ACCEPTED: ("closes_at_utc",),
    MailKind.RUN_CARRIED: ("amount", "sessions"),
    MailKind.INVOICE_PACKAGE: ("document_number", "amount"),
    MailKind.PAYOUT_STATEMENT: ("document_number", "amount"),
    MailKind.DISPUTE_FILED: ("dispute",),
    MailKind.DISPUTE_LIST_FILED: ("disputed", "amount"),
    MailKind.DISPUTE_COMMENT: ("dispute",),
    MailKind.DISPUTE_INFO_REQUESTED: ("dispute",),
    MailKind.DISPUTE_ANSWERED: ("dispute",),
    MailKind.DISPUTE_EXPIRED: ("dispute",),
    MailKind.DISPUTE_WITHDRAWN: ("dispute",),
    MailKind.DISPUTE_ESCALATED: ("dispute",),
    MailKind.LOGO_PROPOSED: ("closes_at_utc",),
    MailKind.BRAND_CHANGE_PROPOSED: ("closes_at_utc",),
}


def needed(kind: MailKind) -> tuple[str, ...]:
    """The facts that a kind of mail cannot be written without.

    >>> needed(MailKind.WINDOW_CLOSED)
    ('closes_at_utc',)
    """
    return _NEEDED[kind]


def encoded_size(size: int) -> int:
    """Bytes of a file as base64 in lines of 76 with CRLF, and its part header.

    >>> encoded_size(57)
    478
    """
    return 4 * -(-size // 3) + 2 * -(-size // 57) + 400


def split_attachments(
    attachments: Iterable[Attachment],
) -> tuple[tuple[Attachment, ...], tuple[Attachment, ...]]:
    """Attach in the given order while it fits; what does not fit, or is never attached, goes behind its link.

    Raises:
        InvalidInput: a file does not fit and has no link.
    """
    left = MAX_MIME_BYTES - _OVERHEAD
    attached, linked = [], []
    for attachment in attachments:
        size = encoded_size(len(attachment.content))
        if size <= left and not attachment.link_only:
            left -= size
            attached.append(attachment)
        elif attachment.link:
            linked.append(attachment)
        else:
            raise InvalidInput(f"{attachment.name} is too large for a mail and has no link", field="attachments")
    return tuple(attached), tuple(linked)
