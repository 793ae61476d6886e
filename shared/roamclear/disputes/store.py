"""Rows of disputes, and the window columns of a run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from roamclear.aws import keys, outbox
from roamclear.disputes import rules
from roamclear.disputes.model import PENDING, ClaimList, Dispute, Entry, Evidence, Limit, Query, Window
from roamclear.kernel.context import Database
from roamclear.kernel.errors import ConditionFailed, InvalidInput
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Check, Key, Put, Table, When


def window(db: Database, issuer_id: str, run_id: str) -> Window | None:
    """The window of a run or None."""
    row = db.get(Table.CLEARING, keys.run(issuer_id, run_id))
    return Window.load(row) if row else None


def still_open(issuer_id: str, run_id: str, now: datetime) -> Check:
    """The condition a claim carries: the window is open at this instant."""
    terms = (When("state", "=", "WINDOW"), When("closes_at_utc", ">", sort_instant(now)))
    return Check(Table.CLEARING, keys.run(issuer_id, run_id), terms)


def create(made: Dispute) -> list[Put]:
    """A new dispute and its fact."""
    key = keys.dispute(made.issuer_id, made.dispute_id)
    return [Put(Table.CLEARING, key, _item(made)), _fact(made, made.filed_at_utc, "created", made.dispute_id)]


def replace(made: Dispute, read: Dispute, at: datetime, what: str) -> list[Put]:
    """The next state of a dispute over exactly the one that was read, and its fact (updated, resolved, commented)."""
    said = made.entries if made.entries > read.entries else None
    return [keep(made, read), _fact(made, at, what, f"{made.dispute_id}#{made.changed}", said)]


def entry_put(made: Entry) -> Put:
    """One word of a thread; written once."""
    return Put(Table.CLEARING, keys.dispute_entry(made.issuer_id, made.dispute_id, made.number), made.dump())


def entries(db: Database, issuer_id: str, dispute_id: str) -> list[Entry]:
    """The thread of a dispute in order."""
    pk = keys.dispute(issuer_id, dispute_id).pk
    return [Entry.load(row) for row in db.rows(Table.CLEARING, pk, prefix="ENTRY#", consistent=True)]


def entry(db: Database, issuer_id: str, dispute_id: str, number: int) -> Entry | None:
    """One word of a thread or None."""
    row = db.get(Table.CLEARING, keys.dispute_entry(issuer_id, dispute_id, number))
    return Entry.load(row) if row else None


def request_put(issuer_id: str, actor_id: str, key: str, item: dict[str, Any]) -> Put:
    """What an actor's Idempotency-Key stands for; once for ever."""
    return Put(Table.CLEARING, keys.dispute_request(issuer_id, _folded(actor_id, key)), item)


def request(db: Database, issuer_id: str, actor_id: str, key: str) -> dict[str, Any] | None:
    """What an actor's Idempotency-Key stands for, or None."""
    return db.get(Table.CLEARING, keys.dispute_request(issuer_id, _folded(actor_id, key)))


def _folded(actor_id: str, key: str) -> str:
    return hashlib.sha256(f"{actor_id}#{key}".encode()).hexdigest()


def find(db: Database, issuer_id: str, dispute_id: str) -> Dispute | None:
    """One dispute or None."""
    row = db.get(Table.CLEARING, keys.dispute(issuer_id, dispute_id))
    return Dispute.load(row) if row else None


def find_many(db: Database, issuer_id: str, dispute_ids: list[str]) -> dict[str, Dispute]:
    """Disputes by id; what does not exist is not in the answer."""
    rows = db.get_many(Table.CLEARING, [keys.dispute(issuer_id, number) for number in dispute_ids])
    return {made.dispute_id: made for made in map(Dispute.load, rows.values())}


def of_contract(db: Database, issuer_id: str, contract_id: str) -> list[Dispute]:
    """All disputes of a contract, oldest first."""
    return list(_read(db, db.rows(Table.CLEARING, keys.disputes_of(issuer_id, contract_id), index="gsi1")))


def page(
    db: Database, issuer_id: str, *, contract_id: str | None, waiting: bool, query: Query
) -> tuple[list[Dispute], str | None]:
    """One page of the undecided by deadline, of a contract, or of all by filing; and where the next one begins."""
    pk, index = keys.all_disputes(issuer_id), "gsi3"
    if contract_id is not None:
        pk, index = keys.disputes_of(issuer_id, contract_id), "gsi1"
    elif waiting or query.state in PENDING:
        pk, index = keys.open_disputes(issuer_id), "gsi2"
    start = _position(query.after, pk, index)
    found = db.page(Table.CLEARING, pk, index=index, limit=query.limit, start=start)
    after = base64.urlsafe_b64encode(json.dumps(found.next).encode()).decode() if found.next else None
    return list(_read(db, iter(found.rows))), after


def _position(text: str | None, pk: str, index: str) -> dict[str, Any] | None:
    """The position of a page; one of another list is refused, so that nobody reads where they may not."""
    if text is None:
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(text.encode()))
    except ValueError as error:
        raise InvalidInput("this is no position of a list", field="after") from error
    names = {"pk", "sk", f"{index}pk", f"{index}sk"}
    if not isinstance(value, dict) or set(value) != names or value[f"{index}pk"] != pk:
        raise InvalidInput("this is a position of another list", field="after")
    if not all(isinstance(v, str) for v in value.values()):
        raise InvalidInput("this is no position of a list", field="after")
    return value


def evidence(db: Database, issuer_id: str, dispute_id: str) -> list[Evidence]:
    """The files of a dispute in order of their announcement."""
    pk = keys.dispute(issuer_id, dispute_id).pk
    return [Evidence.load(row) for row in db.rows(Table.CLEARING, pk, prefix="FILE#", consistent=True)]


