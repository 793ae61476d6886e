"""Finding and granting actors."""

from __future__ import annotations

from roamclear.audit import service as audit
from roamclear.identity import store
from roamclear.identity.issuer import Issuer
from roamclear.identity.model import Actor, Grant, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, NotAuthenticated, NotFound, Stale
from roamclear.kernel.retry import again_on_race


def signed_in(ctx: Context, actor_id: str) -> Actor:
    """The actor of a verified token; one without any grant is nobody."""
    actor = store.find(ctx.db, actor_id)
    if actor is None or not actor.grants:
        raise NotAuthenticated("this account has no role here")
    return actor


def bootstrap(ctx: Context, actor_id: str, label: str, grants: tuple[Grant, ...]) -> Actor:
    """Give an actor its grants at the issuers they name; grants elsewhere stay.

    The operator who may invoke the bootstrap function does it (docs/deploy.md).
    """
    touched = {item.issuer_id for item in grants}

    def attempt() -> Actor:
        known = store.find(ctx.db, actor_id)
        kept = tuple(g for g in known.grants if g.issuer_id not in touched) if known else ()
        actor = Actor(actor_id=actor_id, label=label, grants=kept + grants)
        log = audit.entry(
            ctx,
            issuer_id=min(touched, default="@"),
            kind="ACTOR",
            object_id=actor_id,
            actor_id="operator",
            action="GRANTED",
            details={"before": known.dump() if known else {}, "after": actor.dump()},
        )
        ctx.db.transact([store.save_put(actor), log])
        return actor

    return again_on_race(attempt)


def save_issuer(ctx: Context, by: Actor, made: Issuer, *, if_match: int | None = None) -> Issuer:
    """Create or change an issuer; brand, logo and bank details of an existing one take two persons (rules.md 10).

    Raises:
        Stale: the issuer is not in the state that ``if_match`` counts.
    """
    authorise(by, Right.ISSUER_EDIT, made.issuer_id)

    def attempt() -> Issuer:
        known = store.issuer(ctx.db, made.issuer_id)
        if if_match is not None and (known is None or known.changed != if_match):
            raise Stale("the issuer was changed since it was read", changed=known.changed if known else None)
        if known is not None and (known.iban, known.bic) != (made.iban, made.bic):
            raise Conflict("the IBAN of an issuer is changed by two persons", rule="MAKER_NOT_CHECKER")
        if (known.brand.logo_key if known else None) != made.brand.logo_key:
            raise Conflict("the logo of an issuer is changed by two persons", rule="MAKER_NOT_CHECKER")
        if known is not None and known.brand != made.brand:
            raise Conflict("the brand of an issuer is changed by two persons", rule="MAKER_NOT_CHECKER")
        since = {"created_at_utc": known.created_at_utc, "changed": known.changed} if known else {}
        dated = made.model_copy(update={"created_at_utc": ctx.now(), "changed": 0} | since)
        log = audit.entry(
            ctx,
            issuer_id=made.issuer_id,
            kind="ISSUER",
            object_id=made.issuer_id,
            actor_id=by.actor_id,
            action="CHANGED" if known else "CREATED",
            details={"before": known.dump() if known else {}, "after": dated.dump()},
        )
        ctx.db.transact([*store.issuer_writes(dated, known), log])
        return dated.model_copy(update={"changed": dated.changed + 1})

    return again_on_race(attempt)


def is_issuer(ctx: Context, issuer_id: str) -> bool:
    """Whether there is such an issuer."""
    return store.issuer(ctx.db, issuer_id) is not None


def issuer(ctx: Context, issuer_id: str) -> Issuer:
    """The issuer, or ``NotFound``."""
    found = store.issuer(ctx.db, issuer_id)
    if found is None:
        raise NotFound("no such issuer")
    return found


def issuer_ids(ctx: Context) -> list[str]:
    """All issuers of the deployment."""
    return list(store.issuer_ids(ctx.db))
