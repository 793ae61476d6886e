"""Rows of the retention of detail and of requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from roamclear.aws import keys
from roamclear.kernel.context import Database
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Key, Put, Remove, Table, When
from roamclear.privacy.model import DataRequest, DetailReport


# ---- the walk ------------------------------------------------------------------------------------------------------
def mark(db: Database, issuer_id: str) -> tuple[datetime, str] | None:
    """(UTC day of arrival, position in it) up to which everything was looked at."""
    row = db.get(Table.CLEARING, keys.detail_mark(issuer_id))
    return (datetime.fromisoformat(row["day_utc"]), row["position"]) if row else None


def mark_put(issuer_id: str, day: datetime, position: str) -> Put:
    """Remember it; going back is harmless."""
    item = {"issuer_id": issuer_id, "day_utc": sort_instant(day), "position": position}
    return Put(Table.CLEARING, keys.detail_mark(issuer_id), item, when=())


def waiting_put(issuer_id: str, day: date, kind: str, subject: str, reason: str, at: datetime) -> Put:
    """Look at something again on a day; ``at`` is when that was noted."""
    noted = sort_instant(at)
    item = {"issuer_id": issuer_id, "kind": kind, "subject": subject, "reason": reason, "noted_at_utc": noted}
    return Put(Table.CLEARING, keys.detail_waiting(issuer_id, day, kind, subject), item, when=())


def waiting_due(db: Database, issuer_id: str, today: date, most: int) -> list[dict[str, Any]]:
    """What is to be looked at again by a day, oldest first."""
    pk = keys.detail_waiting(issuer_id, today, "", "").pk
    # "$" is the character behind "#", so today's rows are in.
    page = db.page(Table.CLEARING, pk, before=f"{today.isoformat()}$", limit=most, consistent=True)
    return page.rows


def waiting_gone(row: dict[str, Any]) -> Remove:
    """It was looked at, unless it was noted once more meanwhile."""
    noted = row.get("noted_at_utc")
    same = (When("noted_at_utc", "=", noted) if noted else When("noted_at_utc", "absent"),)
    return Remove(Table.CLEARING, Key(row["pk"], row["sk"]), when=same)


def reports_at(db: Database, issuer_id: str, began: datetime) -> int:
    """How many runs began at an instant already."""
    found = db.rows(Table.CLEARING, keys.detail_reports(issuer_id), prefix=sort_instant(began), consistent=True)
    return len(list(found))


def report_put(made: DetailReport, turn: int) -> Put:
    """What a run did, once; runs of one instant are numbered."""
    key = Key(keys.detail_reports(made.issuer_id), f"{sort_instant(made.began_at_utc)}#{turn:03d}")
    return Put(Table.CLEARING, key, made.dump(), when=ABSENT)


def reports(db: Database, issuer_id: str) -> Iterator[DetailReport]:
    """What the runs did, latest first."""
    for row in db.rows(Table.CLEARING, keys.detail_reports(issuer_id), forward=False):
        yield DetailReport.load(row)


# ---- requests ------------------------------------------------------------------------------------------------------
def request_put(made: DataRequest, read: DataRequest | None) -> Put:
    """A new request, or its next state over exactly the one that was read."""
    place = f"{sort_instant(made.asked_at_utc)}#{made.request_id}"
    item = made.model_copy(update={"changed": read.changed + 1 if read else 0}).dump()
    item |= {"gsi1pk": keys.data_requests(made.issuer_id), "gsi1sk": place}
    if made.state == "OPEN":
        item |= {"gsi2pk": keys.open_data_requests(made.issuer_id), "gsi2sk": place}
    when = (When("changed", "=", read.changed),) if read else ABSENT
    return Put(Table.CLEARING, keys.data_request(made.issuer_id, made.request_id), item, when=when)


def request(db: Database, issuer_id: str, request_id: str) -> DataRequest | None:
    """One request or None."""
    row = db.get(Table.CLEARING, keys.data_request(issuer_id, request_id))
    return DataRequest.load(row) if row else None


def requests(db: Database, issuer_id: str, *, waiting: bool = False) -> list[DataRequest]:
    """All requests, or those that are not answered, oldest first."""
    pk = keys.open_data_requests(issuer_id) if waiting else keys.data_requests(issuer_id)
    found = [Key(r["pk"], r["sk"]) for r in db.rows(Table.CLEARING, pk, index="gsi2" if waiting else "gsi1")]
    rows = db.get_many(Table.CLEARING, found)
    return [DataRequest.load(rows[key]) for key in found if key in rows]
