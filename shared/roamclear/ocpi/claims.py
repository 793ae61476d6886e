"""What received Invoice Reconciliation records claim, compared with our own sessions (product.md B4).

The set is defined by the list: a CDR that is on no record is no difference. Told are those on a record that we do not
know for this eMSP, that another record has too, or that no run has locked yet. Nothing is written but the exception of
a record, so a comparison can be made again at any time.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import NotFound
from roamclear.kernel.time import format_instant
from roamclear.ocpi import rules, store
from roamclear.ocpi.model import StoredObject
from roamclear.ocpi.objects import loaded
from roamclear.ocpi.received import cdr_ids
from roamclear.partners import service as partners

UNKNOWN, TWICE, ELSEWHERE, NOT_LOCKED = "UNKNOWN_CDR", "TWICE_IN_RECORD", "IN_TWO_RECORDS", "NOT_LOCKED"
#: Billed for good, or credited after it was: what may stand on an invoice.
_BILLED = frozenset({Billing.LOCKED, Billing.INVOICED, Billing.CREDITED})
#: The most findings and records of an answer.
MOST = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """One finding: what is wrong with which CDR of a record, and the other record or the state that shows it."""

    code: str
    cdr_id: str
    other: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A record with its sessions (by folded CDR id) and what does not agree."""

    record: StoredObject
    invoice_id: str
    listed: int
    sessions: dict[str, Session]
    claims: list[Claim]


def compare(ctx: Context, issuer_id: str, party: str, record_id: str) -> Comparison:
    """Compare one record that was not taken back; ``NotFound`` if there is none."""
    known = store.received_record(ctx.db, issuer_id, party, record_id)
    if known is None or known.deleted:
        raise NotFound("no such record")
    body = _body(known)
    listed = cdr_ids(body)
    wanted = list(dict.fromkeys(each.upper() for each in listed))
    sessions = _sessions(ctx, issuer_id, party, wanted)
    elsewhere = _elsewhere(ctx, known, set(wanted))
    counts = Counter(each.upper() for each in listed)
    return Comparison(known, body["invoice_id"], len(listed), sessions, list(_claims(counts, sessions, elsewhere)))


def check(ctx: Context, issuer_id: str, party: str, record_id: str) -> None:
    """Raise or close the exception of a record; runs when it arrives and every night until it agrees."""
    subject = f"{party}#{record_id.upper()}"
    kind = ExceptionType.INVOICE_RECORD_MISMATCH
    try:
        found = compare(ctx, issuer_id, party, record_id)
    except NotFound:
        journal.resolve(ctx, issuer_id, kind, subject, by="system:ocpi", reason="the record was taken back")
        return
    if not found.claims:
        journal.resolve(ctx, issuer_id, kind, subject, by="system:ocpi", reason="the record agrees with our sessions")
        return
    counts = Counter(claim.code for claim in found.claims)
    journal.raise_once(
        ctx,
        issuer_id,
        kind,
        subject,
        f"the partner's record of invoice {found.invoice_id} differs from our sessions: "
        + ", ".join(f"{count} {code}" for code, count in sorted(counts.items())),
        partner=found.record.partner_id,
        document=found.invoice_id,
        next_action="compare the record with the list of sessions and answer the partner",
        details={code: str(count) for code, count in counts.items()},
    )


def check_all(ctx: Context, issuer_id: str) -> int:
    """Compare every record again: a run may have locked, a CDR arrived; returns how many were compared."""
    done = 0
    for party in partners.parties(ctx, issuer_id)[1]:
        for record in store.received_records(ctx.db, issuer_id, party):
            check(ctx, issuer_id, party, record.object_id)
            done += 1
    return done


def received(ctx: Context, actor: Actor, issuer_id: str) -> list[dict[str, Any]]:
    """The records that self-billing eMSPs sent, the latest first, without their lists."""
    authorise(actor, Right.INGEST_VIEW, issuer_id)
    found = [
        record
        for party in partners.parties(ctx, issuer_id)[1]
        for record in store.received_records(ctx.db, issuer_id, party)
        if not record.deleted
    ]
    found.sort(key=lambda record: (record.received_at_utc, record.party, record.object_id), reverse=True)
    return [_head(record, _body(record)) for record in found[:MOST]]


def report(ctx: Context, actor: Actor, issuer_id: str, party: str, record_id: str) -> dict[str, Any]:
    """One record compared with our sessions now: how many are tied, what they sum up to, and each difference."""
    authorise(actor, Right.INGEST_VIEW, issuer_id)
    found = compare(ctx, issuer_id, party.upper(), record_id)
    nets: dict[str, int] = {}
    for session in found.sessions.values():
        if session.net is not None:
            nets[session.net.currency] = nets.get(session.net.currency, 0) + session.net.amount_minor
    return {
        **_head(found.record, _body(found.record)),
        "tied": len(found.sessions),
        "net_of_tied": [{"amount_minor": amount, "currency": currency} for currency, amount in sorted(nets.items())],
        "counts": dict(sorted(Counter(claim.code for claim in found.claims).items())),
        "findings": [{"code": c.code, "cdr_id": c.cdr_id, "other": c.other} for c in found.claims[:MOST]],
    }


def _claims(counts: Counter[str], sessions: dict[str, Session], elsewhere: dict[str, list[str]]) -> Iterator[Claim]:
    for cdr_id, count in counts.items():
        session = sessions.get(cdr_id)
        if count > 1:
            yield Claim(TWICE, cdr_id, str(count))
        if session is None:
            yield Claim(UNKNOWN, cdr_id)
        elif session.billing not in _BILLED:
            yield Claim(NOT_LOCKED, cdr_id, session.billing.value)
        for other in elsewhere.get(cdr_id, ()):
            yield Claim(ELSEWHERE, cdr_id, other)


def _sessions(ctx: Context, issuer_id: str, emsp: str, wanted: list[str]) -> dict[str, Session]:
    """The eMSP's sessions by folded CDR id; a record names no CPO, so each party of ours is asked for the rest."""
    found: dict[str, Session] = {}
    own = identity.issuer(ctx, issuer_id).parties
    for party in dict.fromkeys((*own, *partners.parties(ctx, issuer_id)[0])):
        rest = {rules.cdr_ref(party, each): each for each in wanted if each not in found}
        for ref, session in cdrs.sessions(ctx, issuer_id, rest).items():
            if session.emsp_party == emsp:
                found[rest[ref]] = session
    return found


def _elsewhere(ctx: Context, record: StoredObject, wanted: set[str]) -> dict[str, list[str]]:
    """Which other records of the same eMSP list these CDRs."""
    found: dict[str, list[str]] = {}
    for other in store.received_records(ctx.db, record.issuer_id, record.party):
        if other.deleted or other.object_id.upper() == record.object_id.upper():
            continue
        for cdr_id in wanted.intersection(each.upper() for each in cdr_ids(_body(other))):
            found.setdefault(cdr_id, []).append(other.object_id)
    return found


def _body(record: StoredObject) -> dict[str, Any]:
    return loaded(zlib.decompress(record.raw))


def _head(record: StoredObject, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "party": record.party,
        "id": record.object_id,
        "partner_id": record.partner_id,
        "invoice_id": body["invoice_id"],
        "listed": len(cdr_ids(body)),
        "received_at": format_instant(record.received_at_utc),
        "last_updated": body["last_updated"],
    }
