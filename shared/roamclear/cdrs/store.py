"""Rows of the intake table (bodies, written once) and of sessions."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from roamclear.aws import keys, outbox
from roamclear.cdrs.model import BEFORE_AUTO_FROM, WAITING, Adjusted, Billing, Original, Rating, Session, waits
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Database, Row
from roamclear.kernel.pages import Asked, Cut, Span, cut
from roamclear.kernel.record import plain
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import ABSENT, Check, Put, Table, Update, When

#: A session of more days than this is on hold for its length anyway.
_MOST_DAYS = 31
_PIECE_BYTES = 350_000
#: What a session is to receivers (product.md J.4); a member of an open run is a verified one.
_TOLD = {
    Billing.VERIFIED: "cdr.verified",
    Billing.IN_WINDOW: "cdr.verified",
    Billing.ON_HOLD: "cdr.held",
    Billing.NOT_RATED: "cdr.held",
    Billing.INVALIDATED: "cdr.invalidated",
    Billing.CREDITED: "cdr.credited",
}


# ---- bodies --------------------------------------------------------------------------------------------------------
def part_puts(original: Original) -> list[Put]:
    """What a row cannot hold of a body (a row ends at 400 KB); written before the body itself, again harmlessly."""
    made = []
    for number, piece in enumerate(_pieces(original)[1:], start=1):
        key = keys.cdr_part(original.issuer_id, original.cdr_ref, original.sha256, number)
        made.append(Put(Table.INTAKE, key, {"issuer_id": original.issuer_id, "raw": piece}, when=()))
    return made


def original_put(original: Original) -> Put:
    """The one write of the intake; refused where the id is known."""
    index = {
        "gsi1pk": keys.received(original.issuer_id, original.received_at_utc),
        "gsi1sk": f"{sort_instant(original.received_at_utc)}#{original.cdr_ref}",
    }
    return Put(Table.INTAKE, keys.cdr_original(original.issuer_id, original.cdr_ref), _head(original) | index)


def conflict_put(original: Original) -> Put:
    """A differing body under a known id, kept byte for byte."""
    key = keys.cdr_conflict(original.issuer_id, original.cdr_ref, original.sha256)
    return Put(Table.INTAKE, key, _head(original), when=())


def original(db: Database, issuer_id: str, cdr_ref: str) -> Original | None:
    """The body of a CDR or None."""
    row = db.get(Table.INTAKE, keys.cdr_original(issuer_id, cdr_ref))
    return _whole(db, row) if row else None


def originals(db: Database, issuer_id: str, refs: Iterable[str]) -> dict[str, Original]:
    """Bodies by reference."""
    rows = db.get_many(Table.INTAKE, [keys.cdr_original(issuer_id, ref) for ref in refs], consistent=False)
    return {row["cdr_ref"]: _whole(db, row) for row in rows.values()}


def _pieces(original: Original) -> list[bytes]:
    size = _PIECE_BYTES
    return [original.raw[at : at + size] for at in range(0, len(original.raw), size)] or [b""]


def _head(original: Original) -> Row:
    pieces = _pieces(original)
    if len(pieces) == 1:
        return original.dump()
    return original.dump() | {"raw": pieces[0], "parts": len(pieces) - 1}


def _whole(db: Database, row: Row) -> Original:
    if "parts" not in row:
        return Original.load(row)
    first = keys.cdr_part(row["issuer_id"], row["cdr_ref"], row["sha256"], 1)
    prefix = first.sk.removesuffix("001")
    rest = [part["raw"] for part in db.rows(Table.INTAKE, first.pk, prefix=prefix, consistent=True)]
    return Original.load(row | {"raw": b"".join([row["raw"], *rest])})


def received(db: Database, issuer_id: str, day: datetime, *, before: datetime) -> Iterator[str]:
    """References of the bodies received on a UTC day and before an instant."""
    pk = keys.received(issuer_id, day)
    for row in db.rows(Table.INTAKE, pk, index="gsi1", before=sort_instant(before)):
        yield row["gsi1sk"].split("#", 1)[1]


def received_between(db: Database, issuer_id: str, since: datetime, before: datetime) -> Iterator[tuple[str, datetime]]:
    """Reference and instant of the bodies received on the UTC day of an instant, from it on and before another."""
    pk, first = keys.received(issuer_id, since), sort_instant(since)
    for row in db.rows(Table.INTAKE, pk, index="gsi1", after=first, before=sort_instant(before)):
        instant, _, ref = row["gsi1sk"].partition("#")
        yield ref, datetime.fromisoformat(instant)


def swept_until(db: Database, issuer_id: str) -> datetime | None:
    """The instant from which the sweep looks for bodies without a session, or None before the first sweep."""
    row = db.get(Table.CLEARING, keys.sweep_mark(issuer_id))
    return datetime.fromisoformat(row["until_utc"]) if row else None


def swept_put(issuer_id: str, until: datetime) -> Put:
    """Remember it; of two sweeps either may be the last, both are true."""
    item = {"issuer_id": issuer_id, "until_utc": sort_instant(until)}
    return Put(Table.CLEARING, keys.sweep_mark(issuer_id), item, when=())


# ---- sessions ------------------------------------------------------------------------------------------------------
def session(db: Database, issuer_id: str, cdr_ref: str) -> Session | None:
    """One session or None."""
    row = db.get(Table.CLEARING, keys.session(issuer_id, cdr_ref))
    return _session(row) if row else None


def sessions(db: Database, issuer_id: str, refs: Iterable[str], *, consistent: bool = True) -> dict[str, Session]:
    """Sessions by reference."""
    rows = db.get_many(Table.CLEARING, [keys.session(issuer_id, ref) for ref in refs], consistent=consistent)
    return {row["cdr_ref"]: _session(row) for row in rows.values()}


def create(made: Session) -> Put:
    """The first row of a session."""
    return Put(Table.CLEARING, keys.session(made.issuer_id, made.cdr_ref), _item(made), when=ABSENT)


def replace(made: Session, read: Session) -> Put:
    """The next state of a session over exactly the one that was read."""
    return Put(
        Table.CLEARING,
        keys.session(made.issuer_id, made.cdr_ref),
        _item(made.model_copy(update={"changed": read.changed + 1})),
        when=(When("changed", "=", read.changed),),
    )


def moved(made: Session, known: Session, at: datetime) -> list[Put]:
    """The fact of a change that receivers hear of: another state, other reasons of a hold, another price.

    It stands in the transaction of ``replace``, so it is told if and only if the change happened. ``change`` counts the
    states of the session: their order, whatever the clocks of two workers say. Rows of ours are no CDRs.
    """
    kind = _TOLD.get(made.billing)
    if kind is None or made.origin is not None or _heard(made) == _heard(known):
        return []
    change = known.changed + 1
    told = of_cdr(made) | {"kind": kind, "change": change}
    return [outbox.fact(made.issuer_id, at, "cdr.moved", f"{made.cdr_ref}#{change}", told)]


def of_cdr(made: Session) -> Row:
    """What receivers are told of a session."""
    told: Row = {"cdr_ref": made.cdr_ref, "contract_id": made.contract_id, "party": made.party}
    if made.billing in WAITING or made.billing in (Billing.INVALIDATED, Billing.CREDITED):
        return told | {"reasons": list(made.reasons)}
    return told | ({"net": plain(made.net)} if made.net is not None else {})


def _heard(made: Session) -> tuple[object, ...]:
    """What a receiver would tell two states apart by."""
    kind = _TOLD.get(made.billing)
    priced = made.rating_version if kind == "cdr.verified" else 0
    return kind, made.reasons if kind == "cdr.held" else (), priced


def index_columns(made: Session) -> dict[str, str | None]:
    """The index columns that follow from a session's state; None takes the session off an index."""
    queued = (made.billing is Billing.VERIFIED or waits(made)) and made.run_id is None
    reason = made.reasons[0] if made.reasons else ""
    return {
        "gsi1pk": keys.visible_to(made.issuer_id, made.emsp_party) if made.available_at_utc else None,
        "gsi1sk": f"{sort_instant(made.available_at_utc)}#{made.cdr_ref}" if made.available_at_utc else None,
        "gsi2pk": keys.unbilled(made.issuer_id, made.contract_id or "-") if queued else None,
        "gsi2sk": f"{made.billing.value}#{reason}#{sort_instant(made.stop_utc)}#{made.cdr_ref}" if queued else None,
        "gsi3pk": keys.by_evse(made.issuer_id, made.evse_id) if made.evse_id else None,
        "gsi3sk": f"{sort_instant(made.start_utc)}#{made.cdr_ref}" if made.evse_id else None,
    }


