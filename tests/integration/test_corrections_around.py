"""What stands around a correction: who was paid, the files, the lock's manifest, categories apart, fees, the API."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from roamclear.billing import manifest, store
from roamclear.billing import service as billing
from roamclear.billing.model import DocumentState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.adjustments import body_ref
from roamclear.cdrs.model import Billing
from roamclear.cdrs.rerating import invalidate
from roamclear.contracts.fees import Fee, FeeKind
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.documents.checks import missing
from roamclear.evses import service as evses
from roamclear.kernel.errors import Conflict
from roamclear.packages import service as packages
from roamclear.payouts import service as payouts
from tests.integration.test_close import close_run, open_run, push, start
from tests.support import builders as b
from tests.support import memory_stage, payees
from tests.support.api import Api, Reply, environment
from tests.support.corrections import (
    CHECKER,
    INVOICE,
    MAKER,
    credited,
    document,
    euros,
    facts_told,
    invoiced,
    november,
    play,
    proved,
    ref,
    session,
)
from tests.support.fonts import with_fonts
from tests.support.moto_stack import Stage
from tests.support.moto_stack import stage as moto_stage

NOTE = "VWC-2026-000001"
PARTNER = "DE*VWK*E777"
STANDARD = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage in memory with fonts."""
    with memory_stage.stage() as made:
        with_fonts(made.ctx)
        yield made


# ---- who is paid ---------------------------------------------------------------------------------------------------
def partners_october(stage: Stage) -> None:
    """Three invoiced sessions of a partner that gets 80 percent."""
    start(stage)
    evses.create_account(stage.ctx, MAKER, b.ISSUER, "SUB-1", "Partner", payees.terms())
    evses.approve_account(stage.ctx, CHECKER, b.ISSUER, "SUB-1")
    evses.register_location(stage.ctx, b.ISSUER, b.PARTY, b.location(PARTNER, number=7))
    asked = evses.assign(stage.ctx, MAKER, b.ISSUER, [PARTNER], "SUB-1")
    evses.approve_assignment(stage.ctx, CHECKER, b.ISSUER, asked.request_id)
    for number in (1, 2, 3):
        push(stage, b.cdr(number, evse=PARTNER))
    close_run(stage, open_run(stage))
    facts_told(stage.ctx, stage)


def shares(stage: Stage) -> int:
    """What the partner gets of everything that was accrued and not stated yet."""
    made = payouts.close_cycle(stage.ctx, MAKER, b.ISSUER, stage.ctx.now())
    proved(stage)
    return sum(p.share.amount_minor for p in made if p.account_id == "SUB-1")


def test_named_sessions_are_clawed_back(stage: Stage) -> None:
    partners_october(stage)
    assert shares(stage) == 3 * 664
    credited(stage, cdr_refs=(ref(1),))
    assert shares(stage) == -664


def test_goodwill_is_borne_by_the_house(stage: Stage) -> None:
    partners_october(stage)
    assert shares(stage) == 3 * 664
    credited(stage, amount=euros(500))
    assert shares(stage) == 0


def test_what_is_billed_again_takes_nothing_and_gives_nothing(stage: Stage) -> None:
    partners_october(stage)
    assert shares(stage) == 3 * 664
    credited(stage, bill_again=True)
    assert shares(stage) == 0
    november(stage)
    assert shares(stage) == 0


def test_a_cancellation_for_good_is_clawed_back(stage: Stage) -> None:
    partners_october(stage)
    assert shares(stage) == 3 * 664
    credited(stage)
    assert shares(stage) == -3 * 664


