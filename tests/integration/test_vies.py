"""Proofs of VAT ids by schedule, against a VIES that runs for real on the loopback (product.md D.2, rules.md 10)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.billing.model import RunState
from roamclear.contracts import service as contracts
from roamclear.contracts import vat_proofs
from roamclear.contracts.model import Counterparty
from roamclear.contracts.vat import KeptProof, VatProof
from roamclear.evses import accounts
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionRow, ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, InRecovery, InvalidInput
from roamclear.mode import service as mode
from roamclear.outgoing import service as outgoing
from roamclear.vies import rules, store
from roamclear.vies import service as vies
from roamclear.vies.model import Outcome
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import payees
from tests.support.crashing import SimulatedCrash
from tests.support.handlers import call, on, sample
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage
from tests.support.public_services import Services, fault, services

OURS, THEIRS = "DE136695976", "NL002455799B11"
NOW = datetime(2026, 10, 1, 8, tzinfo=UTC)


@pytest.fixture
def said() -> Iterator[Services]:
    with services() as running:
        yield running


@pytest.fixture
def stage(said: Services) -> Stage:
    """An issuer and a contract under reverse charge."""
    made = fresh(NOW)
    object.__setattr__(made.ctx, "vies_url", said.vies_url)
    month.start(made)
    return made


def kept(stage: Stage) -> list[KeptProof]:
    return vat_proofs.proofs(stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT)


def told(stage: Stage) -> dict[str, ExceptionRow]:
    return {row.subject: row for row in journal.open_of(stage.ctx, b.ISSUER, ExceptionType.VAT_PROOF_OLD)}


def later(stage: Stage, **by: int) -> None:
    stage.clock.advance(timedelta(**by))


def test_both_parties_are_proved_with_consultation_number_and_the_answer_itself(stage: Stage, said: Services) -> None:
    said.vies["002455799B11"] = {"name": "RONDE MOBILITEIT B.V.", "address": "\nSTATIONSPLEIN 00001\n3511ED UTRECHT\n"}
    assert vies.refresh(stage.ctx) == Outcome(asked=2, valid=2)
    ours, theirs = kept(stage)
    assert (ours.vat_id, ours.valid, ours.name, ours.requester) == (OURS, True, None, OURS)
    assert (theirs.name, theirs.address) == ("RONDE MOBILITEIT B.V.", "STATIONSPLEIN 00001, 3511ED UTRECHT")
    assert (theirs.request_id, theirs.checked_on, theirs.source) == ("WAPIAAAA00000002", date(2026, 10, 1), "VIES")
    assert json.loads(theirs.raw or "")["requestIdentifier"] == "WAPIAAAA00000002"
    assert said.asked[1] == {
        "countryCode": "NL", "vatNumber": "002455799B11",
        "requesterMemberStateCode": "DE", "requesterNumber": "136695976",
    }  # fmt: skip
    issuer, terms = identity.issuer(stage.ctx, b.ISSUER), b.terms()
    assert [s.state for s in vat_proofs.standings(stage.ctx, issuer, terms, date(2026, 10, 1))] == ["VALID", "VALID"]
    assert told(stage) == {}


def test_again_nothing_is_asked_until_a_week_has_passed(stage: Stage, said: Services) -> None:
    vies.refresh(stage.ctx)
    for _ in range(3):
        later(stage, hours=1)
        assert vies.refresh(stage.ctx) == Outcome()
    later(stage, days=7)
    assert vies.refresh(stage.ctx) == Outcome(asked=2, valid=2)
    assert len(said.asked) == 4
    assert [p.checked_on.isoformat() for p in kept(stage)] == ["2026-10-01"] * 2 + ["2026-10-08"] * 2


def test_an_invalid_number_is_told_at_once_asked_daily_and_closed_when_valid(stage: Stage, said: Services) -> None:
    said.vies["002455799B11"] = {"valid": False, "requestIdentifier": ""}
    assert vies.refresh(stage.ctx) == Outcome(asked=2, valid=1, invalid=1)
    row = told(stage)[THEIRS]
    assert (row.severity, row.partner, row.details["state"]) == ("HIGH", b.CONTRACT, "INVALID")
    (proof,) = (p for p in kept(stage) if p.vat_id == THEIRS)
    assert proof.request_id == "NONE-20261001T080000000000", "no consultation number is given for it"
    later(stage, hours=23)
    assert vies.refresh(stage.ctx).asked == 0
    said.vies.clear()
    later(stage, hours=1)
    assert vies.refresh(stage.ctx) == Outcome(asked=1, valid=1)
    assert told(stage) == {}


def test_of_two_answers_of_a_day_the_later_speaks(stage: Stage, said: Services) -> None:
    vies.refresh(stage.ctx)
    proof = VatProof(
        vat_id=THEIRS,
        valid=False,
        checked_on=date(2026, 10, 1),
        request_id="A",
        checked_at_utc=NOW + timedelta(hours=2),
    )
    vat_proofs.record(stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, proof)
    assert told(stage)[THEIRS].details["state"] == "INVALID"
    earlier = proof.model_copy(update={"valid": True, "request_id": "Z", "checked_at_utc": None})
    vat_proofs.record(stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, earlier)
    assert told(stage)[THEIRS].details["state"] == "INVALID"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (fault("MS_UNAVAILABLE"), "MS_UNAVAILABLE"),
        (fault("MS_UNAVAILABLE", 500), "MS_UNAVAILABLE"),
        (fault("TIMEOUT", 400), "TIMEOUT"),
        (fault("MS_MAX_CONCURRENT_REQ", 200), "MS_MAX_CONCURRENT_REQ"),
        (fault("INVALID_INPUT", 400), "INVALID_INPUT"),
        (fault("odd; words"), "UNKNOWN"),
        ((200, {"valid": False, "userError": "MS_UNAVAILABLE"}), "MS_UNAVAILABLE"),
        ((200, {"actionSucceed": False}), "UNKNOWN"),
        ((200, {"valid": "yes", "countryCode": "NL", "vatNumber": "002455799B11"}), "ANSWER_UNREADABLE"),
        ((200, {"valid": True, "countryCode": "NL", "vatNumber": "1"}), "ANSWER_OF_ANOTHER_NUMBER"),
        ((200, {"valid": True, "countryCode": "DE", "vatNumber": "002455799B11"}), "ANSWER_OF_ANOTHER_NUMBER"),
        ((200, b"<html>"), "ANSWER_UNREADABLE"),
        ((200, b"[]"), "ANSWER_UNREADABLE"),
        ((200, b"\xff"), "ANSWER_UNREADABLE"),
        ((503, b"<html>"), "SERVICE_UNAVAILABLE"),
        ((429, b"{}"), "GLOBAL_MAX_CONCURRENT_REQ"),
        ((302, b"{}"), "SERVICE_UNAVAILABLE"),
        ((200, b"{" + b" " * 30_000 + b"}"), "ANSWER_TOO_LONG"),
    ],
)
def test_a_fault_is_no_answer_about_a_number(stage: Stage, said: Services, answer: Any, code: str) -> None:
    said.vies["002455799B11"] = answer
    assert vies.refresh(stage.ctx) == Outcome(asked=2, valid=1, failed=1)
    assert [p.vat_id for p in kept(stage)] == [OURS]
    row = told(stage)[THEIRS]
    assert (row.severity, row.details) == ("WARN", {"vat_id": THEIRS, "state": "UNPROVED", "fault": code})
    check = store.find(stage.ctx.db, b.ISSUER, THEIRS)
    assert check is not None
    assert (check.fault, check.failures) == (code, 1)
    later(stage, minutes=59)
    assert vies.refresh(stage.ctx) == Outcome(waiting=1)
    said.vies.clear()
    later(stage, minutes=1)
    assert vies.refresh(stage.ctx) == Outcome(asked=1, valid=1)
    assert told(stage) == {}


def test_the_pause_grows_to_a_day_and_the_old_proof_speaks_until_it_is_too_old(stage: Stage, said: Services) -> None:
    vies.refresh(stage.ctx)
    said.vies["002455799B11"] = fault("MS_UNAVAILABLE")
    stage.clock.set(NOW + timedelta(days=7))
    tried = 0
    while stage.clock.now() < NOW + timedelta(days=30, hours=1):
        tried += vies.refresh(stage.ctx).failed
        assert THEIRS not in told(stage)
        later(stage, hours=1)
    assert tried in range(25, 30), "five in the first day, then one a day"
    later(stage, days=1)
    vies.refresh(stage.ctx)
    assert told(stage)[THEIRS].details["state"] == "OLD"
    said.vies["002455799B11"] = {"valid": False}
    later(stage, days=1)
    vies.refresh(stage.ctx)
    assert (told(stage)[THEIRS].details["state"], told(stage)[THEIRS].severity) == ("INVALID", "HIGH")
    said.vies.clear()
    later(stage, days=1)
    vies.refresh(stage.ctx)
    assert told(stage) == {}


def contract_of(stage: Stage, number: int, vat_id: str) -> None:
    """One more contract with a partner of its own."""
    partner = Counterparty(legal_name="P", address=b.terms().counterparty.address, vat_id=vat_id)
    contracts.publish(
        stage.ctx, b.actor("FINANCE"), b.ISSUER, f"C-{number}", name=f"C-{number}", valid_from=date(2026, 10, 1),
        terms=b.terms(counterparty=partner, party_ids=(f"NLX{number:02d}",)),
    )  # fmt: skip


def test_a_consultation_number_given_before_stops_nobody_else(stage: Stage, said: Services) -> None:
    said.vies["136695976"] = {"requestIdentifier": "WAPI-SAME", "valid": False}
    vies.refresh(stage.ctx)
    later(stage, hours=24)
    stage.clock.set(stage.clock.now().replace(hour=9))
    vat_proofs.record(
        stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT,
        VatProof(vat_id=OURS, valid=True, checked_on=date(2026, 10, 2), request_id="WAPI-SAME"),
    )  # fmt: skip
    assert vies.refresh(stage.ctx) == Outcome(asked=1, failed=1)
    check = store.find(stage.ctx.db, b.ISSUER, OURS)
    assert check is not None
    assert check.fault == "REQUEST_ID_GIVEN_BEFORE"
    assert [p.valid for p in kept(stage) if p.vat_id == OURS] == [False, True]


def test_a_silent_state_is_left_alone_and_the_others_go_on(stage: Stage, said: Services) -> None:
    contract_of(stage, 1, "NL004495445B01")
    contract_of(stage, 2, "FR83404833048")
    said.vies["002455799B11"] = fault("MS_UNAVAILABLE")
    assert vies.refresh(stage.ctx) == Outcome(asked=3, valid=2, failed=1, waiting=1)
    assert sorted(q["countryCode"] for q in said.asked) == ["DE", "FR", "NL"]
    assert told(stage)["NL004495445B01"].details["fault"] == "MS_UNAVAILABLE"


def test_a_service_that_is_full_is_asked_no_more_in_this_hour(stage: Stage, said: Services) -> None:
    contract_of(stage, 1, "FR83404833048")
    said.vies["136695976"] = fault("GLOBAL_MAX_CONCURRENT_REQ", 429)
    assert vies.refresh(stage.ctx) == Outcome(asked=1, failed=1, waiting=2)
    assert sorted(told(stage)) == [OURS, "FR83404833048", THEIRS]
    said.vies.clear()
    later(stage, hours=1)
    assert vies.refresh(stage.ctx) == Outcome(asked=3, valid=3)
    assert told(stage) == {}


def test_a_service_that_is_down_is_told_and_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "TIMEOUT_S", 1)
    object.__setattr__(stage.ctx, "vies_url", "http://127.0.0.1:9/vies")
    assert vies.refresh(stage.ctx) == Outcome(asked=2, failed=2)
    assert {row.details["fault"] for row in told(stage).values()} == {"NO_ANSWER"}


def test_numbers_are_asked_one_by_one_with_a_pause_and_while_there_is_time(stage: Stage, said: Services) -> None:
    pauses: list[int] = []
    vies.refresh(stage.ctx, pause=pauses.append)
    assert pauses == [1]
    later(stage, days=8)
    left = iter([True, False])
    assert vies.refresh(stage.ctx, time_left=lambda: next(left)) == Outcome(asked=1, valid=1, waiting=1)
    assert vies.refresh(stage.ctx) == Outcome(asked=1, valid=1)


def test_two_workers_at_once_ask_once(stage: Stage, said: Services) -> None:
    second: list[Outcome] = []
    plain = said.check

    def meanwhile(question: dict[str, Any]) -> tuple[int, bytes]:
        if not second:
            second.append(Outcome())
            second[0] = vies.refresh(stage.ctx)
        return plain(question)

    said.check = meanwhile  # type: ignore[method-assign]
    first = vies.refresh(stage.ctx)
    assert (first.asked, second[0].asked) == (1, 1)
    assert sorted(q["countryCode"] for q in said.asked) == ["DE", "NL"]
    assert len(kept(stage)) == 2


def test_a_crash_after_the_question_asks_again_an_hour_later(stage: Stage, said: Services) -> None:
    def gone(question: dict[str, Any]) -> tuple[int, bytes]:
        raise SimulatedCrash

    kept_keep = vat_proofs.keep
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vat_proofs, "keep", lambda *a, **k: gone({}))
        with pytest.raises(SimulatedCrash):
            vies.refresh(stage.ctx)
    assert vat_proofs.keep is kept_keep
    assert vies.refresh(stage.ctx) == Outcome(asked=1, valid=1), "the one whose claim was lost rests"
    later(stage, hours=1)
    assert vies.refresh(stage.ctx) == Outcome(asked=1, valid=1)
    assert sorted(p.vat_id for p in kept(stage)) == [OURS, THEIRS]


def test_a_number_that_cannot_be_kept_keeps_no_other_from_its_proof(stage: Stage, said: Services) -> None:
    real = vat_proofs.keep

    def keep(ctx: Context, issuer_id: str, proof: Any, **named: Any) -> Any:
        if proof.vat_id == OURS:
            raise Busy("too many at once")
        return real(ctx, issuer_id, proof, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vat_proofs, "keep", keep)
        with pytest.raises(Busy):
            vies.refresh(stage.ctx)
    assert [p.vat_id for p in kept(stage)] == [THEIRS]


def test_a_number_that_nothing_names_any_more_closes_its_exception(stage: Stage, said: Services) -> None:
    said.vies["002455799B11"] = {"valid": False}
    vies.refresh(stage.ctx)
    assert THEIRS in told(stage)
    partner = b.terms().counterparty.model_copy(update={"vat_id": "NL004495445B01"})
    contracts.publish(
        stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, name="C", valid_from=date(2026, 11, 1),
        terms=b.terms(counterparty=partner),
    )  # fmt: skip
    vies.refresh(stage.ctx)
    assert THEIRS in told(stage), "it is in force until the end of October"
    stage.clock.set(datetime(2026, 11, 2, tzinfo=UTC))
    vies.refresh(stage.ctx)
    assert told(stage) == {}
    row = journal.find(stage.ctx, b.ISSUER, ExceptionType.VAT_PROOF_OLD, THEIRS)
    assert row is not None
    assert row.resolution == "no contract names the number any more"


def test_holders_of_payout_accounts_are_proved_too(stage: Stage, said: Services) -> None:
    maker = b.actor("FINANCE")
    accounts.create_account(stage.ctx, maker, b.ISSUER, "P1", name="P1", terms=payees.terms(vat_id="FR83404833048"))
    assert vies.numbers(stage.ctx, identity.issuer(stage.ctx, b.ISSUER))["FR83404833048"] == "P1"
    assert vies.refresh(stage.ctx) == Outcome(asked=3, valid=3)


def test_a_close_reads_what_the_schedule_stored(stage: Stage, said: Services) -> None:
    month.push(stage, b.cdr(1))
    run = month.open_run(stage)
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    vies.refresh(stage.ctx)
    calls = len(said.asked)
    run = billing.issue(stage.ctx, b.ISSUER, run.run_id, month.missing)
    assert len(said.asked) == calls, "a close never calls out"
    assert run.state is RunState.ISSUED
    header = billing.document(stage.ctx, b.ISSUER, run.numbers[0])
    assert [(s.vat_id, s.state) for s in header.vat_proofs] == [(OURS, "VALID"), (THEIRS, "VALID")]
    assert all(s.proof and s.proof.request_id.startswith("WAPI") for s in header.vat_proofs)


def test_only_the_commission_is_asked(stage: Stage) -> None:
    object.__setattr__(stage.ctx, "stage", "prod")
    with pytest.raises(InvalidInput):
        vies.refresh(stage.ctx)
    with pytest.raises(InvalidInput, match="not on the list"):
        outgoing.ask("https://1.1.1.1/vies", rules.HOSTS)


def test_without_a_service_the_exceptions_are_told_all_the_same(stage: Stage, said: Services) -> None:
    object.__setattr__(stage.ctx, "vies_url", "")
    assert vies.refresh(stage.ctx) == Outcome(waiting=2)
    assert (said.asked, sorted(told(stage))) == ([], [OURS, THEIRS])


def test_the_function(stage: Stage, said: Services) -> None:
    with on(stage.ctx):
        event = sample("refresh_vat_proofs", "schedule")
        assert call("refresh_vat_proofs", event, left_ms=61_000)["valid"] == 2
        assert call("refresh_vat_proofs", event) == {"asked": 0, "valid": 0, "invalid": 0, "failed": 0, "waiting": 0}
        mode.enter(stage.ctx, "restored")
        with pytest.raises(InRecovery):
            call("refresh_vat_proofs", event)