def unbilled_refs(
    db: Database, issuer_id: str, contract_id: str | None, billing: Billing, *, stop_before: datetime | None = None
) -> Iterator[str]:
    """References of sessions in no run, by contract and state; verified ones in order of their stop."""
    pk = keys.unbilled(issuer_id, contract_id or "-")
    if billing is Billing.VERIFIED and stop_before is not None:
        rows: Iterable[Row] = db.rows(
            Table.CLEARING, pk, index="gsi2", after="VERIFIED##", before=f"VERIFIED##{sort_instant(stop_before)}"
        )
    else:
        rows = db.rows(Table.CLEARING, pk, index="gsi2", prefix=f"{billing.value}#")
    for row in rows:
        yield row["pk"].split("#CDR#", 1)[1]


def out_of_scope_since(db: Database, issuer_id: str, contract_id: str, since: datetime | None) -> Iterator[str]:
    """References of a contract's sessions that stopped before it was cleared here, from an instant of stop on."""
    first = f"{Billing.OUT_OF_SCOPE.value}#{BEFORE_AUTO_FROM}#"
    pk, last = keys.unbilled(issuer_id, contract_id), f"{first[:-1]}$"
    after = f"{first}{sort_instant(since)}" if since else first
    for row in db.rows(Table.CLEARING, pk, index="gsi2", after=after, before=last):
        yield row["pk"].split("#CDR#", 1)[1]


