"""Rows of the endpoint: refused messages, sandbox CDRs, Locations and Tariffs, and what an eMSP may read."""

from __future__ import annotations

import calendar
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from roamclear.aws import keys, outbox
from roamclear.cdrs.model import Original, Receipt
from roamclear.kernel.context import Context, Database, Row
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.time import parse_instant, sort_instant
from roamclear.kernel.writes import ABSENT, Key, Put, Remove, Table, Update, When
from roamclear.ocpi.model import (
    ROW_LIMIT_BYTES,
    BenchMessage,
    Certificate,
    IngestEntry,
    InvoiceRecord,
    PullReport,
    StoredObject,
)

_SANDBOX_DAYS = 30


# ---- refused messages ----------------------------------------------------------------------------------------------
def log_refused(db: Database, entry: IngestEntry, body: bytes) -> None:
    """Keep a refused body byte for byte, the head row last; the same message at the same instant is one row."""
    packed = zlib.compress(body, 3)
    pieces = [packed[at : at + ROW_LIMIT_BYTES] for at in range(0, len(packed), ROW_LIMIT_BYTES)]
    key = keys.ingest_log(entry.issuer_id, entry.partner_id, entry.received_at_utc, entry.sha256)
    for number, piece in enumerate(pieces[1:], start=1):
        part = keys.ingest_part(key, number)
        db.write(Put(Table.INTAKE, part, {"issuer_id": entry.issuer_id, "raw": piece}, when=()))
    kept = entry.model_copy(update={"raw": pieces[0], "parts": len(pieces) - 1})
    db.write(Put(Table.INTAKE, key, {"kind": "INGEST", **kept.dump()}, when=()))


def refused(db: Database, issuer_id: str, partner_id: str, day: datetime) -> Iterator[IngestEntry]:
    """The refused messages of a partner on a UTC day, newest first."""
    pk = keys.ingest_log(issuer_id, partner_id, day, "").pk
    for row in db.rows(Table.INTAKE, pk, forward=False):
        yield IngestEntry.load(row)


def refused_body(db: Database, entry: IngestEntry) -> bytes:
    """The whole body of a refused message."""
    key = keys.ingest_log(entry.issuer_id, entry.partner_id, entry.received_at_utc, entry.sha256)
    rest = (
        [r["raw"] for r in db.rows(Table.INTAKE, keys.ingest_part(key, 0).pk, prefix=f"{key.sk}#")]
        if entry.parts
        else []
    )
    return zlib.decompress(b"".join([entry.raw, *rest]))


def refused_expired(db: Database, entry: IngestEntry) -> None:
    """A refused message without its body: what it was refused for stays, and the hash of its bytes."""
    key = keys.ingest_log(entry.issuer_id, entry.partner_id, entry.received_at_utc, entry.sha256)
    item = {"kind": "INGEST", **entry.dump()}
    db.write(Put(Table.INTAKE, key, item, when=(When("pk", "exists"),)))
    for row in list(db.rows(Table.INTAKE, keys.ingest_part(key, 0).pk, prefix=f"{key.sk}#")):
        db.write(Remove(Table.INTAKE, Key(row["pk"], row["sk"])))


# ---- sandbox -------------------------------------------------------------------------------------------------------
def sandbox_receive(ctx: Context, body: Original) -> Receipt:
    """A CDR of a sandbox credential: answered like a real one, seen by nobody else, forgotten after 30 days."""
    expires = calendar.timegm((ctx.now() + timedelta(days=_SANDBOX_DAYS)).utctimetuple())
    item = body.dump() | {"expires_at": expires}
    try:
        ctx.db.write(Put(Table.INTAKE, keys.sandbox_cdr(body.issuer_id, body.cdr_ref), item, when=ABSENT))
    except ConditionFailed as lost:
        same = lost.current is not None and lost.current.get("content_hash") == body.content_hash
        return Receipt.REPEAT if same else Receipt.CONFLICT
    return Receipt.NEW


