"""A new logo is told to the issuer's present contact before anybody can approve it (rules.md 10, fraud)."""

from __future__ import annotations

from roamclear.billing import service as billing
from roamclear.deliveries import service as deliveries
from roamclear.deliveries.model import Mail, What
from roamclear.identity import logo
from roamclear.identity import service as identity
from roamclear.identity.issuer import LogoProposal
from roamclear.identity.model import Actor
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Unavailable
from roamclear.mode import service as mode
from roamclear.notify.model import MailFacts, MailKind, MailLanguage
from roamclear.notify.service import compose


def propose(ctx: Context, actor: Actor, issuer_id: str, proposal_id: str) -> LogoProposal:
    """Propose an uploaded logo and tell the contact that stands on the documents now; again tells it once."""
    made = logo.propose(ctx, actor, issuer_id, proposal_id)
    if made.proposed_at_utc is not None and made.state == "PROPOSED":
        _tell(ctx, made)
    return made


def _tell(ctx: Context, made: LogoProposal) -> None:
    issuer = identity.issuer(ctx, made.issuer_id)
    subject = f"LOGO-{made.proposal_id}"
    told = any(line.what is What.MAILED for line in deliveries.log(ctx, made.issuer_id, subject))
    if told or not issuer.brand.contact_email or made.proposed_at_utc is None:
        return
    mode.require_normal(ctx)
    day = made.proposed_at_utc.date()
    facts = MailFacts(
        business_key=f"{made.issuer_id}#{subject}",
        recipients=(issuer.brand.contact_email,),
        sent_at_utc=ctx.now(),
        partner_name=issuer.brand.name,
        period_start=day,
        period_end=day,
        zone=issuer.zone,
        closes_at_utc=logo.in_force_from(made.proposed_at_utc),
    )
    mail = compose(MailKind.LOGO_PROPOSED, MailLanguage(issuer.language), billing.mail_brand(ctx, issuer), facts)
    try:
        message_id = ctx.mailer.send(mail.raw, sender=mail.sender, recipients=mail.recipients)
    except Unavailable:
        journal.raise_once(
            ctx, made.issuer_id, ExceptionType.DELIVERY_FAILED, subject, "the notice of a new logo was not taken",
            severity="HIGH", next_action="propose the same logo again, or tell the contact otherwise",
        )  # fmt: skip
        return
    handed_over = Mail(
        issuer_id=made.issuer_id,
        message_id=message_id,
        business_key=subject,
        kind=mail.kind.value,
        subject=subject,
        partner=made.issuer_id,
        recipients=mail.recipients,
        at_utc=ctx.now(),
    )
    ctx.db.transact(deliveries.mailed(handed_over))