# ---- files, mail, manifest -----------------------------------------------------------------------------------------
def test_the_files_of_a_credit_note_name_the_corrected_document(stage: Stage) -> None:
    invoiced(stage, vat=STANDARD)
    credited(stage, amount=euros(100))
    run_id = document(stage, NOTE).run_id
    keys = packages.render_documents(stage.ctx, b.ISSUER, run_id) + packages.render_sessions(
        stage.ctx, b.ISSUER, run_id
    )
    assert {k.rsplit(".", 1)[1] for k in keys} == {"pdf", "xml", "xlsx", "csv", "ndjson"}
    listed = next(stage.ctx.objects.get("documents", k) for k in keys if k.endswith(".csv"))
    assert listed is not None
    text = listed.decode("utf-8-sig")
    assert text.count(INVOICE) == 3
    assert "agreed by telephone" in text
    assert list(csv.reader(io.StringIO(text)))
    xml = next(stage.ctx.objects.get("documents", k) for k in keys if k.endswith(f"{NOTE}.xml"))
    assert xml is not None
    assert INVOICE in xml.decode()
    assert len(packages.send(stage.ctx, b.ISSUER, run_id)) == 1
    assert document(stage, NOTE).sent_at_utc is not None


def test_sessions_that_are_billed_again_are_listed_with_their_body(stage: Stage) -> None:
    invoiced(stage)
    credited(stage, bill_again=True)
    run = november(stage)
    keys = packages.render_sessions(stage.ctx, b.ISSUER, run.run_id)
    listed = next(stage.ctx.objects.get("documents", k) for k in keys if k.endswith(".csv"))
    assert listed is not None
    assert all(f"CDR-00000{n}" in listed.decode("utf-8-sig") for n in (1, 2, 3))


def test_the_lock_of_a_correction_verifies_with_the_bodies_behind_it(stage: Stage) -> None:
    invoiced(stage)
    credited(stage, cdr_refs=(ref(1), ref(2)))
    run_id = document(stage, NOTE).run_id
    kept = stage.ctx.objects.get("archive", f"{b.ISSUER}/locks/{run_id}.json")
    assert kept is not None
    rows = [s for s, _ in billing.members(stage.ctx, billing.run(stage.ctx, b.ISSUER, run_id))]
    bodies = cdrs.originals(stage.ctx, b.ISSUER, {body_ref(s) for s in rows})
    verdict = manifest.verify(manifest.read(kept), [zlib.decompress(body.raw) for body in bodies.values()])
    assert (verdict.holds, verdict.members, verdict.checked) == (True, 2, 2)


# ---- categories apart, fees ----------------------------------------------------------------------------------------
def test_a_correction_names_the_document_of_its_own_category(stage: Stage) -> None:
    start(stage, vat=STANDARD)
    push(stage, b.cdr(1))
    b.found_contract(
        stage.ctx,
        valid_from=date(2026, 10, 20),
        vat=VatTreatment(category=VatCategory.OUTSIDE_SCOPE, reason="Outside the scope of VAT"),
    )
    push(stage, b.cdr(200))
    run = close_run(stage, open_run(stage))
    facts_told(stage.ctx, stage)
    assert len(run.numbers) == 2
    taxed, outside = (document(stage, number) for number in run.numbers)
    assert (taxed.categories, outside.categories) == (("S",), ("O",))
    credited(stage, outside.number, cdr_refs=(ref(200),))
    model = billing.document_model(stage.ctx, document(stage, NOTE))
    assert [p.number for p in model.preceding] == [outside.number]
    assert {line.vat_category.value for line in model.lines} == {"O"}
    assert missing(model) == []
    assert document(stage, taxed.number).open_amount == taxed.gross
    proved(stage)


def test_adjustments_of_both_categories_get_a_credit_note_each(stage: Stage) -> None:
    """A run of nothing but credits: what cannot share a document gets its own 381 (rules.md 7)."""
    start(stage, vat=STANDARD)
    push(stage, b.cdr(1))
    b.found_contract(
        stage.ctx,
        valid_from=date(2026, 10, 20),
        vat=VatTreatment(category=VatCategory.OUTSIDE_SCOPE, reason="Outside the scope of VAT"),
    )
    push(stage, b.cdr(200))
    first = close_run(stage, open_run(stage))
    facts_told(stage.ctx, stage)
    for number in (1, 200):
        original = b.cdr(number)
        total = {"excl_vat": -original["total_cost"]["excl_vat"]}
        credit = {"id": f"{original['id']}-C", "credit": True, "credit_reference_id": original["id"]}
        push(stage, original | credit | {"total_cost": total})
    run = november(stage)
    notes = [billing.document_model(stage.ctx, document(stage, number)) for number in run.numbers]
    assert [document(stage, number).type_code for number in run.numbers] == ["381", "381"]
    assert [[p.number for p in note.preceding] for note in notes] == [[number] for number in first.numbers]
    assert [{line.vat_category.value for line in note.lines} for note in notes] == [{"S"}, {"O"}]
    proved(stage)


