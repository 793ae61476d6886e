"""The issuer's logo: uploaded by one person, in force by another after 72 hours (rules.md 10; product.md row 57).

A proposal takes a file by a signed form, then its bytes are looked at, kept under their own hash and shown to the
second person; what is approved is exactly what was shown.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from roamclear.audit import service as audit
from roamclear.identity import images, store
from roamclear.identity.issuer import Issuer, LogoProposal
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import COOLING, authorise, authorise_either, different_person
from roamclear.identity.service import issuer as find_issuer
from roamclear.kernel.context import Context, UploadForm
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Put

FORM_SECONDS = 900
SHOWN_SECONDS = 900
TYPES = ("image/png", "image/jpeg")


def begin(ctx: Context, actor: Actor, issuer_id: str, content_type: str) -> tuple[LogoProposal, UploadForm]:
    """A form that takes one PNG or JPEG of at most a million bytes; a person gets the same one within a minute."""
    authorise(actor, Right.ISSUER_EDIT, issuer_id)
    if content_type not in TYPES:
        raise InvalidInput(f"a logo is {' or '.join(TYPES)}", field="content_type")
    find_issuer(ctx, issuer_id)
    name = hashlib.sha256(f"{actor.actor_id}|{ctx.now():%Y-%m-%dT%H:%M}|{content_type}".encode()).hexdigest()[:24]
    made = LogoProposal(
        issuer_id=issuer_id, proposal_id=name, made_by=actor.actor_id, made_at_utc=ctx.now(), content_type=content_type
    )
    known = store.logo_proposal(ctx.db, issuer_id, name)
    if known is None:
        ctx.db.write(store.logo_put(made))
    form = ctx.objects.upload(
        "exports", _upload_key(made), seconds=FORM_SECONDS, max_bytes=images.MAX_BYTES, content_type=content_type
    )
    return known or made, form


def propose(ctx: Context, actor: Actor, issuer_id: str, proposal_id: str) -> LogoProposal:
    """Look at the uploaded file and keep it under its hash; from 72 hours later another person may approve it.

    Raises:
        InvalidInput: nothing was uploaded, or it is no logo (``images.sniff``).
    """
    authorise(actor, Right.ISSUER_EDIT, issuer_id)
    known = _proposal(ctx, issuer_id, proposal_id)
    if known.state != "FILE_AWAITED":
        return known
    content = ctx.objects.get("exports", _upload_key(known))
    if content is None:
        raise InvalidInput("nothing was uploaded by the form yet", field="file")
    kind = images.sniff(content)
    digest = hashlib.sha256(content).hexdigest()
    key = f"{issuer_id}/brand/logo-{digest}.{kind}"
    ctx.objects.put("documents", key, content, f"image/{kind}")
    made = known.model_copy(update={"state": "PROPOSED", "key": key, "sha256": digest, "proposed_at_utc": ctx.now()})
    return _save(ctx, actor, made, known, "LOGO_PROPOSED")


def approve(ctx: Context, actor: Actor, issuer_id: str, proposal_id: str) -> Issuer:
    """A second person puts the logo on documents and mails from now on; what was issued keeps the old one.

    Raises:
        Conflict: the 72 hours are not over, or the proposal is not open.
        Forbidden: the maker may not check.
    """
    authorise(actor, Right.CONTRACT_APPROVE, issuer_id)
    known = _proposal(ctx, issuer_id, proposal_id)
    different_person(known.made_by, actor)
    if known.state == "APPROVED":
        return find_issuer(ctx, issuer_id)
    if known.state != "PROPOSED" or known.proposed_at_utc is None:
        raise Conflict("this logo is not open for approval", state=known.state)
    if ctx.now() < in_force_from(known.proposed_at_utc):
        at = in_force_from(known.proposed_at_utc)
        raise Conflict("a logo is approved 72 hours after its proposal at the earliest", earliest=at)

    def attempt() -> Issuer:
        issuer = find_issuer(ctx, issuer_id)
        brand = issuer.brand.model_copy(update={"logo_key": known.key})
        changed = issuer.model_copy(update={"brand": brand})
        made = known.model_copy(update={"state": "APPROVED", "decided_by": actor.actor_id, "decided_at_utc": ctx.now()})
        log = _log(ctx, actor, made, "LOGO_APPROVED")
        ctx.db.transact([*store.issuer_writes(changed, issuer), store.logo_put(made, over=known), log])
        return changed

    return again_on_race(attempt)


def withdraw(ctx: Context, actor: Actor, issuer_id: str, proposal_id: str) -> LogoProposal:
    """Either person stops a proposal."""
    authorise_either(actor, Right.CONTRACT_APPROVE, Right.ISSUER_EDIT, issuer_id)
    known = _proposal(ctx, issuer_id, proposal_id)
    if known.state not in ("FILE_AWAITED", "PROPOSED"):
        return known
    made = known.model_copy(update={"state": "WITHDRAWN", "decided_by": actor.actor_id, "decided_at_utc": ctx.now()})
    return _save(ctx, actor, made, known, "LOGO_WITHDRAWN")


def shown(ctx: Context, actor: Actor, issuer_id: str, proposal_id: str) -> tuple[LogoProposal, str | None]:
    """A proposal with a short-lived address of its file, which the second person looks at."""
    authorise_either(actor, Right.CONTRACT_APPROVE, Right.ISSUER_EDIT, issuer_id)
    known = _proposal(ctx, issuer_id, proposal_id)
    if known.key is None:
        return known, None
    name = known.key.rsplit("/", 1)[1]
    return known, ctx.objects.link("documents", known.key, seconds=SHOWN_SECONDS, filename=name)


def content(ctx: Context, key: str | None) -> bytes | None:
    """The bytes of a logo; None where there is none or it is gone, for a document is drawn all the same."""
    return ctx.objects.get("documents", key) if key else None


def in_force_from(proposed: datetime) -> datetime:
    """The first instant at which a proposal may be approved."""
    return proposed + COOLING


def _proposal(ctx: Context, issuer_id: str, proposal_id: str) -> LogoProposal:
    found = store.logo_proposal(ctx.db, issuer_id, proposal_id)
    if found is None:
        raise NotFound("no such object")
    return found


def _upload_key(made: LogoProposal) -> str:
    return f"brand/{made.issuer_id}/{made.proposal_id}"


def _save(ctx: Context, actor: Actor, made: LogoProposal, known: LogoProposal, action: str) -> LogoProposal:
    def attempt() -> LogoProposal:
        ctx.db.transact([store.logo_put(made, over=known), _log(ctx, actor, made, action)])
        return made

    return again_on_race(attempt)


def _log(ctx: Context, actor: Actor, made: LogoProposal, action: str) -> Put:
    return audit.entry(
        ctx, issuer_id=made.issuer_id, kind="ISSUER", object_id=made.issuer_id, actor_id=actor.actor_id,
        action=action, details={"proposal_id": made.proposal_id, "sha256": made.sha256 or ""},
    )  # fmt: skip