def overdue(db: Database, issuer_id: str, before: datetime) -> list[Dispute]:
    """Undecided disputes on which a word was due before an instant."""
    rows = db.rows(Table.CLEARING, keys.open_disputes(issuer_id), index="gsi2", before=sort_instant(before))
    return [d for d in _read(db, rows) if d.state in PENDING]


def _read(db: Database, rows: Iterator[dict[str, Any]]) -> Iterator[Dispute]:
    found = [Key(row["pk"], row["sk"]) for row in rows]
    items = db.get_many(Table.CLEARING, found)
    for key in found:
        if key in items:
            yield Dispute.load(items[key])


def _item(made: Dispute) -> dict[str, Any]:
    item = made.dump() | {
        "gsi1pk": keys.disputes_of(made.issuer_id, made.contract_id),
        "gsi1sk": f"{sort_instant(made.filed_at_utc)}#{made.dispute_id}",
        "gsi3pk": keys.all_disputes(made.issuer_id),
        "gsi3sk": f"{sort_instant(made.filed_at_utc)}#{made.dispute_id}",
    }
    due = rules.next_due(made)
    if due is not None:
        item |= {
            "gsi2pk": keys.open_disputes(made.issuer_id),
            "gsi2sk": f"{sort_instant(due)}#{made.dispute_id}",
        }
    return item


def _fact(made: Dispute, at: datetime, what: str, subject: str, said: int | None = None) -> Put:
    payload = {
        "dispute_id": made.dispute_id,
        "cdr_ref": made.cdr_ref,
        "contract_id": made.contract_id,
        "state": made.state.value,
        "said": said,
        "batch": made.batch,
    }
    return outbox.fact(made.issuer_id, at, f"dispute.{what}", subject, payload)


def tell_list(db: Database, issuer_id: str, at: datetime, batch: str, filed: list[Dispute]) -> None:
    """The fact that a list of disputes of one contract was filed; told again at one instant it is the same."""
    total = sum((d.claimed for d in filed[1:]), filed[0].claimed)
    payload = {
        "batch": batch,
        "contract_id": filed[0].contract_id,
        "run_id": filed[0].run_id,
        "count": len(filed),
        "claimed": total,
    }
    subject = f"{batch}#{filed[0].contract_id}"
    try:
        db.write(outbox.fact(issuer_id, at, "dispute.list_filed", subject, payload))
    except ConditionFailed:
        return


def limit(db: Database, issuer_id: str, contract_id: str | None) -> Limit | None:
    """What a dispute agent may decide on a contract, or on all of them; None where nothing was set."""
    row = db.get(Table.CLEARING, Key(keys.dispute_limits(issuer_id), contract_id or "-"))
    return Limit.load(row) if row else None


def limits(db: Database, issuer_id: str) -> list[Limit]:
    """All limits that were set."""
    return [Limit.load(row) for row in db.rows(Table.CLEARING, keys.dispute_limits(issuer_id), consistent=True)]


def limit_put(made: Limit, read: Limit | None) -> Put:
    """A limit over exactly the one that was read."""
    key = Key(keys.dispute_limits(made.issuer_id), made.contract_id or "-")
    when = (When("changed", "=", read.changed),) if read else ABSENT
    return Put(Table.CLEARING, key, made.dump(), when=when)


def keep(made: Dispute, read: Dispute) -> Put:
    """The next state of a dispute over exactly the one that was read; nobody is told."""
    key = keys.dispute(made.issuer_id, made.dispute_id)
    return Put(Table.CLEARING, key, _item(made), when=(When("changed", "=", read.changed),))


def evidence_file(db: Database, issuer_id: str, dispute_id: str, number: int) -> Evidence | None:
    """One file of a dispute or None."""
    row = db.get(Table.CLEARING, keys.dispute_file(issuer_id, dispute_id, number))
    return Evidence.load(row) if row else None


def evidence_create(made: Evidence) -> Put:
    """An announced file."""
    return Put(Table.CLEARING, keys.dispute_file(made.issuer_id, made.dispute_id, made.number), made.dump())


def evidence_replace(made: Evidence) -> Put:
    """The judgement on a file that had none."""
    key = keys.dispute_file(made.issuer_id, made.dispute_id, made.number)
    return Put(Table.CLEARING, key, made.dump(), when=(When("state", "=", "PENDING"),))


def evidence_expired(made: Evidence) -> Put:
    """A file whose bytes were given up."""
    key = keys.dispute_file(made.issuer_id, made.dispute_id, made.number)
    return Put(Table.CLEARING, key, made.dump(), when=(When("pk", "exists"),))


def entry_expired(made: Entry) -> Put:
    """A word of the thread whose text was given up."""
    key = keys.dispute_entry(made.issuer_id, made.dispute_id, made.number)
    return Put(Table.CLEARING, key, made.dump(), when=(When("pk", "exists"),))


def claim_list(db: Database, issuer_id: str, list_id: str) -> ClaimList | None:
    """An announced file of disputes or None."""
    row = db.get(Table.CLEARING, keys.dispute_list(issuer_id, list_id))
    return ClaimList.load(row) if row else None


def list_create(made: ClaimList) -> Put:
    """An announced file of disputes."""
    return Put(Table.CLEARING, keys.dispute_list(made.issuer_id, made.list_id), made.dump())


def list_done(made: ClaimList) -> Put:
    """The result of a file that had none."""
    key = keys.dispute_list(made.issuer_id, made.list_id)
    return Put(Table.CLEARING, key, made.dump(), when=(When("state", "=", "PENDING"),))
