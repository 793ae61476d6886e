"""Rows of runs, members, documents, counters and what waits for an instant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from roamclear.aws import keys, outbox
from roamclear.billing import rules
from roamclear.billing.model import (
    Acceptance,
    Correction,
    Counter,
    Document,
    DocumentState,
    Member,
    Progress,
    Run,
    RunState,
)
from roamclear.kernel.context import Database, Row
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.record import plain
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Action, Check, Key, Put, Remove, Table, Update, When

#: The fact of a new document by its type; the others are invoices.
_ISSUED = {"381": "creditnote.issued", "389": "selfbilling.issued", "261": "selfbilling.issued"}
_OPEN_STATES = (DocumentState.ISSUED, DocumentState.SENT, DocumentState.PARTIALLY_PAID)


# ---- runs ----------------------------------------------------------------------------------------------------------
def run(db: Database, issuer_id: str, run_id: str) -> Run | None:
    """One run or None."""
    row = db.get(Table.CLEARING, keys.run(issuer_id, run_id))
    return Run.load(row) if row else None


def known_runs(db: Database, issuer_id: str, run_ids: list[str]) -> set[str]:
    """Which of these runs exist."""
    found = db.get_many(Table.CLEARING, [keys.run(issuer_id, run_id) for run_id in run_ids])
    return {row["run_id"] for row in found.values()}


def all_runs(db: Database, issuer_id: str) -> list[Run]:
    """Every run, by the end of its period."""
    found = [Key(r["pk"], r["sk"]) for r in db.rows(Table.CLEARING, keys.runs(issuer_id), index="gsi1")]
    rows = db.get_many(Table.CLEARING, found)
    return [Run.load(rows[key]) for key in found if key in rows]


def run_create(made: Run) -> Put:
    """A new run."""
    index = {"gsi1pk": keys.runs(made.issuer_id), "gsi1sk": f"{made.end.isoformat()}#{made.run_id}"}
    return Put(Table.CLEARING, keys.run(made.issuer_id, made.run_id), made.dump() | index)


def run_update(known: Run, states: tuple[RunState, ...], **columns: Any) -> Update:
    """Move a run on from one of the states; the write is refused in any other."""
    when = (When("state", "in", tuple(s.value for s in states)),)
    key = keys.run(known.issuer_id, known.run_id)
    return Update(Table.CLEARING, key, put={k: plain(v) for k, v in columns.items()}, when=when)


def run_check(known: Run, state: RunState) -> Check:
    """The condition that a run is still in a state."""
    return Check(Table.CLEARING, keys.run(known.issuer_id, known.run_id), (When("state", "=", state.value),))


def while_it_is(update: Update, attribute: str, value: Any) -> Update:
    """The same update, refused where an attribute is no longer what was read."""
    return replace(update, when=(*update.when, When(attribute, "=", plain(value))))


def only_once(update: Update, attribute: str) -> Update:
    """The same update, refused where an attribute is set already."""
    return replace(update, when=(*update.when, When(attribute, "absent")))


def if_resumed(update: Update, times: int) -> Update:
    """The same update, refused where the run was started again another number of times."""
    return replace(update, when=(*update.when, When("resumed", "=", times)))


def fact(known: Run, at: datetime, name: str) -> Put:
    """A run's fact for the higher rooms."""
    payload = {"run_id": known.run_id, "contract_id": known.contract_id, "period": known.period}
    return outbox.fact(known.issuer_id, at, name, known.run_id, payload)


# ---- carried -------------------------------------------------------------------------------------------------------
def carried_put(known: Run) -> Put:
    """A run that waits for a later one of its contract to bill it; written once."""
    item = {"issuer_id": known.issuer_id, "run_id": known.run_id}
    return Put(Table.CLEARING, keys.carried(known.issuer_id, known.contract_id, known.run_id), item)


def carried_gone(known: Run) -> Remove:
    """A run was taken; refused where another one took it."""
    key = keys.carried(known.issuer_id, known.contract_id, known.run_id)
    return Remove(Table.CLEARING, key, when=(When("run_id", "=", known.run_id),))


def carried(db: Database, issuer_id: str, contract_id: str) -> list[str]:
    """Names of the runs of a contract that wait to be billed."""
    pk = keys.carried(issuer_id, contract_id, "").pk
    return [str(row["run_id"]) for row in db.rows(Table.CLEARING, pk, consistent=True)]


