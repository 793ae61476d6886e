"""The detail of a session is given up after its term, and never before its money is settled (product.md row 139)."""

# Longer than 400 lines: what is left, when, and after which bad day is asked of one settled month.

from __future__ import annotations

import zlib
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from roamclear.aws import keys
from roamclear.billing import detail as billing_detail
from roamclear.billing import manifest
from roamclear.billing import service as billing
from roamclear.billing import store as billing_store
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.detail import service as detail
from roamclear.cdrs.model import Receipt, Session
from roamclear.cdrs.processing import read
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Answer, Claim, Reason
from roamclear.facts import proof as whole_proof
from roamclear.facts import service as facts
from roamclear.identity.model import Role
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import DetailExpired, InRecovery
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Table
from roamclear.mode import service as mode
from roamclear.ocpi import detail as refused
from roamclear.ocpi import store as ocpi_store
from roamclear.ocpi.model import IngestEntry
from roamclear.payouts import service as payouts
from roamclear.privacy import requests
from roamclear.privacy import service as privacy
from roamclear.privacy.model import DetailReport
from roamclear.reconciliation import service as reconciliation
from roamclear.reconciliation.model import BankAccount
from roamclear.retention import pseudonyms
from roamclear.retention import service as retention
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.bank_files import IBAN, Ntry, Stmt, Tx, camt
from tests.support.corrections import INVOICE, document, facts_told, invoiced, ref
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import connect, served
from tests.support.receivables import drop