def save_bench(ctx: Context, made: BenchMessage) -> None:
    """Keep a message for the bench for 30 days, and count its case for ever."""
    expires = calendar.timegm((ctx.now() + timedelta(days=_SANDBOX_DAYS)).utctimetuple())
    key = keys.bench_message(made.issuer_id, made.credential_id, made.received_at_utc, made.sha256)
    ctx.db.write(Put(Table.INTAKE, key, made.dump() | {"expires_at": expires}, when=()))
    cases = keys.bench_cases(made.issuer_id, made.credential_id)
    ctx.db.write(Update(Table.INTAKE, cases, put={"issuer_id": made.issuer_id}, add={f"c:{made.case}": 1}, when=()))


def bench_messages(db: Database, issuer_id: str, credential_id: str, limit: int) -> list[BenchMessage]:
    """The latest messages of a sandbox credential, newest first."""
    pk = keys.bench(issuer_id, credential_id)
    page = db.page(Table.INTAKE, pk, prefix="MESSAGE#", forward=False, limit=limit)
    return [BenchMessage.load(row) for row in page.rows]


def bench_cases(db: Database, issuer_id: str, credential_id: str) -> dict[str, int]:
    """How often a sandbox credential tried which case."""
    row = db.get(Table.INTAKE, keys.bench_cases(issuer_id, credential_id)) or {}
    return {name.removeprefix("c:"): int(count) for name, count in sorted(row.items()) if name.startswith("c:")}


def certificate(db: Database, issuer_id: str, credential_id: str, version: str, rule_set: str) -> Certificate | None:
    """A certificate or None."""
    row = db.get(Table.INTAKE, keys.certificate(issuer_id, credential_id, version, rule_set))
    return Certificate.load(row) if row else None


def certificates(db: Database, issuer_id: str, credential_id: str | None = None) -> Iterator[Certificate]:
    """The certificates of an issuer's partners, or of one credential."""
    prefix = f"{credential_id}#" if credential_id else None
    for row in db.rows(Table.INTAKE, keys.certificates(issuer_id), prefix=prefix):
        yield Certificate.load(row)


def certificate_put(made: Certificate) -> Put:
    """A certificate, once."""
    return Put(Table.INTAKE, _certificate_key(made), made.dump())


def certificate_drawn(known: Certificate, key: str) -> Update:
    """Where its paper lies."""
    there = (When("sha256", "=", known.sha256),)
    return Update(Table.INTAKE, _certificate_key(known), put={"pdf_key": key}, when=there)


def _certificate_key(one: Certificate) -> Key:
    return keys.certificate(one.issuer_id, one.credential_id, one.ocpi_version, one.rule_set)


def sandbox_original(db: Database, issuer_id: str, cdr_ref: str) -> Original | None:
    """A sandbox CDR or None."""
    row = db.get(Table.INTAKE, keys.sandbox_cdr(issuer_id, cdr_ref))
    return Original.load(row) if row else None


# ---- locations and tariffs -----------------------------------------------------------------------------------------
def location(db: Database, issuer_id: str, party: str, location_id: str) -> StoredObject | None:
    """A Location or None."""
    return _object(db.get(Table.INTAKE, keys.location(issuer_id, party, location_id)))


def tariff(db: Database, issuer_id: str, party: str, tariff_id: str) -> StoredObject | None:
    """A Tariff or None."""
    return _object(db.get(Table.INTAKE, keys.tariff(issuer_id, party, tariff_id)))


def save_location(db: Database, made: StoredObject) -> None:
    """Write a Location over exactly the revision that was read."""
    key = keys.location(made.issuer_id, made.party, made.object_id)
    db.write(Put(Table.INTAKE, key, {"kind": "LOCATION", **made.dump()}, when=_over(made)))


def save_tariff(db: Database, made: StoredObject) -> None:
    """Write a Tariff over exactly the revision that was read; a deleted one leaves the list."""
    key = keys.tariff(made.issuer_id, made.party, made.object_id)
    changed = sort_instant(made.last_updated_utc or made.received_at_utc)
    index = {
        "gsi1pk": keys.tariffs(made.issuer_id),
        "gsi1sk": f"{changed}#{made.party}*{made.object_id.upper()}",
    }
    item = {"kind": "TARIFF", **made.dump(), **({} if made.deleted else index)}
    db.write(Put(Table.INTAKE, key, item, when=_over(made)))


