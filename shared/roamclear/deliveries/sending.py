"""Handing a mail over once per business key, recorded with the provider's message id."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from roamclear.deliveries import service, store
from roamclear.deliveries.model import Mail
from roamclear.identity.issuer import Issuer
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InProgress, Unavailable
from roamclear.kernel.writes import Action
from roamclear.notify.model import MailBrand, MailMessage

#: How long a worker has a mail to itself: far longer than a hand-over takes.
_HOLDS = timedelta(seconds=60)
_PROCESS = secrets.token_hex(8)


def once(
    ctx: Context, issuer_id: str, key: str, write: Callable[[], MailMessage], *, subject: str, partner: str
) -> tuple[str, ...]:
    """Hand a mail over unless its business key was handed over before; no ids where it was not taken.

    One worker at a time: the mail service gives every mail a Message-ID of its own, so no receiver drops a second one.
    Only a worker that dies between the hand-over and its record lets the same mail go out again, a minute later.

    Raises:
        InProgress: another worker hands it over at the moment.
    """
    kind = ExceptionType.DELIVERY_FAILED
    known = store.handed_over(ctx.db, issuer_id, key)
    if known is None:
        mail = write()
        _claim(ctx, issuer_id, key)
        # Between the look and the claim another worker may have done it all.
        known = store.handed_over(ctx.db, issuer_id, key)
    if known is not None:
        # The one who handed it over may have died before this.
        journal.resolve(ctx, issuer_id, kind, key, by="system:mail", reason="the mail was taken")
        return tuple(known["message_ids"])
    try:
        message_id = ctx.mailer.send(mail.raw, sender=mail.sender, recipients=mail.recipients)
    except Unavailable:
        text = "a mail was not taken by the mail service; it is tried again"
        journal.raise_once(ctx, issuer_id, kind, key, text, severity="HIGH", partner=partner)
        ctx.db.write(store.claim_gone(issuer_id, key))
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
    done: list[Action] = [store.handed_over_put(issuer_id, key, record), store.claim_gone(issuer_id, key)]
    ctx.db.transact([*done, *service.mailed(made)])
    journal.resolve(ctx, issuer_id, kind, key, by="system:mail", reason="the mail was taken")
    return (message_id,)


def _claim(ctx: Context, issuer_id: str, key: str) -> None:
    """Take a mail for this worker; it does one thing at a time, so a claim of its own is left from before."""
    me, now = _worker(), ctx.now()
    held = store.claim(ctx.db, issuer_id, key)
    if held is not None and held["by"] != me and now < datetime.fromisoformat(held["at_utc"]) + _HOLDS:
        raise InProgress("another worker hands this mail over", business_key=key)
    try:
        ctx.db.write(store.claim_put(issuer_id, key, me, now, held))
    except ConditionFailed as lost:
        raise InProgress("another worker hands this mail over", business_key=key) from lost


def _worker() -> str:
    return f"{_PROCESS}-{threading.get_ident()}"


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