# ---- members -------------------------------------------------------------------------------------------------------
def member_put(made: Member) -> Put:
    """A member row; the same one again is the same."""
    return Put(Table.CLEARING, keys.member(made.issuer_id, made.run_id, made.stop_utc, made.cdr_ref), made.dump(), ())


def member(db: Database, issuer_id: str, run_id: str, stop: datetime, cdr_ref: str) -> Member | None:
    """One member row or None."""
    row = db.get(Table.CLEARING, keys.member(issuer_id, run_id, stop, cdr_ref))
    return Member.load(row) if row else None


def member_moved(known: Member, to: datetime) -> list[Action]:
    """The same member under another instant of its stop."""
    key = keys.member(known.issuer_id, known.run_id, known.stop_utc, known.cdr_ref)
    there = Remove(Table.CLEARING, key, when=(When("pk", "exists"),))
    return [there, member_put(known.model_copy(update={"stop_utc": to}))]


def members(db: Database, issuer_id: str, run_id: str, behind: tuple[datetime, str] | None = None) -> Iterator[Member]:
    """Members of a run in order of their stop, from the first one on or behind the one of this stop and reference."""
    first, before = _behind(issuer_id, run_id, behind)
    for row in db.rows(Table.CLEARING, keys.run(issuer_id, run_id).pk, after=first, before=before, consistent=True):
        yield Member.load(row)


def members_after(
    db: Database, issuer_id: str, run_id: str, place: tuple[datetime, str] | None, most: int
) -> list[Member]:
    """The next members of a run behind the one of this stop and reference, and no row more is read than these."""
    first, before = _behind(issuer_id, run_id, place)
    pk = keys.run(issuer_id, run_id).pk
    page = db.page(Table.CLEARING, pk, after=first, before=before, limit=most, consistent=True)
    return [Member.load(row) for row in page.rows]


def _behind(issuer_id: str, run_id: str, place: tuple[datetime, str] | None) -> tuple[str, str]:
    # No character sorts before the blank, so only the place's own row is left out. "$" is the character behind "#".
    return f"{keys.member(issuer_id, run_id, *place).sk} " if place else "MEMBER#", "MEMBER$"


# ---- steps ---------------------------------------------------------------------------------------------------------
def progress(db: Database, issuer_id: str, run_id: str, step: str) -> Progress:
    """How far a step is; nothing where it never put anything aside."""
    row = db.get(Table.CLEARING, keys.run_step(issuer_id, run_id, step))
    return Progress.load(row) if row else Progress()


def progress_put(known: Run, step: str, made: Progress, read: Progress) -> Put:
    """Go on from exactly the turn that was read."""
    when = (When("turn", "=", read.turn),) if read.turn else ABSENT
    item = {"issuer_id": known.issuer_id, **made.dump()}
    return Put(Table.CLEARING, keys.run_step(known.issuer_id, known.run_id, step), item, when=when)


# ---- due -----------------------------------------------------------------------------------------------------------
def due_put(issuer_id: str, at: datetime, name: str, item: Row) -> Put:
    """Something that waits; a newer token takes the place of an older one."""
    return Put(Table.CLEARING, keys.due(issuer_id, at, name), {"issuer_id": issuer_id, **item}, when=())


def due_rows(db: Database, issuer_id: str, now: datetime) -> Iterator[Row]:
    """What is due at an instant, that very instant too, earliest first."""
    pk = keys.due(issuer_id, now, "").pk
    # Sort keys read instant#name, and "$" is the character behind "#".
    yield from db.rows(Table.CLEARING, pk, before=f"{sort_instant(now)}$", consistent=True)


def due_of(db: Database, issuer_id: str, name: str) -> list[Row]:
    """What waits under a name, at whatever instant."""
    pk = keys.due(issuer_id, datetime.min.replace(tzinfo=UTC), "").pk
    return [row for row in db.rows(Table.CLEARING, pk, consistent=True) if row["sk"].endswith(f"#{name}")]


def due_done(db: Database, row: Row) -> None:
    """Forget what was completed, unless a newer token took its place meanwhile."""
    token = row.get("task_token")
    when = (When("task_token", "=", token),) if token else ()
    try:
        db.write(Remove(Table.CLEARING, Key(row["pk"], row["sk"]), when=when))
    except ConditionFailed:
        return


def due_gone(db: Database, row: Row, at: datetime) -> None:
    """Note since when nobody waits for a token; a newer token that took its place is left alone."""
    update = Update(
        Table.CLEARING,
        Key(row["pk"], row["sk"]),
        put={"gone_at_utc": sort_instant(at)},
        when=(When("task_token", "=", row["task_token"]),),
    )
    try:
        db.write(update)
    except ConditionFailed:
        return


