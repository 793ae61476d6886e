"""Rows of checks, one partition per issuer."""

from __future__ import annotations

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.writes import ABSENT, Put, Table, When
from roamclear.vies.model import Check


def find(db: Database, issuer_id: str, vat_id: str) -> Check | None:
    """The check of a number or None."""
    row = db.get(Table.CLEARING, keys.vat_check(issuer_id, vat_id))
    return Check.load(row) if row else None


def check_put(made: Check, known: Check | None) -> Put:
    """The next state of a check over exactly the one that was read."""
    key = keys.vat_check(made.issuer_id, made.vat_id)
    if known is None:
        return Put(Table.CLEARING, key, made.dump(), when=ABSENT)
    item = made.model_copy(update={"changed": known.changed + 1}).dump()
    return Put(Table.CLEARING, key, item, when=(When("changed", "=", known.changed),))
