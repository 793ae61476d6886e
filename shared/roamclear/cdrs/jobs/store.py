"""Rows of re-rating jobs: the job, one row per CDR, and the fact that asks for the next piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from roamclear.aws import keys, outbox
from roamclear.cdrs.jobs.model import Item, Job, JobState
from roamclear.kernel.context import Database
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Put, Table, When


def job(db: Database, issuer_id: str, job_id: str) -> Job | None:
    """One job or None."""
    row = db.get(Table.CLEARING, keys.cdr_job(issuer_id, job_id))
    return Job.load(row) if row else None


def jobs(db: Database, issuer_id: str) -> list[Job]:
    """All jobs of an issuer, the latest first."""
    rows = db.rows(Table.CLEARING, keys.cdr_jobs(issuer_id), index="gsi1", forward=False)
    found = db.get_many(Table.CLEARING, [keys.cdr_job(issuer_id, _id(row["gsi1sk"])) for row in rows])
    return sorted((Job.load(row) for row in found.values()), key=lambda j: sort_instant(j.made_at_utc), reverse=True)


def running(db: Database, issuer_id: str) -> list[str]:
    """Ids of the jobs that are not done, oldest first."""
    rows = db.rows(Table.CLEARING, keys.running_cdr_jobs(issuer_id), index="gsi2")
    return [_id(row["gsi2sk"]) for row in rows]


def job_put(made: Job, read: Job | None) -> Put:
    """The first or next state of a job, over exactly the one that was read."""
    place = f"{sort_instant(made.made_at_utc)}#{made.job_id}"
    index = {"gsi1pk": keys.cdr_jobs(made.issuer_id), "gsi1sk": place}
    if made.state is JobState.RUNNING:
        index |= {"gsi2pk": keys.running_cdr_jobs(made.issuer_id), "gsi2sk": place}
    number = read.changed + 1 if read else 0
    when = (When("changed", "=", read.changed),) if read else ABSENT
    item = made.model_copy(update={"changed": number}).dump()
    return Put(Table.CLEARING, keys.cdr_job(made.issuer_id, made.job_id), item | index, when=when)


def step_fact(made: Job, at: datetime) -> Put:
    """Asks for the next piece of a job."""
    payload = {"job_id": made.job_id}
    return outbox.fact(made.issuer_id, at, "cdrs.job_step", f"{made.job_id}#{made.passes}#{made.cursor}", payload)


def item_put(made: Item) -> Put:
    """What was done with a CDR; once."""
    return Put(Table.CLEARING, keys.cdr_job_item(made.issuer_id, made.job_id, made.cdr_ref), made.dump())


def items(db: Database, issuer_id: str, job_id: str, *, after: str = "") -> Iterator[Item]:
    """What a job did, by reference, behind a reference."""
    first, last = keys.cdr_job_item(issuer_id, job_id, f"{after} "), keys.cdr_job_item(issuer_id, job_id, "~")
    for row in db.rows(Table.CLEARING, first.pk, after=first.sk, before=last.sk, consistent=True):
        yield Item.load(row)


def done(db: Database, issuer_id: str, job_id: str, refs: Iterable[str]) -> set[str]:
    """Which of some CDRs the job was done with."""
    found = db.get_many(Table.CLEARING, [keys.cdr_job_item(issuer_id, job_id, ref) for ref in refs])
    return {row["cdr_ref"] for row in found.values()}


def _id(place: str) -> str:
    return place.split("#", 1)[1]