def unbilled_page(
    db: Database, issuer_id: str, contract_id: str | None, billing: Billing, asked: Asked, route: str | None
) -> Cut[Session]:
    """A page of the sessions in no run, by contract and state, in the order of reason and stop."""
    # "$" stands behind "#" in the order of characters.
    pk, first, last = keys.unbilled(issuer_id, contract_id or "-"), f"{billing.value}#", f"{billing.value}$"

    def load(row: Row) -> Session | None:
        found = _session(row)
        return found if found.billing is billing and route in (None, found.route) else None

    return cut(db, Table.CLEARING, [Span(pk, "gsi2", first, last)], asked, load)


def refs_of_evse(db: Database, issuer_id: str, evse_id: str, since: datetime) -> Iterator[str]:
    """References of the sessions of an EVSE that started since an instant, in order of their start."""
    pk = keys.by_evse(issuer_id, evse_id)
    for row in db.rows(Table.CLEARING, pk, index="gsi3", after=sort_instant(since)):
        yield row["pk"].split("#CDR#", 1)[1]


def visible_between(db: Database, issuer_id: str, party: str, after: str, before: str) -> Iterator[tuple[str, str]]:
    """(sort key, reference) of an eMSP's sessions between two positions of the order in which they became visible."""
    for row in db.rows(Table.CLEARING, keys.visible_to(issuer_id, party), index="gsi1", after=after, before=before):
        yield row["gsi1sk"], row["pk"].split("#CDR#", 1)[1]


