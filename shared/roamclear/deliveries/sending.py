"""Handing a mail over once per business key, recorded with the provider's message id."""

from __future__ import annotations

from collections.abc import Callable

from roamclear.deliveries import service, store
from roamclear.deliveries.model import Mail
from roamclear.identity.issuer import Issuer
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Unavailable
from roamclear.notify.model import MailBrand, MailMessage


def once(
    ctx: Context, issuer_id: str, key: str, write: Callable[[], MailMessage], *, subject: str, partner: str
) -> tuple[str, ...]:
    """Hand a mail over unless its business key was handed over before; no ids where it was not taken.

    A crash between the hand-over and its record sends the same bytes with the same Message-ID again: receivers drop
    the second one.
    """
    known = store.handed_over(ctx.db, issuer_id, key)
    if known is not None:
        return tuple(known["message_ids"])
    mail = write()
    kind = ExceptionType.DELIVERY_FAILED
    try:
        message_id = ctx.mailer.send(mail.raw, sender=mail.sender, recipients=mail.recipients)
    except Unavailable:
        text = "a mail was not taken by the mail service; it is tried again"
        journal.raise_once(ctx, issuer_id, kind, key, text, severity="HIGH", partner=partner)
        return ()
    made = Mail(
        issuer_id=issuer_id,
        message_id=message_id,
        business_key=key,
        kind=mail.kind.value,
        subject=subject,
        partner=partner,
        recipients=mail.recipients,
        at_utc=ctx.now(),
    )
    record = {"message_ids": [message_id], "kind": mail.kind.value, "attached": list(mail.attached)}
    ctx.db.transact([store.handed_over_put(issuer_id, key, record), *service.mailed(made)])
    journal.resolve(ctx, issuer_id, kind, key, by="system:mail", reason="the mail was taken")
    return (message_id,)


def mail_brand(ctx: Context, issuer: Issuer) -> MailBrand:
    """In whose name and colours an issuer's mails go out."""
    return MailBrand(
        name=issuer.brand.name,
        sender=ctx.mail_sender,
        reply_to=issuer.brand.contact_email or None,
        primary=issuer.brand.primary,
        accent=issuer.brand.accent,
        footer_lines=issuer.brand.footer[:6],
    )
