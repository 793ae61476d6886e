"""What is to change on an issuer's documents is told to its present contact before anybody can approve it.

rules.md 10, fraud: two persons, 72 hours, notice to the old contacts; for the logo and for all other branding.
"""

from __future__ import annotations

from datetime import datetime

from roamclear.deliveries import sending
from roamclear.identity import brand_changes, logo
from roamclear.identity import service as identity
from roamclear.identity.issuer import BrandChange, BrandValues, Issuer, LogoProposal
from roamclear.identity.model import Actor
from roamclear.identity.rules import COOLING
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.mode import service as mode
from roamclear.notify.model import MailFacts, MailKind, MailLanguage, MailMessage, Topic
from roamclear.notify.service import compose
from roamclear.reconciliation import service as reconciliation

_TOPICS = {
    "name": Topic.NAME,
    "primary": Topic.COLOURS,
    "accent": Topic.COLOURS,
    "typeface": Topic.TYPEFACE,
    "footer": Topic.FOOTER,
    "contact_name": Topic.CONTACT,
    "contact_phone": Topic.CONTACT,
    "contact_email": Topic.CONTACT,
    "iban": Topic.BANK,
    "bic": Topic.BANK,
}


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


def propose_change(ctx: Context, actor: Actor, issuer_id: str, wanted: BrandValues, reason: str) -> BrandChange:
    """Propose a change and tell the contact in force; asked again it is told where it could not be told before."""
    made = brand_changes.propose(ctx, actor, issuer_id, wanted, reason)
    if made.told_at_utc is not None or made.told is None:
        return made
    contact, key = made.told, f"BRAND-{made.change_id}"
    ids = sending.once(
        ctx, issuer_id, key, lambda: _of_change(ctx, made, contact, key), subject=made.change_id, partner=issuer_id
    )
    return brand_changes.told(ctx, made) if ids else made


def approve_change(ctx: Context, actor: Actor, issuer_id: str, change_id: str) -> Issuer:
    """Put a change in force. The bank account that was printed until now stays one whose statements are booked."""
    made = brand_changes.change(ctx, actor, issuer_id, change_id)
    before = identity.issuer(ctx, issuer_id)
    if made.values.iban is not None and made.state == "PROPOSED":
        # First, so that no crash leaves late payments to the old account without an owner; again is harmless.
        reconciliation.keep_printed(ctx, before)
    changed = brand_changes.approve(ctx, actor, issuer_id, change_id)
    if made.values.iban is not None:
        journal.raise_once(
            ctx,
            issuer_id,
            ExceptionType.IBAN_CHANGED,
            f"ISSUER#{change_id}",
            "the bank account printed on documents changed",
            severity="INFO",
            next_action="tell the partners; payments to the old account are booked as before",
            details={"change_id": change_id},
        )
    return changed


def _of_change(ctx: Context, made: BrandChange, contact: str, key: str) -> MailMessage:
    topics = tuple(dict.fromkeys(_TOPICS[name] for name in made.values.dump()))
    return _compose(ctx, MailKind.BRAND_CHANGE_PROPOSED, made.issuer_id, key, contact, ctx.now() + COOLING, topics)


def _written(ctx: Context, issuer: Issuer, made: LogoProposal, key: str) -> MailMessage:
    until = logo.in_force_from(made.proposed_at_utc or made.made_at_utc)
    return _compose(ctx, MailKind.LOGO_PROPOSED, issuer.issuer_id, key, issuer.brand.contact_email, until)


def _compose(
    ctx: Context,
    kind: MailKind,
    issuer_id: str,
    key: str,
    contact: str,
    until: datetime,
    topics: tuple[Topic, ...] = (),
) -> MailMessage:
    mode.require_normal(ctx)
    issuer = identity.issuer(ctx, issuer_id)
    facts = MailFacts(
        business_key=f"{issuer_id}#{key}",
        recipients=(contact,),
        sent_at_utc=ctx.now(),
        partner_name=issuer.brand.name,
        period_start=ctx.now().date(),
        period_end=ctx.now().date(),
        zone=issuer.zone,
        closes_at_utc=until,
        topics=topics,
    )
    return compose(kind, MailLanguage(issuer.language), sending.mail_brand(ctx, issuer), facts)