# ---- reminders -----------------------------------------------------------------------------------------------------
def reminder_put(issuer_id: str, at: datetime, run_id: str, kind: str) -> Put:
    """An instant at which a reminder of a run is looked at; the same one again is the same."""
    item = {"issuer_id": issuer_id, "run_id": run_id, "kind": kind}
    return Put(Table.CLEARING, keys.reminder(issuer_id, at, f"{run_id}#{kind}"), item, when=())


def reminders_due(db: Database, issuer_id: str, now: datetime) -> Iterator[Row]:
    """Reminders whose instant came, earliest first."""
    pk = keys.reminder(issuer_id, now, "").pk
    # Sort keys read instant#name, and "$" is the character behind "#".
    yield from db.rows(Table.CLEARING, pk, before=f"{sort_instant(now)}$", consistent=True)


def reminder_done(db: Database, row: Row) -> None:
    """Forget an instant that was looked at; again is harmless."""
    db.write(Remove(Table.CLEARING, Key(row["pk"], row["sk"])))


# ---- documents -----------------------------------------------------------------------------------------------------
def counter(db: Database, issuer_id: str, series: str) -> Counter | None:
    """The state of a series or None before its first document."""
    row = db.get(Table.CLEARING, keys.counter(issuer_id, series))
    return Counter.load(row) if row else None


def counter_write(issuer_id: str, series: str, known: Counter | None, made: Counter) -> Action:
    """Take the next number; refused if another document took it or has a later date (rules.md 7)."""
    key = keys.counter(issuer_id, series)
    item = {"issuer_id": issuer_id, **made.dump()}
    if known is None:
        return Put(Table.CLEARING, key, item, when=ABSENT)
    when = (When("last", "=", known.last), When("last_date", "<=", made.last_date.isoformat()))
    return Update(Table.CLEARING, key, put=made.dump(), when=when)


def document_create(made: Document) -> list[Put]:
    """A numbered document, the way to it from its normalised number, and its fact."""
    return [
        Put(Table.CLEARING, keys.document(made.issuer_id, made.number), _document_item(made)),
        Put(
            Table.CLEARING,
            keys.document_reference(made.issuer_id, rules.normalised(made.number)),
            {"issuer_id": made.issuer_id, "number": made.number, "reference": made.reference},
        ),
        outbox.fact(
            made.issuer_id,
            made.issued_at_utc,
            _ISSUED.get(made.type_code, "invoice.issued"),
            made.number,
            {"number": made.number, "run_id": made.run_id, "contract_id": made.contract_id},
        ),
    ]


def document_of_run_put(made: Document) -> Put:
    """A run's document takes its place once: what makes a repeated issue find the number that was taken."""
    key = keys.document_of_run(made.issuer_id, made.run_id, made.place)
    return Put(Table.CLEARING, key, {"issuer_id": made.issuer_id, "number": made.number})


def document_of_run(db: Database, issuer_id: str, run_id: str, place: int) -> str | None:
    """The number a place of a run took, or None."""
    row = db.get(Table.CLEARING, keys.document_of_run(issuer_id, run_id, place))
    return str(row["number"]) if row else None


def document(db: Database, issuer_id: str, number: str) -> Document | None:
    """One document or None."""
    row = db.get(Table.CLEARING, keys.document(issuer_id, number))
    return Document.load(row) if row else None


def document_replace(made: Document, read: Document) -> Put:
    """The next state of a document over exactly the one that was read."""
    return Put(
        Table.CLEARING,
        keys.document(made.issuer_id, made.number),
        _document_item(made.model_copy(update={"changed": read.changed + 1})),
        when=(When("changed", "=", read.changed),),
    )


def document_by_reference(db: Database, issuer_id: str, normalised: str) -> Document | None:
    """The document of a normalised number or None."""
    row = db.get(Table.CLEARING, keys.document_reference(issuer_id, normalised))
    return document(db, issuer_id, row["number"]) if row else None


def documents(db: Database, issuer_id: str) -> list[Document]:
    """All documents in order of issue."""
    return _documents(db, db.rows(Table.CLEARING, keys.documents(issuer_id), index="gsi1"))


def documents_issued(db: Database, issuer_id: str, first: date, last: date) -> list[Document]:
    """The documents issued on the days of a span, both inclusive, in order of issue."""
    # "$" stands behind "#": the last day's documents are included.
    after, before = first.isoformat(), f"{last.isoformat()}$"
    rows = db.rows(Table.CLEARING, keys.documents(issuer_id), index="gsi1", after=after, before=before)
    return _documents(db, rows)


