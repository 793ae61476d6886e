"""Rows of shares, payouts, batches, and the counter of self-billed documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from roamclear.aws import keys, outbox
from roamclear.kernel.context import Database
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.pages import Asked, Cut, Span, cut
from roamclear.kernel.writes import ABSENT, Action, Key, Put, Remove, Table, Update, When
from roamclear.payouts.model import (
    Accrual,
    Balance,
    Batch,
    Counter,
    Parked,
    Payout,
    PayoutStatus,
    Progress,
    ShareLine,
)

#: The row that remembers how far the sessions of a run were taken, beside the accruals of the accounts.
_PROGRESS = "@"
#: Stands for any instant where only the partition of a key is wanted.
_ANY = datetime(1970, 1, 1, tzinfo=UTC)


def put_once(db: Database, put: Put) -> bool:
    """Write a row that is written once for ever; False when it stands there already."""
    try:
        db.write(put)
    except ConditionFailed:
        return False
    return True


def fact(issuer_id: str, at: datetime, name: str, subject: str, payload: dict[str, Any]) -> Put:
    """A fact for whoever listens."""
    return outbox.fact(issuer_id, at, name, subject, payload)


# ---- shares --------------------------------------------------------------------------------------------------------
def line_put(line: ShareLine, group: str) -> Put:
    """A session's share: one put, no index."""
    key = keys.accrued(line.issuer_id, line.account_id, group, line.stop_utc, line.cdr_ref)
    return Put(Table.CLEARING, key, line.dump(), when=ABSENT)


def lines(db: Database, issuer_id: str, account_id: str, group: str) -> Iterator[ShareLine]:
    """The lines of a group, in order of their stop."""
    pk = keys.accrued(issuer_id, account_id, group, _ANY, "").pk
    for row in db.rows(Table.CLEARING, pk, consistent=True):
        yield ShareLine.load(row)


def lines_page(db: Database, of: Payout, asked: Asked) -> Cut[ShareLine]:
    """A page of the lines of a payout, group by group in the order of their stop."""
    spans = [
        Span(keys.accrued(of.issuer_id, of.account_id, group, _ANY, "").pk, label=f"{place:06d}")
        for place, group in enumerate(of.groups)
    ]
    return cut(db, Table.CLEARING, spans, asked, ShareLine.load)


def line(db: Database, issuer_id: str, account_id: str, group: str, stop: datetime, cdr_ref: str) -> ShareLine | None:
    """One line or None."""
    row = db.get(Table.CLEARING, keys.accrued(issuer_id, account_id, group, stop, cdr_ref))
    return ShareLine.load(row) if row else None


def line_moved(known: ShareLine, group: str, to: datetime, alias: str | None) -> list[Action]:
    """The same share under another instant of its stop, at a pseudonym of its EVSE."""
    old = keys.accrued(known.issuer_id, known.account_id, group, known.stop_utc, known.cdr_ref)
    made = known.model_copy(update={"stop_utc": to, "evse_id": alias})
    return [Remove(Table.CLEARING, old, when=(When("pk", "exists"),)), line_put(made, group)]


def parked_moved(known: Parked, to: datetime, alias: str | None) -> list[Action]:
    """The same parked share under another instant of its stop, at a pseudonym of its EVSE."""
    old = keys.parked(known.issuer_id, known.stop_utc, known.cdr_ref)
    made = known.model_copy(update={"stop_utc": to, "evse_id": alias})
    return [Remove(Table.CLEARING, old, when=(When("pk", "exists"),)), parked_put(made)]


def accrual_put(made: Accrual) -> Put:
    """The sum of a group; from then on a payout may claim it."""
    return Put(Table.CLEARING, keys.accrual(made.issuer_id, made.account_id, made.group), made.dump(), when=ABSENT)


def accrual(db: Database, issuer_id: str, account_id: str, group: str) -> Accrual | None:
    """One group or None."""
    row = db.get(Table.CLEARING, keys.accrual(issuer_id, account_id, group))
    return Accrual.load(row) if row else None


def accruals(db: Database, issuer_id: str, account_id: str) -> list[Accrual]:
    """All groups of an account."""
    pk = keys.accrual(issuer_id, account_id, "").pk
    return [Accrual.load(row) for row in db.rows(Table.CLEARING, pk, consistent=True)]


def claim(made: Accrual, payout_id: str) -> Update:
    """A payout takes a group; a group is taken once."""
    key = keys.accrual(made.issuer_id, made.account_id, made.group)
    return Update(
        Table.CLEARING, key, put={"payout_id": payout_id}, when=(When("pk", "exists"), When("payout_id", "absent"))
    )


def progress(db: Database, issuer_id: str, run_id: str) -> int:
    """How many sessions of a run, in order, have their line for sure."""
    row = db.get(Table.CLEARING, keys.accrual(issuer_id, _PROGRESS, run_id))
    return int(row["done"]) if row else 0