def test_a_cancellation_credits_the_fees_of_its_document(stage: Stage) -> None:
    fee = Fee(code="TX", name="Clearing", kind=FeeKind.PER_SESSION, price=Decimal("0.25"), vat=STANDARD)
    header = invoiced(stage, vat=STANDARD, fees=(fee,))
    assert header.net == euros(2490 + 75)
    credited(stage, bill_again=True)
    note = document(stage, NOTE)
    assert (note.net, note.gross) == (-header.net, -header.gross)
    assert document(stage, INVOICE).state is DocumentState.CANCELLED
    proved(stage)
    assert document(stage, november(stage).numbers[0]).net == euros(2490 + 75)
    proved(stage)


# ---- rows of our own -----------------------------------------------------------------------------------------------
def test_a_row_of_our_own_is_neither_processed_nor_withdrawn(stage: Stage) -> None:
    invoiced(stage)
    credited(stage, cdr_refs=(ref(1),))
    row = next(s for s, _ in billing.members(stage.ctx, billing.run(stage.ctx, b.ISSUER, document(stage, NOTE).run_id)))
    assert cdrs.process(stage.ctx, b.ISSUER, row.cdr_ref) == row
    with pytest.raises(Conflict, match="another correction"):
        invalidate(stage.ctx, MAKER, b.ISSUER, row.cdr_ref, "no longer wanted")
    assert session(stage, ref(1)).billing is Billing.LOCKED


# ---- the API -------------------------------------------------------------------------------------------------------
def test_the_api_from_preparation_to_the_chain() -> None:
    with moto_stage() as stage, environment(stage):
        invoiced(stage, vat=STANDARD)
        api = Api(stage)

        def call(method: str, path: str, role: str, body: Any = None) -> Reply:
            return api.call(method, f"/v1{path}", role, body)

        wanted = {"invoice": INVOICE, "cdr_refs": [ref(1)], "reason": "wrong meter"}
        assert call("POST", "/creditnotes", "FINANCE", wanted | {"whole": True}).body["field"] == "whole"
        assert call("POST", "/creditnotes", "FINANCE", wanted | {"sessions": 1}).status == 422
        assert call("POST", "/creditnotes", "VIEWER", wanted).status == 403
        made = call("POST", "/creditnotes", "FINANCE", wanted)
        assert (made.status, made.body["state"]) == (201, "PREPARED")
        path = f"/creditnotes/{made.body['correction_id']}"
        assert call("POST", f"{path}/approve", "FINANCE").status == 403
        assert call("POST", f"{path}/approve", "FINANCE_APPROVER").body["state"] == "APPROVED"
        play(stage.ctx, stage)
        done = call("GET", path, "VIEWER").body
        assert (done["state"], done["note"]) == ("ISSUED", NOTE)
        assert [c["correction_id"] for c in call("GET", "/creditnotes", "VIEWER").body["items"]] == [
            made.body["correction_id"]
        ]
        chain = call("GET", f"/invoices/{INVOICE}", "VIEWER").body
        assert (chain["corrected_by"], chain["open_amount"]["amount_minor"]) == ([NOTE], 1975)
        whole = {"invoice": INVOICE, "whole": True, "bill_again": True, "reason": "wrong buyer"}
        made = call("POST", "/creditnotes", "FINANCE", whole)
        rejected = call("POST", f"/creditnotes/{made.body['correction_id']}/reject", "FINANCE", {"reason": "not now"})
        assert rejected.body["state"] == "REJECTED"
        assert len(store.documents(stage.ctx.db, b.ISSUER)) == 2