def at_evse_between(db: Database, issuer_id: str, evse_id: str, after: str, before: str) -> Iterator[tuple[str, str]]:
    """(sort key, reference) of the sessions of an EVSE between two positions of the order of their start."""
    for row in db.rows(Table.CLEARING, keys.by_evse(issuer_id, evse_id), index="gsi3", after=after, before=before):
        yield row["gsi3sk"], row["pk"].split("#CDR#", 1)[1]


def waiting_after(
    db: Database, issuer_id: str, contract_id: str, billing: Billing, after: str
) -> Iterator[tuple[str, str]]:
    """(sort key, reference) of a contract's sessions that wait in a state, behind a position."""
    first, last = f"{billing.value}#", f"{billing.value}$"  # $ follows # in the order of characters
    pk = keys.unbilled(issuer_id, contract_id)
    for row in db.rows(Table.CLEARING, pk, index="gsi2", after=max(first, after), before=last):
        yield row["gsi2sk"], row["pk"].split("#CDR#", 1)[1]


# ---- ratings -------------------------------------------------------------------------------------------------------
def rating_put(made: Rating) -> Put:
    """One rating of a session; never changed."""
    return Put(Table.CLEARING, keys.rating_version(made.issuer_id, made.cdr_ref, made.version), made.dump())


def rating(db: Database, issuer_id: str, cdr_ref: str, version: int) -> Rating | None:
    """One rating or None."""
    row = db.get(Table.CLEARING, keys.rating_version(issuer_id, cdr_ref, version))
    return Rating.load(row) if row else None


def ratings(db: Database, issuer_id: str, wanted: Iterable[tuple[str, int]]) -> dict[str, Rating]:
    """Ratings by reference, one version each."""
    found = db.get_many(
        Table.CLEARING, [keys.rating_version(issuer_id, ref, version) for ref, version in wanted], consistent=False
    )
    return {row["cdr_ref"]: Rating.load(row) for row in found.values()}


# ---- corrections ---------------------------------------------------------------------------------------------------
def adjusted(db: Database, issuer_id: str, cdr_ref: str) -> Adjusted:
    """What was corrected of a session so far."""
    row = db.get(Table.CLEARING, keys.adjusted(issuer_id, cdr_ref))
    return Adjusted.load(row) if row else Adjusted(issuer_id=issuer_id, cdr_ref=cdr_ref)


def adjusted_many(db: Database, issuer_id: str, refs: Iterable[str]) -> dict[str, Adjusted]:
    """What was corrected of many sessions, by reference; those never corrected are left out."""
    found = db.get_many(Table.CLEARING, [keys.adjusted(issuer_id, ref) for ref in refs])
    return {row["cdr_ref"]: Adjusted.load(row) for row in found.values()}


def adjusted_put(made: Adjusted, read: Adjusted) -> Put:
    """The next sum of a session's corrections over exactly the one that was read."""
    item = made.model_copy(update={"changed": read.changed + 1}).dump()
    when = (When("changed", "=", read.changed),) if read.changed else ABSENT
    return Put(Table.CLEARING, keys.adjusted(made.issuer_id, made.cdr_ref), item, when=when)


def fact(made: Session, at: datetime, name: str) -> Put:
    """A session's fact for the higher rooms; ``credited`` is the CDR that a credit takes back."""
    payload = {"cdr_ref": made.cdr_ref, "contract_id": made.contract_id, "credited": made.credit_of}
    return outbox.fact(made.issuer_id, at, name, made.cdr_ref, payload)


def left_behind(issuer_id: str, cdr_ref: str, day: datetime) -> Put:
    """The fact that the stream left a body of a UTC day behind; who hears of CDRs is told by its consumer."""
    at = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return outbox.fact(issuer_id, at, "cdr.left_behind", cdr_ref, {"cdr_ref": cdr_ref})


# ---- claims --------------------------------------------------------------------------------------------------------
def claim_put(issuer_id: str, kind: str, value: str, owner: str) -> Put:
    """Own a thing that only one CDR may own."""
    return Put(Table.CLEARING, keys.claim(issuer_id, kind, value), {"issuer_id": issuer_id, "owner": owner})


