"""Links that went out by mail: who may list and revoke them (product.md row 64)."""

from __future__ import annotations

from typing import Any

from roamclear.audit import service as audit
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Forbidden
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table
from roamclear.links import service as links
from roamclear.links.model import Link, Opening


def listed(ctx: Context, actor: Actor, issuer_id: str, *, file: str = "") -> list[dict[str, Any]]:
    """The links of an issuer that are not over; ``file`` keeps those whose file name begins so."""
    _staff(actor, Right.DOCUMENT_VIEW, issuer_id)
    return [_shown(link) for link in links.listed(ctx, issuer_id) if link.filename.startswith(file)]


def opened(ctx: Context, actor: Actor, issuer_id: str, link_id: str) -> tuple[dict[str, Any], list[Opening]]:
    """One link with every time it was followed."""
    _staff(actor, Right.DOCUMENT_VIEW, issuer_id)
    link = links.known(ctx, issuer_id, link_id)
    return _shown(link), links.openings(ctx, link)


def revoke(ctx: Context, actor: Actor, issuer_id: str, link_id: str) -> dict[str, Any]:
    """Let a link open nothing any more; again is the same."""
    _staff(actor, Right.RUN_PREPARE, issuer_id)
    link = links.known(ctx, issuer_id, link_id)

    def attempt() -> None:
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="LINK", object_id=link_id, actor_id=actor.actor_id, action="REVOKED",
            details={"file": link.filename, "opened": link.opened},
        )  # fmt: skip
        ctx.db.transact([links.revocation(link), log])

    try:
        again_on_race(attempt)
    except ConditionFailed as lost:
        if lost.table != Table.CLEARING:
            raise  # otherwise it is revoked already
    return _shown(links.known(ctx, issuer_id, link_id))


def _staff(actor: Actor, right: Right, issuer_id: str) -> None:
    """Links are the issuer's own; a partner gets its files by its own documents."""
    if authorise(actor, right, issuer_id).contract_ids is not None:
        raise Forbidden("links are listed by the issuer's own people")


def _shown(link: Link) -> dict[str, Any]:
    """A link without where its object lies."""
    return {name: value for name, value in link.dump().items() if name not in ("bucket", "key", "issuer_id")}