def progress_put(issuer_id: str, run_id: str, done: int) -> Put:
    """Remember how far the lines are; going back is harmless."""
    item = {"issuer_id": issuer_id, "run_id": run_id, "done": done}
    return Put(Table.CLEARING, keys.accrual(issuer_id, _PROGRESS, run_id), item, when=())


def place(db: Database, issuer_id: str, run_id: str) -> Progress:
    """How far the lines of a run are, with the place to go on from."""
    row = db.get(Table.CLEARING, keys.accrual(issuer_id, _PROGRESS, run_id))
    # A row without a place was left by a pass over the whole run: the pieces begin anew, which only costs time.
    return Progress.load(row) if row and "over" in row else Progress()


def place_writes(issuer_id: str, run_id: str, made: Progress, read: Progress, at: datetime) -> list[Action]:
    """Go on from exactly the place that was read, and ask for the next piece."""
    when = (When("turn", "=", read.turn),) if read.turn else (When("turn", "absent"),)
    item = {"issuer_id": issuer_id, "run_id": run_id, **made.model_copy(update={"turn": read.turn + 1}).dump()}
    return [
        Put(Table.CLEARING, keys.accrual(issuer_id, _PROGRESS, run_id), item, when=when),
        outbox.fact(issuer_id, at, "payouts.accrual_step", f"{run_id}#{read.turn + 1}", {"run_id": run_id}),
    ]


def parked_put(made: Parked) -> Put:
    """A share without an account."""
    return Put(Table.CLEARING, keys.parked(made.issuer_id, made.stop_utc, made.cdr_ref), made.dump(), when=ABSENT)


def parked_taken(made: Parked, account_id: str) -> Update:
    """A parked share found its account, once; the row stays, so that the run cannot park it again."""
    key = keys.parked(made.issuer_id, made.stop_utc, made.cdr_ref)
    when = (When("pk", "exists"), When("account_id", "absent"))
    return Update(Table.CLEARING, key, put={"account_id": account_id}, when=when)


def parked_row(db: Database, issuer_id: str, stop: datetime, cdr_ref: str) -> Parked | None:
    """One share that is or was parked, or None."""
    row = db.get(Table.CLEARING, keys.parked(issuer_id, stop, cdr_ref))
    return Parked.load(row) if row else None


def parked_rows(db: Database, issuer_id: str) -> Iterator[Parked]:
    """Every share that is or was parked."""
    for row in db.rows(Table.CLEARING, keys.parked(issuer_id, _ANY, "").pk, consistent=True):
        yield Parked.load(row)


# ---- payouts -------------------------------------------------------------------------------------------------------
def balance(db: Database, issuer_id: str, account_id: str, currency: str) -> Balance | None:
    """What an account carries in a currency, or None before its first payout."""
    row = db.get(Table.CLEARING, keys.payout_balance(issuer_id, account_id, currency))
    return Balance.load(row) if row else None


def balances(db: Database, issuer_id: str) -> list[Balance]:
    """All balances of an issuer."""
    pk = keys.payout_balance(issuer_id, "", "").pk
    return [Balance.load(row) for row in db.rows(Table.CLEARING, pk, consistent=True)]


def balance_put(made: Balance, known: Balance | None) -> Put:
    """The next balance over exactly the one that was read."""
    item = made.model_copy(update={"changed": known.changed + 1 if known else 0}).dump()
    when = (When("changed", "=", known.changed),) if known else ABSENT
    return Put(Table.CLEARING, keys.payout_balance(made.issuer_id, made.account_id, made.currency), item, when=when)


def payout(db: Database, issuer_id: str, payout_id: str) -> Payout | None:
    """One payout or None."""
    row = db.get(Table.CLEARING, keys.payout(issuer_id, payout_id))
    return Payout.load(row) if row else None


def payouts_by(db: Database, issuer_id: str, ids: Iterable[str]) -> dict[str, Payout]:
    """Payouts by id, those that exist."""
    rows = db.get_many(Table.CLEARING, [keys.payout(issuer_id, each) for each in ids])
    return {row["payout_id"]: Payout.load(row) for row in rows.values()}


def payout_put(made: Payout, known: Payout | None) -> Put:
    """A new payout, or its next state over exactly the one that was read."""
    item = made.model_copy(update={"changed": known.changed + 1 if known else 0}).dump()
    item |= {"gsi1pk": keys.payouts(made.issuer_id), "gsi1sk": f"{made.issue_date.isoformat()}#{made.payout_id}"}
    if made.state is PayoutStatus.READY and made.batch_id is None:
        item |= {"gsi2pk": keys.payable(made.issuer_id), "gsi2sk": item["gsi1sk"]}
    if made.statement_key is None or made.mailed_at_utc is None:
        item |= {"gsi3pk": keys.unfinished_payouts(made.issuer_id), "gsi3sk": item["gsi1sk"]}
    when = (When("changed", "=", known.changed),) if known else ABSENT
    return Put(Table.CLEARING, keys.payout(made.issuer_id, made.payout_id), item, when=when)