def claim_takeover(issuer_id: str, kind: str, value: str, owner: str, before: str) -> Update:
    """Take a claim over from the CDR that was credited."""
    key = keys.claim(issuer_id, kind, value)
    return Update(Table.CLEARING, key, put={"owner": owner}, when=(When("owner", "=", before),))


def claim_owner(db: Database, issuer_id: str, kind: str, value: str) -> str | None:
    """Who owns a thing, or None."""
    row = db.get(Table.CLEARING, keys.claim(issuer_id, kind, value))
    return str(row["owner"]) if row else None


def await_original(issuer_id: str, cdr_ref: str, credit_ref: str) -> Update:
    """Note that a credit waits for a CDR that has not come yet; again is harmless."""
    key = keys.claim(issuer_id, "AWAITED", cdr_ref)
    return Update(Table.CLEARING, key, put={"issuer_id": issuer_id, f"c:{credit_ref}": True}, when=())


def awaiting(db: Database, issuer_id: str, cdr_ref: str) -> list[str]:
    """References of the credits that waited for a CDR, in order."""
    row = db.get(Table.CLEARING, keys.claim(issuer_id, "AWAITED", cdr_ref)) or {}
    return sorted(name.removeprefix("c:") for name in row if name.startswith("c:"))


def late_consent_put(issuer_id: str, cdr_ref: str, side: str, actor_id: str) -> Put:
    """One side's consent to a late session; given once."""
    return claim_put(issuer_id, f"LATE_{side}", cdr_ref, actor_id)


def late_consents(db: Database, issuer_id: str, cdr_ref: str) -> set[str]:
    """The sides that agreed to bill a late session."""
    return {side for side in ("CPO", "EMSP") if claim_owner(db, issuer_id, f"LATE_{side}", cdr_ref)}


def occupy(db: Database, made: Session, kind: str, subject: str) -> dict[str, tuple[str, str, str]]:
    """Note that a CDR used a connector or token, and read in the same step who else did on those days.

    Because writing and reading are one step per day, of two CDRs that arrive at the same moment at least one sees the
    other. Returns (start, stop, received) texts by reference, without the CDR itself.
    """
    issuer_id, cdr_ref = made.issuer_id, made.cdr_ref
    others: dict[str, tuple[str, str, str]] = {}
    day = made.start_utc.date()
    last = min(made.stop_utc.date(), day + timedelta(days=_MOST_DAYS))
    mine = "/".join(sort_instant(at) for at in (made.start_utc, made.stop_utc, made.received_at_utc))
    while day <= last:
        key = keys.occupied(issuer_id, kind, subject, day.isoformat())
        row = db.write_and_read(Update(Table.CLEARING, key, put={f"c:{cdr_ref}": mine}, when=()))
        for name, span in row.items():
            if name.startswith("c:") and name != f"c:{cdr_ref}":
                begin, end, received_at = span.split("/")
                others[name.removeprefix("c:")] = (begin, end, received_at)
        day += timedelta(days=1)
    return others


def run_in_window(issuer_id: str, run_id: str) -> Check:
    """The condition under which a member may still change (rules.md 6)."""
    return Check(Table.CLEARING, keys.run(issuer_id, run_id), (When("state", "=", "WINDOW"),))


def _item(made: Session) -> Row:
    """A session's row: what conditions and indexes need as columns, everything in one packed column.

    Names and digits of forty columns would make the row larger than the 1 KB that one write unit pays for.
    """
    item: Row = {
        "issuer_id": made.issuer_id,
        "cdr_ref": made.cdr_ref,
        "billing": made.billing.value,
        "changed": made.changed,
        "packed": zlib.compress(numbers_json.dumps(made.dump()).encode(), 9),
    }
    return item | {k: v for k, v in index_columns(made).items() if v is not None}


def _session(row: Row) -> Session:
    return Session.load(numbers_json.loads(zlib.decompress(row["packed"])))
