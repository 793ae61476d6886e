"""A new logo is told to the issuer's present contact before anybody can approve it (rules.md 10, fraud)."""

from __future__ import annotations

from roamclear.deliveries import sending
from roamclear.identity import logo
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer, LogoProposal
from roamclear.identity.model import Actor
from roamclear.kernel.context import Context
from roamclear.mode import service as mode
from roamclear.notify.model import MailFacts, MailKind, MailLanguage, MailMessage
from roamclear.notify.service import compose


def propose(ctx: Context, actor: Actor, issuer_id: str, proposal_id: str) -> LogoProposal:
    """Propose an uploaded logo and tell the contact that stands on the documents now; again tells it once."""
    made = logo.propose(ctx, actor, issuer_id, proposal_id)
    if made.state == "PROPOSED":
        _tell(ctx, made)
    return made


def _tell(ctx: Context, made: LogoProposal) -> None:
    issuer = identity.issuer(ctx, made.issuer_id)
    key = f"LOGO-{made.proposal_id}"
    if issuer.brand.contact_email:
        sending.once(
            ctx, made.issuer_id, key, lambda: _written(ctx, issuer, made, key), subject=key, partner=made.issuer_id
        )


def _written(ctx: Context, issuer: Issuer, made: LogoProposal, key: str) -> MailMessage:
    mode.require_normal(ctx)
    proposed = made.proposed_at_utc or made.made_at_utc
    facts = MailFacts(
        business_key=f"{made.issuer_id}#{key}",
        recipients=(issuer.brand.contact_email,),
        sent_at_utc=ctx.now(),
        partner_name=issuer.brand.name,
        period_start=proposed.date(),
        period_end=proposed.date(),
        zone=issuer.zone,
        closes_at_utc=logo.in_force_from(proposed),
    )
    brand = sending.mail_brand(ctx, issuer)
    return compose(MailKind.LOGO_PROPOSED, MailLanguage(issuer.language), brand, facts)