def payouts(db: Database, issuer_id: str) -> list[Payout]:
    """All payouts of an issuer, by date and number."""
    return _load(db, db.rows(Table.CLEARING, keys.payouts(issuer_id), index="gsi1"))


def payouts_page(db: Database, issuer_id: str, asked: Asked, fits: Callable[[Payout], bool]) -> Cut[Payout]:
    """A page of the payouts of an issuer that fit, by date and number."""
    span = Span(keys.payouts(issuer_id), "gsi1")
    return cut(db, Table.CLEARING, [span], asked, lambda row: found if fits(found := Payout.load(row)) else None)


def payouts_by_id(db: Database, issuer_id: str, ids: Iterable[str]) -> dict[str, Payout]:
    """Payouts by id."""
    rows = db.get_many(Table.CLEARING, [keys.payout(issuer_id, each) for each in ids])
    return {row["payout_id"]: Payout.load(row) for row in rows.values()}


def payable(db: Database, issuer_id: str) -> list[Payout]:
    """Payouts that are READY and in no batch."""
    found = _load(db, db.rows(Table.CLEARING, keys.payable(issuer_id), index="gsi2"))
    return [each for each in found if each.state is PayoutStatus.READY and each.batch_id is None]


def unfinished(db: Database, issuer_id: str) -> list[Payout]:
    """Payouts whose statement is not drawn or not mailed yet."""
    return _load(db, db.rows(Table.CLEARING, keys.unfinished_payouts(issuer_id), index="gsi3"))


def _load(db: Database, rows: Iterable[dict[str, Any]]) -> list[Payout]:
    found = [Key(row["pk"], row["sk"]) for row in rows]
    known = db.get_many(Table.CLEARING, found)
    return [Payout.load(known[key]) for key in found if key in known]


def end_to_end_put(
    issuer_id: str, end_to_end_id: str, *, payout_id: str | None = None, batch_id: str | None = None
) -> Put:
    """The way back from what a bank statement names (EndToEndId, PmtInfId) to our payment."""
    item = {"issuer_id": issuer_id, "payout_id": payout_id, "batch_id": batch_id}
    return Put(Table.CLEARING, keys.end_to_end(issuer_id, end_to_end_id), item, when=())


def end_to_end(db: Database, issuer_id: str, end_to_end_id: str) -> tuple[str | None, str | None]:
    """(payout, batch) behind a reference; both None where it is not ours."""
    row = db.get(Table.CLEARING, keys.end_to_end(issuer_id, end_to_end_id)) or {}
    return row.get("payout_id"), row.get("batch_id")


# ---- self-billed numbers -------------------------------------------------------------------------------------------
def counter(db: Database, issuer_id: str, series: str) -> Counter | None:
    """The state of a series or None before its first document."""
    row = db.get(Table.CLEARING, keys.counter(issuer_id, series))
    return Counter.load(row) if row else None


def counter_write(issuer_id: str, series: str, known: Counter | None, made: Counter) -> Action:
    """Take the next number; refused if another document took it or has a later date (rules.md 7)."""
    key = keys.counter(issuer_id, series)
    if known is None:
        return Put(Table.CLEARING, key, {"issuer_id": issuer_id, **made.dump()}, when=ABSENT)
    when = (When("last", "=", known.last), When("last_date", "<=", made.last_date.isoformat()))
    return Update(Table.CLEARING, key, put=made.dump(), when=when)


# ---- batches -------------------------------------------------------------------------------------------------------
def batch(db: Database, issuer_id: str, batch_id: str) -> Batch | None:
    """One batch or None."""
    row = db.get(Table.CLEARING, keys.batch(issuer_id, batch_id))
    return Batch.load(row) if row else None


def batch_put(made: Batch, known: Batch | None) -> Put:
    """A new batch, or its next state over exactly the one that was read."""
    item = made.model_copy(update={"changed": known.changed + 1 if known else 0}).dump()
    item |= {"gsi1pk": keys.batches(made.issuer_id), "gsi1sk": made.batch_id}
    when = (When("changed", "=", known.changed),) if known else ABSENT
    return Put(Table.CLEARING, keys.batch(made.issuer_id, made.batch_id), item, when=when)


def batches_page(db: Database, issuer_id: str, asked: Asked) -> Cut[Batch]:
    """A page of the batches of an issuer, oldest first."""
    return cut(db, Table.CLEARING, [Span(keys.batches(issuer_id), "gsi1")], asked, Batch.load)


def batches(db: Database, issuer_id: str) -> list[Batch]:
    """All batches of an issuer, oldest first."""
    found = [Key(row["pk"], row["sk"]) for row in db.rows(Table.CLEARING, keys.batches(issuer_id), index="gsi1")]
    rows = db.get_many(Table.CLEARING, found)
    return [Batch.load(rows[key]) for key in found if key in rows]
