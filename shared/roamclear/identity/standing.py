"""Who is signed in: what a person may do at each issuer, and how that issuer looks to its partners."""

from __future__ import annotations

from datetime import datetime

from roamclear.identity import store
from roamclear.identity.model import Actor, Right, Role
from roamclear.identity.rules import TABLE
from roamclear.kernel.context import Context
from roamclear.kernel.record import Record


class Standing(Record):
    """A person at one issuer. ``contract_ids`` are those its grants name; colours are hex, as on documents."""

    issuer_id: str
    name: str
    primary: str | None = None
    accent: str | None = None
    zone: str
    roles: tuple[Role, ...]
    rights: tuple[Right, ...]
    contract_ids: tuple[str, ...] = ()


class SignedIn(Record):
    """A person, and the instant of the one clock: deadlines are counted from it, not from a browser's clock."""

    actor_id: str
    label: str = ""
    now_utc: datetime
    items: tuple[Standing, ...]


def standing(ctx: Context, actor: Actor) -> SignedIn:
    """What the actor's own grants say; nobody else's are ever told, so no right is asked for."""
    issuers = sorted({grant.issuer_id for grant in actor.grants})
    items = tuple(_at(ctx, actor, issuer_id) for issuer_id in issuers)
    return SignedIn(actor_id=actor.actor_id, label=actor.label, now_utc=ctx.now(), items=items)


def _at(ctx: Context, actor: Actor, issuer_id: str) -> Standing:
    own = [grant for grant in actor.grants if grant.issuer_id == issuer_id]
    roles = {grant.role for grant in own}
    known = store.issuer(ctx.db, issuer_id)
    return Standing(
        issuer_id=issuer_id,
        # An issuer whose data nobody entered yet has no look.
        name=known.brand.name if known else issuer_id,
        primary=known.brand.primary if known else None,
        accent=known.brand.accent if known else None,
        zone=known.zone if known else "UTC",
        roles=tuple(sorted(roles)),
        rights=tuple(right for right in Right if roles & TABLE.get(right, frozenset())),
        contract_ids=tuple(sorted({grant.contract_id for grant in own if grant.contract_id})),
    )
