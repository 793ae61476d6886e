"""Rows of actors (identity table) and issuers (clearing table)."""

from __future__ import annotations

from collections.abc import Iterator

from roamclear.aws import keys
from roamclear.identity.issuer import BrandChange, Issuer, LogoProposal
from roamclear.identity.model import Actor
from roamclear.kernel.context import Database
from roamclear.kernel.writes import ABSENT, Put, Table, When


def find(db: Database, actor_id: str) -> Actor | None:
    """The actor or None."""
    row = db.get(Table.IDENTITY, keys.actor(actor_id), consistent=False)
    return Actor.load(row) if row else None


def save_put(actor: Actor) -> Put:
    """Write an actor with all its grants."""
    return Put(Table.IDENTITY, keys.actor(actor.actor_id), {"issuer_id": keys.PLATFORM, **actor.dump()}, when=())


def issuer(db: Database, issuer_id: str) -> Issuer | None:
    """The issuer or None."""
    row = db.get(Table.CLEARING, keys.issuer(issuer_id))
    return Issuer.load(row) if row else None


def issuer_writes(made: Issuer, known: Issuer | None) -> list[Put]:
    """Write an issuer over exactly the state that was read, and list it once."""
    listed = Put(
        Table.CLEARING,
        keys.issuer_listed(made.issuer_id),
        {"issuer_id": made.issuer_id},
        when=ABSENT if not known else (),
    )
    item = made.model_copy(update={"changed": known.changed + 1 if known else 1}).dump()
    return [Put(Table.CLEARING, keys.issuer(made.issuer_id), item, when=_unchanged(known)), listed]


def _unchanged(known: Issuer | None) -> tuple[When, ...]:
    if known is None:
        return ABSENT
    # What was written before there was a counter has none.
    counted = When("changed", "=", known.changed) if known.changed else When("changed", "absent")
    return (When("iban", "=", known.iban), When("brand", "=", known.brand.dump()), counted)


def logo_put(made: LogoProposal, *, over: LogoProposal | None = None) -> Put:
    """A proposal once, or its next state over the one that was read."""
    when = (When("state", "=", over.state),) if over else ABSENT
    return Put(Table.CLEARING, keys.logo_proposal(made.issuer_id, made.proposal_id), made.dump(), when=when)


def logo_proposal(db: Database, issuer_id: str, proposal_id: str) -> LogoProposal | None:
    """One proposal or None."""
    row = db.get(Table.CLEARING, keys.logo_proposal(issuer_id, proposal_id))
    return LogoProposal.load(row) if row else None


def brand_change_put(made: BrandChange, *, over: BrandChange | None = None) -> Put:
    """A change of the brand once, or its next state over the one that was read."""
    when = (When("state", "=", over.state),) if over else ABSENT
    return Put(Table.CLEARING, keys.brand_change(made.issuer_id, made.change_id), made.dump(), when=when)


def brand_change(db: Database, issuer_id: str, change_id: str) -> BrandChange | None:
    """One change of the brand or None."""
    row = db.get(Table.CLEARING, keys.brand_change(issuer_id, change_id))
    return BrandChange.load(row) if row else None


def brand_changes(db: Database, issuer_id: str) -> list[BrandChange]:
    """Every change of an issuer's brand."""
    pk = keys.brand_change(issuer_id, "").pk
    return [BrandChange.load(row) for row in db.rows(Table.CLEARING, pk, consistent=True)]


def issuer_ids(db: Database) -> Iterator[str]:
    """All issuers of the deployment (what the schedules walk)."""
    for row in db.rows(Table.CLEARING, keys.ISSUERS, consistent=True):
        yield row["sk"]
