"""Rows that hold the detail of a session, and what takes their place."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from roamclear.aws import keys
from roamclear.cdrs import store as rows
from roamclear.cdrs.model import Original
from roamclear.kernel.context import Database
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Key, Put, Remove, Table, Update, When

#: The days on which a session of any length was noted (``store.occupy``).
_MOST_DAYS = 31
_TRIES = 6


def received_after(db: Database, issuer_id: str, day: datetime, after: str) -> Iterator[tuple[str, str]]:
    """(position, reference) of what came on a UTC day behind a position, in order."""
    # No character sorts before the blank, so only the position's own row is left out.
    for row in db.rows(Table.INTAKE, keys.received(issuer_id, day), index="gsi1", after=f"{after} "):
        yield row["gsi1sk"], row["gsi1sk"].split("#", 1)[1]


# ---- bodies --------------------------------------------------------------------------------------------------------
def conflicts(db: Database, issuer_id: str, cdr_ref: str) -> list[Original]:
    """The differing bodies under a CDR's id."""
    pk = keys.cdr_original(issuer_id, cdr_ref).pk
    found = db.rows(Table.INTAKE, pk, prefix="CONFLICT#", consistent=True)
    return [Original.load({k: v for k, v in row.items() if k != "parts"}) for row in found]


def expire_conflict(db: Database, made: Original) -> None:
    """What is left of a differing body in its place."""
    key = keys.cdr_conflict(made.issuer_id, made.cdr_ref, made.sha256)
    db.write(Put(Table.INTAKE, key, made.dump(), when=(When("pk", "exists"),)))


def expire_original(db: Database, made: Original) -> bool:
    """What is left of a body in its place, with its place in the order of arrival; False where it is there already."""
    put = rows.original_put(made)
    when = (When("sha256", "=", made.sha256), When("expired_at_utc", "absent"))
    try:
        db.write(Put(Table.INTAKE, put.key, put.item, when=when))
    except ConditionFailed:
        return False
    return True


def drop_parts(db: Database, issuer_id: str, cdr_ref: str) -> None:
    """The further pieces of long bodies; a reader of the head that still names them runs into fewer bytes, once."""
    pk = keys.cdr_original(issuer_id, cdr_ref).pk
    for row in list(db.rows(Table.INTAKE, pk, prefix="PART#", consistent=True)):
        db.write(Remove(Table.INTAKE, Key(row["pk"], row["sk"])))


# ---- ratings -------------------------------------------------------------------------------------------------------
def drop_traces(db: Database, issuer_id: str, cdr_ref: str, trace: bytes) -> None:
    """The steps of every price; its lines and sums stay."""
    pk = keys.session(issuer_id, cdr_ref).pk
    for row in list(db.rows(Table.CLEARING, pk, prefix="RATING#", consistent=True)):
        db.write(Update(Table.CLEARING, Key(row["pk"], row["sk"]), put={"trace": trace}))


# ---- claims and occupancy ------------------------------------------------------------------------------------------
def rename_claim(db: Database, issuer_id: str, kind: str, value: str, alias: str, owner: str) -> None:
    """What a CDR owns it owns under the pseudonym from now on."""
    item = {"issuer_id": issuer_id, "owner": owner}
    db.write(Put(Table.CLEARING, keys.claim(issuer_id, kind, alias), item, when=()))
    try:
        db.write(Remove(Table.CLEARING, keys.claim(issuer_id, kind, value), when=(When("owner", "=", owner),)))
    except ConditionFailed:
        pass  # another CDR owns the value itself, or it is gone already


def vacate(
    db: Database, issuer_id: str, kind: str, subject: str, cdr_ref: str, span: tuple[datetime, datetime]
) -> None:
    """Forget that a CDR used a connector or token; a row that says nothing of any other CDR goes with it."""
    name = f"c:{cdr_ref}"
    for day in _days(*span):
        key = keys.occupied(issuer_id, kind, subject, day)
        for _ in range(_TRIES):
            row = db.get(Table.CLEARING, key)
            if row is None or name not in row:
                break
            others = [other for other in row if other.startswith("c:") and other != name]
            same = (When(name, "=", row[name]),)
            try:
                # A CDR that arrives between reading and removing loses its note of a day whose sessions are all final.
                db.write(
                    Update(Table.CLEARING, key, remove=(name,)) if others else Remove(Table.CLEARING, key, when=same)
                )
            except ConditionFailed:
                continue
            break


def note_alias(db: Database, issuer_id: str, alias: str, cdr_ref: str, at: datetime) -> None:
    """A CDR's day under the pseudonym of its token, so that the same token's sessions are still counted together."""
    key = keys.occupied(issuer_id, "TOKEN", alias, sort_instant(at)[:10])
    item = {"issuer_id": issuer_id, f"c:{cdr_ref}": sort_instant(at)}
    db.write(Update(Table.CLEARING, key, put=item, when=()))


def used_by(db: Database, issuer_id: str, subject: str) -> Iterator[str]:
    """References of the CDRs of a token (eMSP party and uid, or its pseudonym), by day; one may come twice."""
    for row in db.rows(Table.CLEARING, keys.occupied(issuer_id, "TOKEN", subject, "").pk, consistent=True):
        yield from (name.removeprefix("c:") for name in sorted(row) if name.startswith("c:"))


def packed(text: str) -> bytes:
    """A text as bodies and traces are kept."""
    return zlib.compress(text.encode())


def _days(start: datetime, stop: datetime) -> Iterator[str]:
    day = start.date()
    last = min(stop.date(), day + timedelta(days=_MOST_DAYS))
    while day <= last:
        yield day.isoformat()
        day += timedelta(days=1)