def tariff_keys(
    db: Database, issuer_id: str, *, after: str, before: str, limit: int | None = None
) -> list[tuple[str, Key]]:
    """(sort key, key) of the tariffs of an issuer between bounds, by their last change."""
    page = db.page(Table.INTAKE, keys.tariffs(issuer_id), index="gsi1", after=after, before=before, limit=limit)
    return [(row["gsi1sk"], Key(row["pk"], row["sk"])) for row in page.rows]


def tariff_count(db: Database, issuer_id: str, *, after: str, before: str) -> int:
    """How many tariffs lie between bounds."""
    return db.count(Table.INTAKE, keys.tariffs(issuer_id), index="gsi1", after=after, before=before)


def objects(db: Database, wanted: list[Key]) -> list[StoredObject]:
    """Rows by key in the order asked for."""
    found = db.get_many(Table.INTAKE, wanted)
    return [StoredObject.load(found[key]) for key in wanted if key in found]


def _object(row: Row | None) -> StoredObject | None:
    return StoredObject.load(row) if row else None


def _over(made: StoredObject) -> tuple[When, ...]:
    return ABSENT if made.revision == 1 else (When("revision", "=", made.revision - 1),)


# ---- what an eMSP may read -----------------------------------------------------------------------------------------
def visible(
    db: Database, issuer_id: str, party: str, *, after: str, before: str, limit: int | None = None
) -> list[str]:
    """Sort keys (instant#reference) of what an eMSP may read, from one text (inclusive) to another (exclusive)."""
    pk = keys.visible_to(issuer_id, party)
    if after >= before:
        return []
    if limit is not None:
        page = db.page(Table.CLEARING, pk, index="gsi1", after=after, before=before, limit=limit)
        if len(page.rows) >= limit or page.next is None:
            return [row["gsi1sk"] for row in page.rows][:limit]
    return [row["gsi1sk"] for row in db.rows(Table.CLEARING, pk, index="gsi1", after=after, before=before)][:limit]


def first_visible(db: Database, issuer_id: str, party: str) -> str | None:
    """The sort key of the first thing an eMSP could ever read."""
    page = db.page(Table.CLEARING, keys.visible_to(issuer_id, party), index="gsi1", limit=1)
    return str(page.rows[0]["gsi1sk"]) if page.rows else None


def count_visible(db: Database, issuer_id: str, party: str, *, after: str, before: str) -> int:
    """How many an eMSP may read between two texts; costs a read of their index rows."""
    if after >= before:
        return 0
    return db.count(Table.CLEARING, keys.visible_to(issuer_id, party), index="gsi1", after=after, before=before)


def counts(db: Database, issuer_id: str, party: str, *, first: str, last: str) -> dict[str, int]:
    """Stored counts of finished days (``2026-10-01``) or hours of a day (``2026-10-01T07``), both bounds inclusive."""
    pk = keys.day_count(issuer_id, party, first).pk
    rows = db.rows(Table.INTAKE, pk, after=first, before=last + "~")
    return {row["sk"]: int(row["count"]) for row in rows}


def save_count(db: Database, issuer_id: str, party: str, name: str, count: int) -> None:
    """Keep the count of a finished day or hour, once for ever."""
    row = Put(Table.INTAKE, keys.day_count(issuer_id, party, name), {"issuer_id": issuer_id, "count": count})
    try:
        db.write(row)
    except ConditionFailed:
        return


# ---- invoice reconciliation ----------------------------------------------------------------------------------------
def save_invoice_record(
    db: Database, made: InvoiceRecord, parties: tuple[str, ...], *, reader_is_cpo: bool = False
) -> bool:
    """Keep a record and list it for its readers, once for ever; False when it is there already."""
    pieces = [made.raw[at : at + ROW_LIMIT_BYTES] for at in range(0, len(made.raw), ROW_LIMIT_BYTES)]
    owner = {"issuer_id": made.issuer_id}
    for number, piece in enumerate(pieces[1:], start=1):
        part = keys.invoice_record_part(made.issuer_id, made.record_id, number)
        db.write(Put(Table.INTAKE, part, {**owner, "raw": piece}, when=()))
    head = {**made.dump(), "raw": pieces[0], "parts": len(pieces) - 1}
    listing = keys.purchase_record_listed if reader_is_cpo else keys.invoice_record_listed
    listed = [listing(made.issuer_id, party, made.made_at_utc, made.record_id) for party in parties]
    try:
        db.transact(
            [
                Put(Table.INTAKE, keys.invoice_record(made.issuer_id, made.record_id), head),
                *(Put(Table.INTAKE, key, owner) for key in listed),
            ]
        )
    except ConditionFailed:
        return False
    return True