#: The invoice is of 2026, German law wants it for eight years behind.
OVER = datetime(2035, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        yield made


def settled(stage: Stage, sessions: int = 3, *, paid: bool = True, shared: bool = True) -> None:
    """An invoiced October, paid by the eMSP and settled with the accounts."""
    header = invoiced(stage, sessions)
    billing.finish(stage.ctx, b.ISSUER, header.run_id)
    if shared:
        payouts.close_cycle(stage.ctx, b.actor(Role.FINANCE), b.ISSUER, stage.clock.now())
    if paid:
        pay(stage)
    facts_told(stage.ctx, stage)


def pay(stage: Stage) -> None:
    header = document(stage, INVOICE)
    reconciliation.register_account(
        stage.ctx, b.actor(Role.FINANCE), b.ISSUER, BankAccount(issuer_id=b.ISSUER, account=IBAN, currency="EUR")
    )
    amount = str(header.gross.to_decimal())
    drop(stage.ctx, camt(Stmt([Ntry(amount, ref="B1", txs=[Tx(amount, reference=header.reference)])])))


def expire(stage: Stage, at: datetime = OVER) -> DetailReport:
    stage.clock.set(at)
    (made,) = privacy.expire_all(stage.ctx)
    return made


def session(stage: Stage, number: int = 1) -> Session:
    found = cdrs.session(stage.ctx, b.ISSUER, ref(number))
    assert found is not None
    return found


def everything(stage: Stage) -> str:
    """Every row and object as text, packed ones unpacked; the register of EVSEs and other masters too."""
    return "\n".join(_text(row) for _, row in rows(stage)) + "\n".join(
        f"{key} {_open(body)}"
        for key, body in stage.ctx.objects.kept.items()  # type: ignore[attr-defined]
    )


def rows(stage: Stage) -> Iterator[tuple[Table, dict[str, Any]]]:
    for table, partitions in stage.tables.tables.items():  # type: ignore[attr-defined]
        for partition in partitions.values():
            yield from ((table, row) for row in partition.values())


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{k}={_text(v)}" for k, v in value.items())
    if isinstance(value, list):
        return " ".join(_text(v) for v in value)
    return _open(value) if isinstance(value, bytes) else str(value)


def _open(body: bytes) -> str:
    try:
        return zlib.decompress(body).decode(errors="replace")
    except zlib.error:
        return body.decode(errors="replace")


# ---- what is left --------------------------------------------------------------------------------------------------
def test_neither_token_nor_contract_nor_place_nor_time_is_left(stage: Stage) -> None:
    settled(stage)
    before = everything(stage)
    for word in ("TOKEN0001", "NLRONC00000001", "Hafenstrasse", "S-000001", "2026-10-05T12:00:00"):
        assert word in before, word
    made = expire(stage)
    assert (made.sessions, made.bodies, made.waiting) == (3, 3, {})
    after = everything(stage)
    for word in ("TOKEN000", "NLRONC0000000", "S-00000", "9.987654"):
        assert word not in after, word
    for number in (1, 2, 3):
        raw = b.cdr(number)
        times = [raw[name].removesuffix("Z") for name in ("start_date_time", "end_date_time")]
        naming = [_text(row) for _, row in rows(stage) if ref(number) in _text(row)]
        assert naming
        assert not [text for text in naming for time in times if time in text]
    one = session(stage)
    assert one.evse_id is not None
    assert one.evse_id.startswith("ZZ001")
    assert (one.start_utc, one.stop_utc) == (datetime(2026, 10, 4, 22, tzinfo=UTC),) * 2
    assert one.detail_expired_at_utc == OVER


def test_money_counts_and_the_whole_proof_stay(stage: Stage) -> None:
    settled(stage)
    before = [session(stage, n) for n in (1, 2, 3)]
    members = list(billing_store.members(stage.ctx.db, b.ISSUER, before[0].run_id or ""))
    expire(stage)
    gone = {"evse_id", "session_id", "start_utc", "stop_utc", "detail_expired_at_utc", "changed"}
    for number, old in enumerate(before, start=1):
        assert session(stage, number).model_dump(exclude=gone) == old.model_dump(exclude=gone)
        rating = cdrs.rating(stage.ctx, b.ISSUER, ref(number), 1)
        assert rating is not None
        assert rating.net == Money(830, "EUR")
    after = list(billing_store.members(stage.ctx.db, b.ISSUER, before[0].run_id or ""))
    assert sorted(m.cdr_ref for m in after) == sorted(m.cdr_ref for m in members)
    assert {m.stop_utc for m in after} == {datetime(2026, 10, 4, 22, tzinfo=UTC)}
    broken = [e for e in whole_proof.prove(stage.ctx, b.ISSUER) if not e.holds]
    assert broken == []


def test_equal_tokens_and_places_keep_equal_pseudonyms(stage: Stage) -> None:
    settled(stage)
    expire(stage)
    left = [numbers_json.loads(zlib.decompress(body(stage, n).raw)) for n in (1, 2, 3)]
    assert len({each["token"] for each in left}) == 3
    assert len({each["evse"] for each in left}) == 1
    assert {session(stage, n).evse_id for n in (1, 2, 3)} == {left[0]["evse"]}
    names = pseudonyms.current(stage.ctx, b.ISSUER)
    found = detail.refs_of_token(stage.ctx, b.ISSUER, b.EMSP, "token0001", [names])
    assert found == [ref(1)]
    assert detail.refs_of_token(stage.ctx, b.ISSUER, b.EMSP, "TOKEN0001", []) == []


def body(stage: Stage, number: int = 1) -> Any:
    found = cdrs.original(stage.ctx, b.ISSUER, ref(number))
    assert found is not None
    return found


def test_a_destroyed_secret_leaves_no_way_back(stage: Stage) -> None:
    settled(stage)
    expire(stage)
    first = session(stage).evse_id
    admin = b.actor(Role.ADMIN)
    for _ in range(2):
        assert pseudonyms.destroy(stage.ctx, admin, b.ISSUER, 1, "nobody is to ask any more").secret is None
    row = stage.ctx.db.get(Table.IDENTITY, keys.pseudonym_secret(b.ISSUER, 1))
    assert row is not None
    assert "secret" not in row
    assert pseudonyms.every(stage.ctx, b.ISSUER) == []
    assert pseudonyms.current(stage.ctx, b.ISSUER).epoch == 2
    assert session(stage).evse_id == first


# ---- when ----------------------------------------------------------------------------------------------------------
def test_not_a_day_before_its_term(stage: Stage) -> None:
    settled(stage)
    made = expire(stage, datetime(2034, 12, 31, 22, 59, tzinfo=UTC))
    assert (made.sessions, session(stage).detail_expired_at_utc) == (0, None)
    assert expire(stage, datetime(2034, 12, 31, 23, tzinfo=UTC)).sessions == 3


@pytest.mark.parametrize(
    ("paid", "shared", "reason"), [(False, True, "DOCUMENT_OPEN"), (True, False, "PAYOUT_ACCRUED")]
)
def test_never_before_everything_is_settled(stage: Stage, paid: bool, shared: bool, reason: str) -> None:
    settled(stage, paid=paid, shared=shared)
    made = expire(stage)
    assert (made.sessions, made.waiting) == (0, {reason: 3})
    assert b"TOKEN0001" in zlib.decompress(body(stage).raw)
    if not paid:
        pay(stage)  # the money came in 2035: the document is young again
        assert expire(stage, OVER + timedelta(days=31)).waiting == {"TERM": 3}
        assert expire(stage, datetime(2044, 1, 1, tzinfo=UTC)).sessions == 3
    else:
        payouts.close_cycle(stage.ctx, b.actor(Role.FINANCE), b.ISSUER, stage.clock.now())
        assert expire(stage, OVER + timedelta(days=29)).sessions == 0
        assert expire(stage, OVER + timedelta(days=31)).sessions == 3


def test_what_waits_or_is_disputed_stays(stage: Stage) -> None:
    month.start(stage)
    month.push(stage, b.cdr(1, evse="DE*VWK*E404"))
    held = expire(stage)
    assert (held.sessions, held.waiting) == (0, {"ON_HOLD": 1})


def test_a_shorter_choice_of_two_persons_holds_from_its_day(stage: Stage) -> None:
    settled(stage)
    stage.clock.set(datetime(2027, 1, 10, tzinfo=UTC))
    made = retention.propose(
        stage.ctx, b.actor(Role.ADMIN), b.ISSUER,
        valid_from=date(2027, 2, 1), document_years=None, detail_months=12, reason="a year is enough",
    )  # fmt: skip
    retention.approve(stage.ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, made.choice_id)
    assert expire(stage, datetime(2027, 11, 30, 12, tzinfo=UTC)).sessions == 0
    assert expire(stage, datetime(2027, 12, 1, 12, tzinfo=UTC)).sessions == 3


def test_nothing_in_recovery(stage: Stage) -> None:
    settled(stage)
    stage.clock.set(OVER)
    mode.enter(stage.ctx, "restored")
    with pytest.raises(InRecovery):
        privacy.expire_all(stage.ctx)
    assert session(stage).detail_expired_at_utc is None


# ---- bad days ------------------------------------------------------------------------------------------------------
def test_again_changes_nothing(stage: Stage) -> None:
    settled(stage)
    expire(stage)
    before = deepcopy(stage.tables.tables)  # type: ignore[attr-defined]
    assert expire(stage).sessions == 0
    assert stage.tables.tables == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_write_comes_to_the_same(after: bool) -> None:
    before = memory_stage.fresh()
    settled(before, 1)
    fuse = Fuse()
    privacy.expire_all(mortal(copied(before).ctx, fuse))
    assert fuse.effects > 12
    for at in range(fuse.effects):
        stage = copied(before)
        with survives() as died:
            privacy.expire_all(mortal(stage.ctx, Fuse(left=at, after=after)))
        assert died
        privacy.expire_all(stage.ctx)
        said = everything(stage)
        assert not [w for w in ("TOKEN000", "NLRONC0000000", "S-00000", "9.987654") if w in said], at
        assert session(stage).detail_expired_at_utc == OVER
        assert [e for e in whole_proof.prove(stage.ctx, b.ISSUER) if not e.holds] == [], at


def copied(stage: Stage) -> Stage:
    """The same stage once more, on the day on which its terms are over."""
    made = memory_stage.fresh(OVER)
    made.tables.tables = deepcopy(stage.tables.tables)  # type: ignore[attr-defined]
    made.ctx.objects.kept.update(stage.ctx.objects.kept)  # type: ignore[attr-defined]
    return made


def test_of_two_workers_the_slower_one_changes_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(stage)
    stage.clock.set(OVER)
    read = {ref(n): detail.family(stage.ctx, b.ISSUER, ref(n)) for n in (1, 2, 3)}
    slow = privacy.Expiry(stage.ctx, b.ISSUER)
    assert expire(stage).sessions == 3
    before = deepcopy(stage.tables.tables)  # type: ignore[attr-defined]
    monkeypatch.setattr(detail, "family", lambda _ctx, _issuer, cdr_ref: read[cdr_ref])
    assert slow.look(ref(2)) == ("CHANGED", OVER.date() + timedelta(days=1))
    assert stage.tables.tables == before  # type: ignore[attr-defined]


def test_pieces_of_any_size_come_to_the_same(stage: Stage) -> None:
    settled(stage, 4)
    stage.clock.set(OVER)
    for _ in range(40):
        left = iter([True] * 9)
        privacy.expire_all(stage.ctx, time_left=lambda left=left: next(left, False))  # type: ignore[misc]
    assert {session(stage, n).detail_expired_at_utc for n in range(1, 5)} == {OVER}


def test_one_that_cannot_be_looked_at_stops_no_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(stage)
    real = detail.family

    def broken(ctx: Any, issuer_id: str, cdr_ref: str) -> Any:
        if cdr_ref == ref(2):
            raise ValueError("unreadable")
        return real(ctx, issuer_id, cdr_ref)

    monkeypatch.setattr(detail, "family", broken)
    stage.clock.set(OVER)
    with pytest.raises(ValueError, match="unreadable"):
        privacy.expire_all(stage.ctx)
    monkeypatch.undo()
    assert [session(stage, n).detail_expired_at_utc is None for n in (1, 2, 3)] == [False, True, False]
    assert expire(stage, OVER + timedelta(days=1)).sessions == 1


# ---- who comes later -----------------------------------------------------------------------------------------------
def test_the_same_body_again_is_a_repeat_and_another_one_goes_with_the_next_run(stage: Stage) -> None:
    settled(stage)
    expire(stage)
    again = b.body_of(b.cdr(1), received=OVER)
    assert cdrs.receive(stage.ctx, again) is Receipt.REPEAT
    other = b.body_of(b.cdr(1, total_energy=21), received=OVER)
    assert cdrs.receive(stage.ctx, other) is Receipt.CONFLICT
    key = keys.cdr_conflict(b.ISSUER, other.cdr_ref, other.sha256)
    row = stage.ctx.db.get(Table.INTAKE, key)
    assert row is not None
    facts.took_in(stage.ctx, row)
    made = expire(stage, OVER + timedelta(days=1))
    assert (made.sessions, made.bodies) == (0, 1)
    assert "TOKEN0001" not in everything(stage)


def test_the_stream_of_what_was_given_up_changes_nothing(stage: Stage) -> None:
    settled(stage)
    expire(stage)
    before = deepcopy(stage.tables.tables)  # type: ignore[attr-defined]
    row = stage.ctx.db.get(Table.INTAKE, keys.cdr_original(b.ISSUER, ref(1)))
    assert row is not None
    facts.took_in(stage.ctx, row)
    assert cdrs.process(stage.ctx, b.ISSUER, ref(1)) == session(stage)
    assert stage.tables.tables == before  # type: ignore[attr-defined]


def test_over_ocpi_it_is_served_unchanged_or_not_at_all(stage: Stage) -> None:
    settled(stage)
    with served(stage.ctx):
        emsp = connect(stage.ctx, b.EMSP, "EMSP")
        listed = emsp.call("GET", "/ocpi/2.2.1/cdrs", query={"date_from": "2026-10-01T00:00:00Z"})
        assert [c["id"] for c in listed.data] == ["CDR-000001", "CDR-000002", "CDR-000003"]
        expire(stage)
        after = emsp.call("GET", "/ocpi/2.2.1/cdrs", query={"date_from": "2026-10-01T00:00:00Z"})
        assert (after.status, after.data) == (200, [])
        assert emsp.call("GET", "/ocpi/2.2.1/cdrs/DE/VWK/CDR-000001").status == 404


def test_it_cannot_be_priced_again_and_its_trace_says_why(stage: Stage) -> None:
    settled(stage)
    expire(stage)
    with pytest.raises(DetailExpired):
        read(body(stage))
    with environment(stage):
        told = Api(stage).call("GET", f"/v1/cdrs/{ref(1)}/trace", "FINANCE")
    assert (told.status, told.body["raw"]["roamclear_detail"]) == (200, "EXPIRED")
    assert told.body["sha256"] == body(stage).sha256


def test_the_lock_still_proves_every_session(stage: Stage) -> None:
    settled(stage)
    kept = stage.ctx.objects.get("archive", f"{b.ISSUER}/locks/{session(stage).run_id}.json")
    assert kept is not None
    expire(stage)
    bodies = [zlib.decompress(body(stage, n).raw) for n in (1, 2, 3)]
    verdict = manifest.verify(manifest.read(kept), bodies)
    assert verdict.holds
    assert (verdict.checked, verdict.missing, verdict.unknown) == (0, (), ())
    assert [e.cdr_ref for e in verdict.expired] == [ref(1), ref(2), ref(3)]
    assert {e.expired_at for e in verdict.expired} == {"2035-01-01T12:00:00.000000Z"}
    forged = bodies[0].replace(body(stage).sha256.encode(), b"0" * 64)
    assert not manifest.verify(manifest.read(kept), [forged, *bodies[1:]]).holds


def test_texts_and_files_of_disputes_go_with_their_session(stage: Stage) -> None:
    month.start(stage)
    for number in (1, 2):
        month.push(stage, b.cdr(number))
    month.open_run(stage)
    claim = Claim(cdr_ref=ref(1), reason=Reason.PRICE_NOT_AS_AGREED, text="my card TOKEN0001 was not there")
    made = disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, claim)
    said = Answer(dispute_id=made.dispute_id, outcome="REJECTED", answer="TOKEN0001 it was")
    disputes.answer(stage.ctx, b.actor(Role.DISPUTE_AGENT), b.ISSUER, said)
    run = billing.run(stage.ctx, b.ISSUER, session(stage).run_id or "")
    month.close_run(stage, run)
    facts_told(stage.ctx, stage)
    billing.finish(stage.ctx, b.ISSUER, run.run_id)
    payouts.close_cycle(stage.ctx, b.actor(Role.FINANCE), b.ISSUER, stage.clock.now())
    pay(stage)
    done = expire(stage)
    assert (done.sessions, done.disputes) == (2, 1)
    assert "TOKEN0001" not in everything(stage)
    assert disputes.dispute(stage.ctx, b.actor(Role.VIEWER), b.ISSUER, made.dispute_id).original == made.original