def open_documents(db: Database, issuer_id: str, contract_id: str) -> list[Document]:
    """Unpaid documents of a contract, the earliest due first."""
    found = _documents(db, db.rows(Table.CLEARING, keys.open_items(issuer_id, contract_id), index="gsi2"))
    return [d for d in found if d.open_amount]


def open_purchases(db: Database, issuer_id: str) -> list[Document]:
    """Self-billed documents that no payout took over yet or whose supplier was not heard, the earliest due first."""
    return _documents(db, db.rows(Table.CLEARING, keys.open_purchases(issuer_id), index="gsi2"))


def told_overdue(db: Database, issuer_id: str, numbers: list[str]) -> set[str]:
    """Which of these documents were told to be overdue."""
    found = db.get_many(Table.CLEARING, [keys.overdue(issuer_id, number) for number in numbers])
    return {row["number"] for row in found.values()}


def overdue_puts(made: Document, at: datetime) -> list[Action]:
    """The fact that a document is overdue, with the row that lets it be told once."""
    item = {"issuer_id": made.issuer_id, "number": made.number, "told_at_utc": sort_instant(at)}
    told = Put(Table.CLEARING, keys.overdue(made.issuer_id, made.number), item, when=ABSENT)
    return [told, document_fact(made, at, "invoice.overdue")]


def _documents(db: Database, rows: Iterator[Row]) -> list[Document]:
    found = [Key(r["pk"], r["sk"]) for r in rows]
    items = db.get_many(Table.CLEARING, found)
    return [Document.load(items[key]) for key in found if key in items]


def _document_item(made: Document) -> Row:
    item = made.dump() | {
        "gsi1pk": keys.documents(made.issuer_id),
        "gsi1sk": f"{made.issue_date.isoformat()}#{made.number}",
    }
    known = made.self_billed
    # What we owe is never an open item that a payment could be matched to. Its supplier's word is awaited even where
    # nothing is left to pay.
    owed, awaited = known is not None, known is not None and known.acceptance is Acceptance.AWAITED
    if made.state in _OPEN_STATES and (made.open_amount or awaited):
        item |= {
            "gsi2pk": keys.open_purchases(made.issuer_id)
            if owed
            else keys.open_items(made.issuer_id, made.contract_id),
            "gsi2sk": f"{made.due_date.isoformat()}#{made.number}",
        }
    return item


# ---- corrections ---------------------------------------------------------------------------------------------------
def correction_put(made: Correction, read: Correction | None) -> Put:
    """A new correction, or its next state over exactly the one that was read."""
    key = keys.correction(made.issuer_id, made.correction_id)
    index = {
        "gsi1pk": keys.corrections(made.issuer_id),
        "gsi1sk": f"{sort_instant(made.prepared_at_utc)}#{made.correction_id}",
    }
    if read is None:
        return Put(Table.CLEARING, key, made.dump() | index)
    item = made.model_copy(update={"changed": read.changed + 1}).dump() | index
    return Put(Table.CLEARING, key, item, when=(When("changed", "=", read.changed),))


def correction(db: Database, issuer_id: str, correction_id: str) -> Correction | None:
    """One correction or None."""
    row = db.get(Table.CLEARING, keys.correction(issuer_id, correction_id))
    return Correction.load(row) if row else None


def corrections(db: Database, issuer_id: str) -> list[Correction]:
    """All corrections in order of preparation."""
    rows = db.rows(Table.CLEARING, keys.corrections(issuer_id), index="gsi1")
    found = [Key(r["pk"], r["sk"]) for r in rows]
    items = db.get_many(Table.CLEARING, found)
    return [Correction.load(items[key]) for key in found if key in items]


def correction_fact(made: Correction, at: datetime, name: str) -> Put:
    """A correction's fact for its consumer and the higher rooms."""
    payload = {"correction_id": made.correction_id, "number": made.number, "contract_id": made.contract_id}
    return outbox.fact(made.issuer_id, at, name, made.correction_id, payload)


def document_fact(made: Document, at: datetime, name: str, note: str | None = None) -> Put:
    """What happened to a document, for the higher rooms and webhooks; ``note`` is the credit note that did it."""
    payload = {"number": made.number, "contract_id": made.contract_id, "note": note, "open": made.open_amount}
    return outbox.fact(made.issuer_id, at, name, made.number, payload)