def record_step(issuer_id: str, number: str, turn: int, at: datetime) -> Put:
    """The fact that asks for the next piece of the records of a document."""
    return outbox.fact(issuer_id, at, "invoice.record_step", f"{number}#{turn}", {"number": number})


def invoice_record_names(
    db: Database, issuer_id: str, party: str, *, after: str, before: str, is_cpo: bool = False
) -> list[str]:
    """``instant#record id`` of the records an eMSP, or a CPO we buy from, may read, between two texts, in order."""
    listed = (keys.purchase_records if is_cpo else keys.invoice_records)(issuer_id, party)
    rows = db.rows(Table.INTAKE, listed, after=f"R#{after}", before=f"R#{before}")
    return [str(row["sk"]).removeprefix("R#") for row in rows]


def invoice_record_body(db: Database, issuer_id: str, record_id: str) -> bytes:
    """The JSON of a record."""
    key = keys.invoice_record(issuer_id, record_id)
    row = db.get(Table.INTAKE, key) or {}
    rest = [r["raw"] for r in db.rows(Table.INTAKE, key.pk, prefix="PART#")] if row.get("parts") else []
    return zlib.decompress(b"".join([row["raw"], *rest]))


def received_record(db: Database, issuer_id: str, party: str, record_id: str) -> StoredObject | None:
    """A record that a self-billing eMSP sent, or None."""
    return _object(db.get(Table.INTAKE, keys.received_record(issuer_id, party, record_id)))


def received_records(db: Database, issuer_id: str, party: str) -> Iterator[StoredObject]:
    """All records of a self-billing eMSP, those it took back too."""
    for row in db.rows(Table.INTAKE, keys.received_records(issuer_id, party)):
        yield StoredObject.load(row)


def save_received_record(db: Database, made: StoredObject) -> None:
    """Write a record over exactly the revision that was read."""
    key = keys.received_record(made.issuer_id, made.party, made.object_id)
    db.write(Put(Table.INTAKE, key, {"kind": "RECEIVED_RECORD", **made.dump()}, when=_over(made)))


# ---- pulls ---------------------------------------------------------------------------------------------------------
def pull_mark(db: Database, issuer_id: str, partner_id: str, party: str) -> datetime | None:
    """Up to where a partner's Sender was read, or None before the first night."""
    row = db.get(Table.CLEARING, keys.pull_mark(issuer_id, partner_id, party))
    return parse_instant(row["until_utc"]) if row else None


def save_pull_mark(db: Database, issuer_id: str, partner_id: str, party: str, until: datetime) -> None:
    """Remember it; of two pulls at once either may be the last, both are true."""
    item = {"issuer_id": issuer_id, "until_utc": sort_instant(until)}
    db.write(Put(Table.CLEARING, keys.pull_mark(issuer_id, partner_id, party), item, when=()))


def save_pull(db: Database, made: PullReport) -> None:
    """The report of a night; a second pull of the night adds to it."""
    sums = {n: getattr(made, n) for n in ("pages", "seen", "pulled_only", "mismatched", "refused")}
    known = {n: getattr(made, n) for n in ("pushed", "pulled_before")}
    told = {name: value for name, value in made.dump().items() if name not in sums}
    key = keys.pull(made.issuer_id, made.night, made.partner_id, made.party)
    db.write(Update(Table.CLEARING, key, put=told | known, add=sums, when=()))


def pull_reports(db: Database, issuer_id: str, *, after: str, before: str) -> Iterator[PullReport]:
    """The reports between two days (the second exclusive), newest first."""
    for row in db.rows(Table.CLEARING, keys.pulls(issuer_id), after=after, before=before, forward=False):
        yield PullReport.load(row)
