"""The mails of a run: said once each, recorded with the provider's message id (product.md row 45)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from roamclear.billing import store
from roamclear.billing.model import Document, Run
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Terms
from roamclear.deliveries import service as deliveries
from roamclear.deliveries.model import Mail
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Unavailable
from roamclear.kernel.time import local_date
from roamclear.mode import service as mode
from roamclear.notify.model import Attachment, MailBrand, MailFacts, MailKind, MailLanguage
from roamclear.notify.service import compose


def window_opened(ctx: Context, run: Run, contacts: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Tell the eMSP, or other contacts of it, that its list is readable; no ids where the mail was not taken."""
    facts: dict[str, Any] = {
        "sessions": run.members,
        "amount": run.proforma,
        "opens_at_utc": run.opened_at_utc,
        "closes_at_utc": run.closes_at_utc,
    }
    if not contacts:
        return _once(ctx, run, MailKind.WINDOW_OPENED, f"{run.run_id}#OPENED", facts)
    told = hashlib.sha256(" ".join(sorted(contacts)).encode()).hexdigest()[:16]
    facts["recipients"] = contacts
    return _once(ctx, run, MailKind.WINDOW_OPENED, f"{run.run_id}#OPENED#{told}", facts)


def window_closing(ctx: Context, run: Run) -> tuple[str, ...]:
    """Remind an eMSP that did not review yet, once per window even where it is started again."""
    return _of_window(ctx, run, MailKind.WINDOW_CLOSING, "CLOSING")


def window_closed(ctx: Context, run: Run) -> tuple[str, ...]:
    """Tell the eMSP that its list is locked."""
    return _of_window(ctx, run, MailKind.WINDOW_CLOSED, "CLOSED")


def _of_window(ctx: Context, run: Run, kind: MailKind, name: str) -> tuple[str, ...]:
    facts = {"sessions": run.members, "amount": run.proforma, "closes_at_utc": run.closes_at_utc}
    return _once(ctx, run, kind, f"{run.run_id}#{name}", facts)


def package(ctx: Context, run: Run, header: Document, attachments: tuple[Attachment, ...]) -> tuple[str, ...]:
    """Send a document with its files, and links to them: the first one's always, the others' where they do not fit."""
    return _once(ctx, run, MailKind.INVOICE_PACKAGE, f"{header.number}#SENT", _package(header, attachments))


def copy_of(
    ctx: Context,
    run: Run,
    header: Document,
    attachments: tuple[Attachment, ...],
    request_id: str,
    contacts: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Send a document again as a copy, once per request: to other contacts, or to those of the contract."""
    facts = _package(header, attachments) | {"is_copy": True} | ({"recipients": contacts} if contacts else {})
    return _once(ctx, run, MailKind.INVOICE_PACKAGE, f"{header.number}#COPY#{request_id}", facts)


def _package(header: Document, attachments: tuple[Attachment, ...]) -> dict[str, Any]:
    return {
        "link": attachments[0].link if attachments else None,
        "document_number": header.number,
        "amount": header.gross,
        "due_date": header.due_date,
        "reference": header.reference,
        "sessions": header.sessions,
        "attachments": attachments,
    }


def _once(ctx: Context, run: Run, kind: MailKind, key: str, facts: dict[str, Any]) -> tuple[str, ...]:
    """Hand a mail over unless its business key was handed over before.

    A crash between the hand-over and its record sends the same bytes with the same Message-ID again: receivers drop
    the second one.
    """
    known = store.delivered(ctx.db, run.issuer_id, key)
    if known is not None:
        return tuple(known["message_ids"])
    mode.require_normal(ctx)
    issuer = identity.issuer(ctx, run.issuer_id)
    today = local_date(ctx.now(), run.zone)
    terms = contracts.terms_at(ctx, run.issuer_id, run.contract_id, today).terms  # decision 0019
    mail = compose(kind, MailLanguage(terms.language), mail_brand(ctx, issuer), _facts(ctx, run, terms, key, facts))
    try:
        message_id = ctx.mailer.send(mail.raw, sender=mail.sender, recipients=mail.recipients)
    except Unavailable:
        journal.raise_once(
            ctx,
            run.issuer_id,
            ExceptionType.DELIVERY_FAILED,
            key,
            "a mail was not taken by the mail service; it is tried again",
            severity="HIGH",
            partner=run.contract_id,
        )
        return ()
    record = {"message_ids": [message_id], "kind": kind.value, "attached": list(mail.attached)}
    handed_over = Mail(
        issuer_id=run.issuer_id,
        message_id=message_id,
        business_key=key,
        kind=kind.value,
        subject=facts.get("document_number") or run.run_id,
        partner=run.contract_id,
        recipients=mail.recipients,
        at_utc=ctx.now(),
    )
    ctx.db.transact([store.delivery_put(run.issuer_id, key, record), *deliveries.mailed(handed_over)])
    journal.resolve(
        ctx, run.issuer_id, ExceptionType.DELIVERY_FAILED, key, by="system:mail", reason="the mail was taken"
    )
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


def _facts(ctx: Context, run: Run, terms: Terms, key: str, facts: dict[str, Any]) -> MailFacts:
    shared: dict[str, Any] = {
        "business_key": f"{run.issuer_id}#{key}",
        "recipients": terms.contact_emails,
        "sent_at_utc": ctx.now(),
        "partner_name": terms.counterparty.legal_name,
        "period_start": run.first,
        "period_end": run.end - timedelta(days=1),
        "zone": run.zone,
    }
    return MailFacts.model_validate(shared | facts)
