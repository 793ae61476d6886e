"""Contracts that change while sessions and runs are on their way: VAT, parties on documents, proofs, suspension."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import proof
from roamclear.billing import service as billing
from roamclear.billing.model import RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.contracts import lifecycle, vat_proofs
from roamclear.contracts import service as contracts
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.contracts.vat import VatProof, VatRule
from roamclear.documents.checks import missing
from roamclear.facts import service as facts
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionRow, ExceptionType
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, Stale
from tests.integration.test_close import close_run, open_run, push, start, state
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage

FINANCE = b.actor(Role.FINANCE)
GERMAN = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))
MID_MONTH = datetime(2026, 10, 15, 8, 0, tzinfo=UTC)


@pytest.fixture
def stage() -> Stage:
    return memory_stage.fresh()


def publish(stage: Stage, valid_from: date, **changes: Any) -> None:
    contracts.publish(
        stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, name="Ronde", valid_from=valid_from, terms=b.terms(**changes)
    )


def opened(stage: Stage, kind: ExceptionType) -> list[ExceptionRow]:
    return [row for row in journal.listed(stage.ctx, FINANCE, b.ISSUER) if row.kind is kind]


def sweep(stage: Stage) -> None:
    stage.clock.set(stage.clock.now() + facts.SETTLE * 2)

    def tell(_: Any, error: Exception) -> None:
        raise error

    facts.sweep(stage.ctx, tell)


def test_each_version_prints_its_own_reason(stage: Stage) -> None:
    start(stage)
    push(stage, b.cdr(1))
    stage.clock.set(MID_MONTH)
    changed = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(21))
    publish(stage, date(2026, 10, 20), vat=changed)
    push(stage, b.cdr(2, start=datetime(2026, 10, 21, 10, tzinfo=UTC)))
    run = close_run(stage, open_run(stage))
    model = billing.document_model(stage.ctx, billing.document(stage.ctx, b.ISSUER, run.numbers[0]))
    assert missing(model) == []
    stated = {(row.category.value, row.rate, row.reason.text if row.reason else None) for row in model.vat}
    assert stated == {("AE", Decimal(0), "Reverse charge"), ("S", Decimal(21), None)}


def test_two_reasons_of_one_category_are_both_told(stage: Stage) -> None:
    start(stage)
    push(stage, b.cdr(1))
    stage.clock.set(MID_MONTH)
    publish(stage, date(2026, 10, 20), vat=VatTreatment(category=VatCategory.REVERSE_CHARGE, reason="Btw verlegd"))
    push(stage, b.cdr(2, start=datetime(2026, 10, 21, 10, tzinfo=UTC)))
    run = close_run(stage, open_run(stage))
    model = billing.document_model(stage.ctx, billing.document(stage.ctx, b.ISSUER, run.numbers[0]))
    (row,) = model.vat
    assert row.reason is not None
    assert (row.reason.text, row.reason.code) == ("Reverse charge; Btw verlegd", "VATEX-EU-AE")


def test_a_refused_document_is_repaired_by_publishing(stage: Stage) -> None:
    start(stage)
    ref = push(stage, b.cdr(1))
    run = open_run(stage)

    def refuses(document: Any) -> list[str]:
        return ["buyer.city: is unknown"] if document.buyer.city == "Utrecht" else missing(document)

    stage.clock.set(datetime(2026, 11, 8, 23, 1, 1, tzinfo=UTC))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    with pytest.raises(Conflict):
        billing.issue(stage.ctx, b.ISSUER, run.run_id, refuses)
    assert opened(stage, ExceptionType.EINVOICE_INVALID)
    partner = b.terms().counterparty
    address = partner.address.model_copy(update={"city": "Amersfoort"})
    right = partner.model_copy(update={"address": address, "buyer_reference": "NEW-1"})
    changed = {"counterparty": right, "payment_days": 10, "language": "NL", "vat": GERMAN}
    publish(stage, date(2026, 11, 9), **changed)
    done = billing.issue(stage.ctx, b.ISSUER, run.run_id, refuses)
    header = billing.document(stage.ctx, b.ISSUER, done.numbers[0])
    model = billing.document_model(stage.ctx, header)
    assert (model.buyer.city, model.buyer_reference, model.language.value) == ("Amersfoort", "NEW-1", "NL")
    assert (header.due_date, model.due_date) == (date(2026, 11, 19), date(2026, 11, 19))
    assert header.net.amount_minor == 830  # what was locked, not what the new version asks
    session = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert session is not None
    assert session.contract_version == 1
    assert not opened(stage, ExceptionType.EINVOICE_INVALID)


def test_missing_vat_holds_until_a_version_states_it(stage: Stage) -> None:
    rules = {"vat": None, "vat_basis": "EVSE_COUNTRY", "taxable_dealer": False}
    french = VatRule(country="FR", treatment=GERMAN.model_copy(update={"rate_percent": Decimal(20)}))
    start(stage, **rules, vat_rules=(french,))
    ref = push(stage, b.cdr(1))
    assert state(stage, ref) == (Billing.ON_HOLD, ("VAT_MISSING",))
    held = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert held is not None
    assert (held.vat_category, held.vat_rate_percent) == (None, None)
    assert [row.subject for row in opened(stage, ExceptionType.VAT_MISSING)] == [b.EMSP]
    sweep(stage)
    assert state(stage, ref) == (Billing.ON_HOLD, ("VAT_MISSING",))
    stage.clock.set(datetime(2026, 10, 6, 9, 0, tzinfo=UTC))
    publish(stage, date(2026, 10, 6), **rules, vat_rules=(french, VatRule(country="DE", treatment=GERMAN)))
    sweep(stage)
    freed = cdrs.session(stage.ctx, b.ISSUER, ref)
    assert freed is not None
    assert (freed.billing, freed.vat_category, freed.vat_rate_percent) == (Billing.VERIFIED, "S", Decimal(19))
    assert freed.contract_version == 1
    assert opened(stage, ExceptionType.VAT_MISSING) == []


def test_a_gap_filled_later_prints_the_reason_it_was_filled_with(stage: Stage) -> None:
    rules = {"vat": None, "vat_basis": "EVSE_COUNTRY", "taxable_dealer": False}
    french = VatRule(country="FR", treatment=GERMAN.model_copy(update={"rate_percent": Decimal(20)}))
    start(stage, **rules, vat_rules=(french,))
    push(stage, b.cdr(1))
    stage.clock.set(MID_MONTH)
    filled = VatTreatment(category=VatCategory.REVERSE_CHARGE, reason="Art. 195")
    publish(stage, date(2026, 10, 15), **rules, vat_rules=(french, VatRule(country="DE", treatment=filled)))
    sweep(stage)
    run = close_run(stage, open_run(stage))
    (row,) = billing.document_model(stage.ctx, billing.document(stage.ctx, b.ISSUER, run.numbers[0])).vat
    assert row.reason is not None
    assert row.reason.text == "Art. 195"


def test_a_component_treated_apart_has_its_own_line_and_vat(stage: Stage) -> None:
    lower = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(7), reason="a fee for a service")
    start(stage, vat=GERMAN, vat_rules=(VatRule(component="FLAT", treatment=lower),))
    refs = [push(stage, b.cdr(n)) for n in (1, 2)]
    run = close_run(stage, open_run(stage))
    header = billing.document(stage.ctx, b.ISSUER, run.numbers[0])
    model = billing.document_model(stage.ctx, header)
    assert missing(model) == []
    assert {(str(line.component), line.vat_rate, line.net.amount_minor) for line in model.lines} == {
        ("ENERGY", Decimal(19), 1560),
        ("SESSION", Decimal(7), 100),
    }
    # 1,560 at 19 % is 296.4, 100 at 7 % is 7: rounded once per category.
    assert (header.net.amount_minor, header.tax.amount_minor) == (1660, 303)
    session = cdrs.session(stage.ctx, b.ISSUER, refs[0])
    assert session is not None
    assert (session.vat_category, session.vat_rate_percent) == ("S", Decimal(19))
    assert all(e.holds for e in proof.equations(stage.ctx, b.ISSUER))


def test_a_component_under_reverse_charge_brings_its_reason(stage: Stage) -> None:
    apart = VatTreatment(category=VatCategory.REVERSE_CHARGE, reason="Art. 196")
    start(stage, vat=GERMAN, vat_rules=(VatRule(component="FLAT", treatment=apart),))
    push(stage, b.cdr(1))
    run = close_run(stage, open_run(stage))
    model = billing.document_model(stage.ctx, billing.document(stage.ctx, b.ISSUER, run.numbers[0]))
    assert {(row.category.value, row.reason.text if row.reason else None) for row in model.vat} == {
        ("S", None),
        ("AE", "Art. 196"),
    }


def proof_of(number: str, day: date) -> VatProof:
    return VatProof(vat_id=number, valid=True, checked_on=day, request_id="WAPI-1")


def test_an_old_proof_warns_and_the_document_keeps_what_was_known(stage: Stage) -> None:
    start(stage)
    push(stage, b.cdr(1))
    ours, theirs = "DE136695976", "NL002455799B11"
    vat_proofs.record(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, proof_of(ours, date(2026, 10, 1)))
    run = open_run(stage)
    fresh = proof_of(theirs, date(2026, 11, 1))
    vat_proofs.record(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, fresh)
    run = close_run(stage, run)
    header = billing.document(stage.ctx, b.ISSUER, run.numbers[0])
    assert [(s.vat_id, s.state) for s in header.vat_proofs] == [(ours, "OLD"), (theirs, "VALID")]
    assert header.vat_proofs[1].proof == fresh
    assert [row.subject for row in opened(stage, ExceptionType.VAT_PROOF_OLD)] == [ours]
    vat_proofs.record(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, proof_of(ours, date(2026, 11, 9)))
    assert opened(stage, ExceptionType.VAT_PROOF_OLD) == []


def test_where_the_contract_says_hold_the_document_waits_for_its_proof(stage: Stage) -> None:
    start(stage, on_old_vat_proof="HOLD")
    push(stage, b.cdr(1))
    run = open_run(stage)
    with pytest.raises(Conflict) as refused:
        close_run(stage, run)
    assert len(refused.value.details["faults"]) == 2
    assert billing.run(stage.ctx, b.ISSUER, run.run_id).state is RunState.FINALISING
    for number in ("DE136695976", "NL002455799B11"):
        vat_proofs.record(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, proof_of(number, date(2026, 11, 9)))
    assert billing.issue(stage.ctx, b.ISSUER, run.run_id, missing).numbers == ("VW-2026-000001",)


def test_a_domestic_document_asks_for_no_proof(stage: Stage) -> None:
    start(stage, vat=GERMAN, on_old_vat_proof="HOLD")
    push(stage, b.cdr(1))
    run = close_run(stage, open_run(stage))
    assert billing.document(stage.ctx, b.ISSUER, run.numbers[0]).vat_proofs == ()


def test_a_proof_is_kept_once_and_of_known_numbers_only(stage: Stage) -> None:
    start(stage)
    known = proof_of("NL002455799B11", date(2026, 9, 30))
    for _ in range(2):
        assert vat_proofs.record(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, known) == known
    (kept,) = vat_proofs.proofs(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT)
    assert (kept.said, kept.source, kept.recorded_by) == (known, "PERSON", "finance")
    other = known.model_copy(update={"valid": False})
    with pytest.raises(Conflict):
        vat_proofs.record(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, other)
    with pytest.raises(InvalidInput, match="neither"):
        vat_proofs.record(
            stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, known.model_copy(update={"vat_id": "FR83404833048"})
        )
    with pytest.raises(InvalidInput, match="ahead"):
        vat_proofs.record(
            stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, known.model_copy(update={"checked_on": date(2026, 10, 2)})
        )
    with pytest.raises(Forbidden):
        vat_proofs.record(stage.ctx, b.actor(Role.OPS), b.ISSUER, b.CONTRACT, known)


def test_a_suspended_contract_takes_nothing_new_and_later_everything(stage: Stage) -> None:
    start(stage)
    before = push(stage, b.cdr(1))
    halted = lifecycle.suspend(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, "no answer")
    assert lifecycle.suspend(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, "no answer") == halted
    after = push(stage, b.cdr(2))
    assert state(stage, before)[0] is Billing.VERIFIED
    assert state(stage, after) == (Billing.NOT_RATED, ("NO_CONTRACT",))
    with pytest.raises(Stale):
        lifecycle.go_on(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, "answered", if_match=halted.changed - 1)
    lifecycle.go_on(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, "answered", if_match=halted.changed)
    sweep(stage)
    assert state(stage, after)[0] is Billing.VERIFIED
    assert opened(stage, ExceptionType.NO_CONTRACT) == []


def test_the_cycle_of_a_contract_is_fixed_and_its_run_is_named_by_its_first_day(stage: Stage) -> None:
    start(stage, cycle_start=date(2026, 1, 15))
    push(stage, b.cdr(1, start=datetime(2026, 10, 14, 20, tzinfo=UTC)))
    stage.clock.set(datetime(2026, 11, 14, 23, 5, tzinfo=UTC))
    assert billing.start_due(stage.ctx)[-1] == f"{b.ISSUER}.C-RON.2026-10-15.CLOSE"
    with pytest.raises(Conflict, match="fixed"):
        publish(stage, date(2026, 11, 20))


def test_findings_are_kept_on_the_version_and_a_draft_says_what_it_lacks(stage: Stage) -> None:
    b.found_issuer(stage.ctx)
    made = b.found_contract(stage.ctx, vat=GERMAN, window_days=14)
    assert made.status == "ACTIVE"
    kept = contracts.version(stage.ctx, b.ISSUER, b.CONTRACT, 1)
    assert [f.code for f in kept.findings] == ["VAT_IMPLAUSIBLE", "WINDOW_BEYOND_VIDA"]
    draft = b.found_contract(stage.ctx, "C-2", direction="REVERSE", party_ids=("FRABC",))
    assert (draft.status, draft.missing) == ("DRAFT", ("terms.self_billing", "issuer.emsp_parties"))


def test_the_night_tells_what_is_doubtful_and_closes_what_was_put_right(stage: Stage) -> None:
    start(stage, vat=GERMAN)

    def tell(_: Any, error: Exception) -> None:
        raise error

    for _ in range(2):
        facts.nightly(stage.ctx, tell)
    (found,) = opened(stage, ExceptionType.CONTRACT_FINDING)
    assert (found.subject, found.details["field"]) == ("C-RON#VAT_IMPLAUSIBLE", "terms.vat")
    publish(stage, date(2026, 10, 1))
    facts.nightly(stage.ctx, tell)
    assert opened(stage, ExceptionType.CONTRACT_FINDING) == []
