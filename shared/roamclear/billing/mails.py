"""The mails of a run: said once each, recorded with the provider's message id (product.md row 45)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from roamclear.billing import recipients, rules
from roamclear.billing.model import Document, Run
from roamclear.console import service as console
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Terms
from roamclear.deliveries import sending
from roamclear.deliveries.sending import mail_brand
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.kernel.time import local_date
from roamclear.mode import service as mode
from roamclear.notify.model import Attachment, MailFacts, MailKind, MailLanguage, MailMessage, Voice
from roamclear.notify.service import compose

__all__ = ["copy_of", "mail_brand", "package", "window_accepted", "window_closed", "window_closing", "window_opened"]


def window_opened(ctx: Context, run: Run, contacts: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Tell the eMSP, or other contacts of it, that its list is readable; no ids where the mail was not taken."""
    facts: dict[str, Any] = {
        "sessions": run.members,
        "amount": run.proforma,
        "opens_at_utc": run.opened_at_utc,
        "closes_at_utc": run.closes_at_utc,
    }
    if not contacts:
        _to_house(ctx, run, MailKind.WINDOW_OPENED, "OPENED", facts)
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


def window_accepted(ctx: Context, run: Run) -> tuple[str, ...]:
    """Confirm to the eMSP that it accepted its list and closed its window early."""
    return _of_window(ctx, run, MailKind.WINDOW_ACCEPTED, "ACCEPTED")


def _of_window(ctx: Context, run: Run, kind: MailKind, name: str) -> tuple[str, ...]:
    facts = {"sessions": run.members, "amount": run.proforma, "closes_at_utc": run.closes_at_utc}
    if kind is MailKind.WINDOW_CLOSING:
        _to_house(ctx, run, kind, name, facts)
    return _once(ctx, run, kind, f"{run.run_id}#{name}", facts)


def carried(ctx: Context, run: Run, amount: Money) -> tuple[str, ...]:
    """Tell the partner that a period is billed with a later one (product.md row 65: shown)."""
    facts = {"sessions": run.locked, "amount": amount}
    return _once(ctx, run, MailKind.RUN_CARRIED, f"{run.run_id}#CARRIED", facts)


def _to_house(ctx: Context, run: Run, kind: MailKind, name: str, facts: dict[str, Any]) -> None:
    """Where we buy, our own people review the list: they are told beside the CPO, and no lock waits for that."""
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
    ours = identity.issuer(ctx, run.issuer_id).brand.contact_email
    if terms.is_reverse and ours:
        _once(ctx, run, kind, f"{run.run_id}#{name}#HOUSE", facts | {"recipients": (ours,), "voice": Voice.HOUSE})


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
    """What a package says of its document; of what we bill ourselves, until when its supplier may object."""
    facts = _facts_of(header, attachments)
    if header.self_billed is None:
        return facts
    credited = rules.is_credit(header.type_code)
    return facts | {
        "voice": Voice.PURCHASE_CREDIT if credited else Voice.PURCHASE,
        "accept_by_utc": header.self_billed.accept_by_utc,
        "due_date": None if credited else header.due_date,
        "reference": None,
    }


def _facts_of(header: Document, attachments: tuple[Attachment, ...]) -> dict[str, Any]:
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
    """Hand a mail over unless its business key was handed over before; no ids where it was not taken."""
    return sending.once(
        ctx,
        run.issuer_id,
        key,
        lambda: _written(ctx, run, kind, key, facts),
        subject=facts.get("document_number") or run.run_id,
        partner=run.contract_id,
    )


def _written(ctx: Context, run: Run, kind: MailKind, key: str, facts: dict[str, Any]) -> MailMessage:
    mode.require_normal(ctx)
    issuer = identity.issuer(ctx, run.issuer_id)
    brand = mail_brand(ctx, issuer)
    today = local_date(ctx.now(), run.zone)
    version = contracts.terms_at(ctx, run.issuer_id, run.contract_id, today)  # decision 0019
    if kind is MailKind.INVOICE_PACKAGE:
        version = recipients.addressed(version, recipients.of(ctx, run))
    terms = version.terms
    language = issuer.language if facts.get("voice") is Voice.HOUSE else terms.language
    return compose(kind, MailLanguage(language), brand, _facts(ctx, run, terms, key, facts))


def _facts(ctx: Context, run: Run, terms: Terms, key: str, facts: dict[str, Any]) -> MailFacts:
    shared: dict[str, Any] = {
        "business_key": f"{run.issuer_id}#{key}",
        "recipients": terms.contact_emails,
        "sent_at_utc": ctx.now(),
        "partner_name": terms.counterparty.legal_name,
        "period_start": run.first,
        "period_end": run.end - timedelta(days=1),
        "zone": run.zone,
        "link": _page(ctx, run, facts.get("document_number")),
        "voice": Voice.PURCHASE if terms.is_reverse else Voice.SALE,
    }
    return MailFacts.model_validate(shared | facts)


def _page(ctx: Context, run: Run, number: str | None) -> str | None:
    """The page that a mail opens: of the document it brings, else of the run's list."""
    return console.address(ctx.public_base_url, *(("documents", number) if number else ("review", run.run_id)))