def test_refused_messages_lose_their_bodies_and_keep_why(stage: Stage) -> None:
    settled(stage)
    at = datetime(2026, 10, 6, 8, tzinfo=UTC)
    entry = IngestEntry(
        issuer_id=b.ISSUER, partner_id="VWK-BACKEND", credential_id="c1", module="cdrs", ocpi_version="2.2.1",
        received_at_utc=at, sha256="a" * 64, size_bytes=9, raw=b"", message="no currency", http_status=200,
        ocpi_code=2001,
    )  # fmt: skip
    ocpi_store.log_refused(stage.ctx.db, entry, b'{"uid": "TOKEN0077"}')
    (found,) = ocpi_store.refused(stage.ctx.db, b.ISSUER, "VWK-BACKEND", at)
    assert b"TOKEN0077" in ocpi_store.refused_body(stage.ctx.db, found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refused.partners, "partner_ids", lambda *_: ["VWK-BACKEND"])
        assert expire(stage).refused == 1
    (left,) = ocpi_store.refused(stage.ctx.db, b.ISSUER, "VWK-BACKEND", at)
    assert (left.message, left.sha256, ocpi_store.refused_body(stage.ctx.db, left)) == ("no currency", "a" * 64, b"")


def test_standing_reads_each_run_once(stage: Stage) -> None:
    settled(stage)
    standing = billing_detail.Standing(stage.ctx, b.ISSUER)
    assert standing.open_reason(session(stage))[0] is None
    assert standing.numbers(session(stage)) == (INVOICE,)


def test_every_run_leaves_a_report_and_an_audit_entry(stage: Stage) -> None:
    settled(stage)
    expire(stage)
    (report,) = requests.reports(stage.ctx, b.actor(Role.VIEWER), b.ISSUER)
    assert (report.sessions, report.bodies, report.detail_years, report.epoch) == (3, 3, 8, 1)
    from roamclear.audit import service as audit

    (entry,) = audit.history(stage.ctx, b.ISSUER, "DETAIL", "2035-01")
    assert (entry.action, entry.actor_id, entry.details["sessions"]) == ("DETAIL_EXPIRED", "system:detail", 3)
