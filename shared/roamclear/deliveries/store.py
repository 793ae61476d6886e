"""Rows of mails by message id, of what was reported of them, and of the logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from roamclear.aws import keys, outbox
from roamclear.deliveries.model import Entry, Failure, Mail
from roamclear.kernel.context import Database, Row
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Put, Remove, Table, When


def mail_put(made: Mail) -> Put:
    """Keep a mail by its message id."""
    return Put(Table.CLEARING, keys.mail(made.message_id), made.dump(), when=())


def mail(db: Database, message_id: str) -> Mail | None:
    """The mail of a message id or None."""
    row = db.get(Table.CLEARING, keys.mail(message_id))
    return Mail.load(row) if row else None


def failure_put(told: Failure) -> Put:
    """Keep a report beside its mail, whether the mail is known yet or not; the same report again is the same."""
    item = {"issuer_id": keys.PLATFORM, **told.dump()}
    return Put(Table.CLEARING, keys.mail_failure(told.message_id, told.event_id), item, when=())


def failures(db: Database, message_id: str) -> list[Failure]:
    """Everything reported of a message."""
    rows = db.rows(Table.CLEARING, keys.mail(message_id).pk, prefix="FAILURE#", consistent=True)
    return [Failure.load(row) for row in rows]


def entry_put(made: Entry) -> Put:
    """A line of a log, once."""
    return Put(Table.CLEARING, keys.delivery_entry(made.issuer_id, made.subject, made.entry_id), made.dump())


def entries(db: Database, issuer_id: str, subject: str) -> list[Entry]:
    """A log in the order of its instants."""
    pk = keys.delivery_entry(issuer_id, subject, "").pk
    found = [Entry.load(row) for row in db.rows(Table.CLEARING, pk, consistent=True)]
    return sorted(found, key=lambda entry: (entry.at_utc, entry.entry_id))


def fact(of: Mail, name: str, subject: str, **payload: Any) -> Put:
    """A mail's fact for the higher rooms."""
    told = {"message_id": of.message_id, "kind": of.kind, "subject": of.subject, **payload}
    return outbox.fact(of.issuer_id, of.at_utc, name, subject, told)


def handed_over(db: Database, issuer_id: str, business_key: str) -> Row | None:
    """What was recorded of a mail's hand-over, or None."""
    return db.get(Table.CLEARING, keys.delivery(issuer_id, business_key))


def handed_over_put(issuer_id: str, business_key: str, item: Row) -> Put:
    """Record a hand-over; the same one again is the same."""
    return Put(Table.CLEARING, keys.delivery(issuer_id, business_key), {"issuer_id": issuer_id, **item}, when=())


def claim(db: Database, issuer_id: str, business_key: str) -> Row | None:
    """Who hands a mail over, and since when, or None."""
    return db.get(Table.CLEARING, keys.delivery_claim(issuer_id, business_key))


def claim_put(issuer_id: str, business_key: str, by: str, at: datetime, over: Row | None) -> Put:
    """Take a mail that nobody has, or over exactly the claim that was read."""
    item = {"issuer_id": issuer_id, "by": by, "at_utc": sort_instant(at)}
    when = (When("by", "=", over["by"]), When("at_utc", "=", over["at_utc"])) if over else ABSENT
    return Put(Table.CLEARING, keys.delivery_claim(issuer_id, business_key), item, when=when)


def claim_gone(issuer_id: str, business_key: str) -> Remove:
    """Nobody has the mail any more."""
    return Remove(Table.CLEARING, keys.delivery_claim(issuer_id, business_key))
