"""The statement's mail to the holder of an account, once per payout (product.md J.2)."""

from __future__ import annotations

from roamclear.deliveries import sending
from roamclear.evses import service as evses
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table
from roamclear.links import service as links
from roamclear.mode import service as mode
from roamclear.notify.model import Attachment, MailFacts, MailKind, MailLanguage, MailMessage
from roamclear.notify.service import compose
from roamclear.payouts import payments, store
from roamclear.payouts.model import Payout

_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
}


def send_due(ctx: Context, issuer_id: str) -> int:
    """Mail every statement that was drawn and not mailed yet; what is not taken is told and tried again."""
    waiting = [p for p in store.unfinished(ctx.db, issuer_id) if p.statement_key is not None]
    return sum(send_statement(ctx, issuer_id, payout.payout_id) for payout in waiting)


def send_statement(ctx: Context, issuer_id: str, payout_id: str) -> bool:
    """Mail a drawn statement with its files, or links where they do not fit; False when it was mailed before."""
    payout = payments.payout(ctx, issuer_id, payout_id)
    if payout.statement_key is None or payout.mailed_at_utc is not None:
        return False
    key = f"{payout_id}#STATEMENT"
    account = payout.account_id
    if not sending.once(ctx, issuer_id, key, lambda: _written(ctx, payout, key), subject=payout_id, partner=account):
        return False
    again_on_race(lambda: _flag(ctx, issuer_id, payout_id), tables=(Table.CLEARING,))
    return True


def _written(ctx: Context, payout: Payout, key: str) -> MailMessage:
    mode.require_normal(ctx)
    issuer = identity.issuer(ctx, payout.issuer_id)
    terms = evses.account_version(ctx, payout.issuer_id, payout.account_id, payout.account_version).terms
    attachments = _attachments(ctx, payout)
    facts = MailFacts(
        business_key=f"{payout.issuer_id}#{key}",
        recipients=(terms.email,),
        sent_at_utc=ctx.now(),
        partner_name=terms.holder,
        period_start=payout.first_day,
        period_end=payout.last_day,
        zone=issuer.zone,
        sessions=payout.sessions,
        amount=payout.pay,
        document_number=payout.payout_id,
        link=attachments[0].link,
        attachments=attachments,
    )
    brand = sending.mail_brand(ctx, issuer)
    return compose(MailKind.PAYOUT_STATEMENT, MailLanguage(terms.language), brand, facts)


def _attachments(ctx: Context, payout: Payout) -> tuple[Attachment, ...]:
    """The statement first, then the other files."""
    found = []
    for name, key in payments.files(payout).items():
        content = ctx.objects.get("documents", key)
        if content is None:
            raise InvariantBroken("a drawn file is gone", key=key)
        link = links.make(ctx, payout.issuer_id, "documents", key, name)
        found.append(Attachment(name=name, content_type=_TYPES[name.rsplit(".", 1)[1]], content=content, link=link))
    return tuple(found)


def _flag(ctx: Context, issuer_id: str, payout_id: str) -> None:
    known = payments.payout(ctx, issuer_id, payout_id)
    ctx.db.write(store.payout_put(known.model_copy(update={"mailed_at_utc": ctx.now()}), known))
