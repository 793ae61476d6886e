"""The supplier's word on a self-billed document as it meets it in the API, on the real tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy

import pytest

from roamclear.billing import store
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.notify.model import MailLanguage
from roamclear.notify.words import phrase
from roamclear.ocpi import reconciliation
from roamclear.packages import service as packages
from tests.integration import test_close as month
from tests.integration.test_payouts_chain import deliver
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.corrections import credited, facts_told
from tests.support.fonts import with_fonts
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import connect, served
from tests.unit.billing.test_self_billing import CPO, DEEMED, OURS, bought, closed, start


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    with environment(stage):
        yield Api(stage)


def test_an_objection_and_what_follows(api: Api) -> None:
    stage = api.stage
    start(stage, self_billing=DEEMED)
    (number,) = closed(stage, 2).numbers
    shown = api.call("GET", f"/v1/invoices/{number}", "EMSP_USER", contract_id=b.CONTRACT)
    assert (shown.body["type_code"], shown.body["self_billed"]["acceptance"]) == ("389", "AWAITED")
    path = f"/v1/invoices/{number}"
    objection = {"reason": "the meter of one session was wrong"}
    assert api.call("POST", f"{path}/object", "FINANCE", objection).status == 403
    assert api.call("POST", f"{path}/object", "EMSP_USER", objection, contract_id="C-OTHER").status == 404
    refused = api.call("POST", f"{path}/object", "EMSP_USER", {"reason": ""}, contract_id=b.CONTRACT)
    assert (refused.status, refused.body["field"]) == (422, "reason")
    for _ in range(2):
        said = api.call("POST", f"{path}/object", "EMSP_USER", objection, contract_id=b.CONTRACT)
        assert (said.status, said.body["self_billed"]["acceptance"]) == (200, "OBJECTED")
    told = api.call("GET", "/v1/exceptions", "FINANCE").body["items"]
    assert [row["document"] for row in told if row["kind"] == "SELF_BILLING_OBJECTED"] == [number]
    stage.clock.advance(timedelta(days=20))
    deliver(stage)
    assert api.call("GET", "/v1/payouts", "FINANCE").body["items"] == []
    done = api.call("POST", f"{path}/accept", "EMSP_USER", contract_id=b.CONTRACT)
    assert (done.status, done.body["self_billed"]["acceptance"]) == (200, "ACCEPTED")
    late = api.call("POST", f"{path}/object", "EMSP_USER", objection, contract_id=b.CONTRACT)
    assert (late.status, late.body["rule"]) == (409, "OBJECTION_TOO_LATE")
    deliver(stage)
    (payout,) = api.call("GET", "/v1/payouts", "FINANCE").body["items"]
    assert (payout["purchase"], payout["state"]) == (number, "READY")
    assert store.open_purchases(stage.ctx.db, b.ISSUER) == []
    told = api.call("GET", "/v1/exceptions", "FINANCE").body["items"]
    assert [row for row in told if row["kind"] == "SELF_BILLING_OBJECTED"] == []


def test_an_invoice_of_ours_is_not_accepted(api: Api) -> None:
    stage = api.stage
    month.start(stage)
    month.push(stage, b.cdr(1))
    (number,) = month.close_run(stage, month.open_run(stage)).numbers
    reply = api.call("POST", f"/v1/invoices/{number}/accept", "EMSP_USER", contract_id=b.CONTRACT)
    assert reply.status == 404


def test_the_cpo_pushes_what_we_buy_over_ocpi(stage: Stage) -> None:
    start(stage)
    with served(stage.ctx):
        partner = connect(stage.ctx, CPO)
        body = bought(1)
        stage.clock.set(month.OPENS - timedelta(days=5))
        reply = partner.push(body, headers={"ocpi-to-country-code": OURS[:2], "ocpi-to-party-id": OURS[2:]})
        assert reply.code == 1000, reply.text

    made = cdrs.process(stage.ctx, b.ISSUER, f"{CPO}*{body['id']}")
    assert made.reasons == ()
    assert (made.billing, made.contract_id, made.emsp_party) == (Billing.VERIFIED, b.CONTRACT, OURS)


def test_the_cpo_pulls_which_of_its_cdrs_stand_on_which_self_billed_document(stage: Stage) -> None:
    """OCPI 2.3.0 ed2, reverse billing: the record belongs to our eMSP party and is read by the CPO."""
    start(stage)
    (number,) = closed(stage, 2).numbers
    facts_told(stage.ctx, stage)
    credited(stage, number, cdr_refs=(f"{CPO}*CDR-000001",))
    path = "/ocpi/2.3.0/invoicereconciliation"
    with served(stage.ctx):
        found = connect(stage.ctx, CPO, "CPO", ocpi_version="2.3.0").call("GET", path)
        others = [
            connect(stage.ctx, "FRXYZ", "CPO").call("GET", path).data,
            connect(stage.ctx, "NLRON", "EMSP").call("GET", path).data,
            connect(stage.ctx, CPO, "EMSP").call("GET", path).data,
            connect(stage.ctx, CPO, "CPO", sandbox=True).call("GET", path).data,
        ]
    assert found.code == 1000, found.text
    told = [(r["country_code"] + r["party_id"], r["id"], r["invoice_id"], r["cdrs"]) for r in found.data]
    assert told == [
        (OURS, number, number, ["CDR-000001", "CDR-000002"]),
        (OURS, "VWH-2026-000001", "VWH-2026-000001", ["CDR-000001"]),
    ]
    assert others == [[], [], [], []]
    assert reconciliation.publish_invoice(stage.ctx, b.ISSUER, number) == 0, "made once for ever"


def test_two_cpos_of_a_contract_read_their_own_ids_only(stage: Stage) -> None:
    start(stage, party_ids=(CPO, "FRXYZ"))
    for each in (bought(1), bought(2) | {"party_id": "XYZ"}):
        month.push(stage, each)
    (number,) = month.close_run(stage, month.open_run(stage)).numbers
    facts_told(stage.ctx, stage)
    path = "/ocpi/2.3.0/invoicereconciliation"
    with served(stage.ctx):
        lists = [connect(stage.ctx, party, "CPO").call("GET", path).data for party in (CPO, "FRXYZ")]
    assert [[(r["id"], r["cdrs"]) for r in told] for told in lists] == [
        [(number, ["CDR-000001"])],
        [(f"{number}-2", ["CDR-000002"])],
    ]


@pytest.mark.parametrize(
    ("language", "subjects"),
    [
        ("EN", ("Self-billing invoice VWG-2026-000001", "Self-billing credit note VWH-2026-000001")),
        ("DE", ("Gutschrift VWG-2026-000001", "Korrektur VWH-2026-000001 zur Gutschrift")),
        ("FR", ("Autofacture VWG-2026-000001", "Avoir sur autofacture VWH-2026-000001")),
        ("NL", ("Factuur uitgereikt door afnemer VWG-2026-000001", "Creditnota uitgereikt door afnemer VWH-2026-")),
    ],
)
def test_the_cpo_is_written_to_as_the_supplier(stage: Stage, language: str, subjects: tuple[str, str]) -> None:
    with_fonts(stage.ctx)
    start(stage, language=language, self_billing=DEEMED)
    run = closed(stage, 2)
    facts_told(stage.ctx, stage)
    made = credited(stage, run.numbers[0], cdr_refs=(f"{CPO}*CDR-000001",))
    for run_id in (run.run_id, made.run_id):
        for _ in range(2):
            packages.render_documents(stage.ctx, b.ISSUER, run_id)
            packages.render_sessions(stage.ctx, b.ISSUER, run_id)
            packages.send(stage.ctx, b.ISSUER, run_id)
    house, opened, *sent = [message_from_bytes(mail.raw, policy=policy.default) for mail in stage.mail.sent]
    assert len(sent) == 2, "twice asked for, once sent"
    assert house["To"] == "finance@voltwerk.example"
    assert str(house["Subject"]).startswith("Bornes Libres SAS, 01/10/2026"), "in the language of the house"
    said = phrase("WINDOW_OPENED.subject.PURCHASE", MailLanguage(language), period="").rpartition(":")[2]
    assert str(opened["Subject"]).endswith(said)
    for mail, subject in zip(sent, subjects, strict=True):
        assert str(mail["Subject"]).startswith(subject)
        part = mail.get_body(("plain",))
        assert part is not None
        told = part.get_content()
        assert phrase("row.accept_by", MailLanguage(language)) in told
        assert "24:00 (Europe/Berlin)" in told
        assert phrase("row.reference", MailLanguage(language)) not in told, "the supplier pays nothing"
