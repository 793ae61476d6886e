"""Rows of copies that were asked for and of status files that were read."""

from __future__ import annotations

from collections.abc import Iterable

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.writes import Action, Put, Remove, Table, When
from roamclear.packages.model import CopyRequest, ReadFile


def asked(made: CopyRequest) -> list[Action]:
    """A copy that was asked for, once, and its place among those that wait."""
    waiting = {"issuer_id": made.issuer_id, "number": made.number, "request_id": made.request_id}
    return [
        Put(Table.CLEARING, keys.copy_request(made.issuer_id, made.number, made.request_id), made.dump()),
        Put(Table.CLEARING, keys.copy_waiting(made.issuer_id, made.number, made.request_id), waiting, when=()),
    ]


def sent(made: CopyRequest) -> list[Action]:
    """A copy that was handed over, once; it waits no more."""
    key = keys.copy_request(made.issuer_id, made.number, made.request_id)
    return [
        Put(Table.CLEARING, key, made.dump(), when=(When("state", "=", "ASKED"),)),
        Remove(Table.CLEARING, keys.copy_waiting(made.issuer_id, made.number, made.request_id)),
    ]


def find(db: Database, issuer_id: str, number: str, request_id: str) -> CopyRequest | None:
    """One copy that was asked for, or None."""
    row = db.get(Table.CLEARING, keys.copy_request(issuer_id, number, request_id))
    return CopyRequest.load(row) if row else None


def waiting(db: Database, issuer_id: str) -> list[CopyRequest]:
    """The copies that nobody has sent yet."""
    pk = keys.copy_waiting(issuer_id, "", "").pk
    rows = list(db.rows(Table.CLEARING, pk, consistent=True))
    found = (find(db, issuer_id, row["number"], row["request_id"]) for row in rows)
    return [one for one in found if one is not None and one.state == "ASKED"]


def read_put(made: ReadFile) -> Put:
    """Mark a status file as read."""
    return Put(Table.CLEARING, keys.status_file(made.issuer_id, made.file), made.dump(), when=())


def unread(db: Database, issuer_id: str, files: Iterable[str]) -> list[str]:
    """Those of the files that were not read yet, in order."""
    named = {keys.status_file(issuer_id, file): file for file in files}
    known = db.get_many(Table.CLEARING, list(named))
    return [file for key, file in named.items() if key not in known]
