"""Copies that are sent again, and e-invoices that go through an access point (product.md rows 63, 133)."""

from __future__ import annotations

import email
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from email.policy import SMTP
from typing import Any

import pikepdf
import pypdf
import pytest

from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.deliveries import service as deliveries
from roamclear.deliveries.model import Failure, What
from roamclear.documents.ubl import write_ubl
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionRow, ExceptionType
from roamclear.kernel.errors import Forbidden, InvalidInput, NotFound, Unavailable
from roamclear.links import service as links
from roamclear.mode import service as mode
from roamclear.packages import access_point, courier, resend, store
from roamclear.packages import service as packages
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.crashing import Fuse, mortal, survives
from tests.support.fonts import with_fonts
from tests.support.handlers import call, on, sample
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage

RUN = month.REQUEST.run_id
NUMBER = "VW-2026-000001"
FOLDER = f"{b.ISSUER}/{RUN}"


def issue(stage: Stage, **terms: Any) -> Stage:
    """One run of two sessions, issued, drawn and sent."""
    with_fonts(stage.ctx)
    month.start(stage, **terms)
    for n in (1, 2):
        month.push(stage, b.cdr(n))
    run = month.open_run(stage)
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    billing.issue(stage.ctx, b.ISSUER, run.run_id, packages.proof(stage.ctx))
    packages.render_documents(stage.ctx, b.ISSUER, RUN)
    packages.render_sessions(stage.ctx, b.ISSUER, RUN)
    packages.send(stage.ctx, b.ISSUER, RUN)
    return stage


@pytest.fixture
def sent() -> Stage:
    return issue(fresh())


def failures(stage: Stage) -> list[ExceptionRow]:
    """Open exceptions about deliveries."""
    found = journal.listed(stage.ctx, b.actor("FINANCE"), b.ISSUER)
    return [e for e in found if e.kind is ExceptionType.DELIVERY_FAILED]


def files_of(raw: bytes) -> list[str]:
    return [str(p.get_filename()) for p in email.message_from_bytes(raw, policy=SMTP).walk() if p.get_filename()]


# ---- copies --------------------------------------------------------------------------------------------------------
def test_a_copy_is_marked_mailed_logged_and_leaves_the_original_alone(sent: Stage) -> None:
    original = sent.ctx.objects.get("documents", f"{FOLDER}/{NUMBER}.pdf")
    finance, before = b.actor("FINANCE"), len(sent.mail.sent)
    made = resend.ask(sent.ctx, finance, b.ISSUER, NUMBER, ("board@ronde.example",), "ask-1")
    assert (made.state, len(sent.mail.sent)) == ("ASKED", before)
    assert courier.work(sent.ctx)["copies"] == 1
    mail = sent.mail.sent[-1]
    assert mail.recipients == ("board@ronde.example",)
    assert str(email.message_from_bytes(mail.raw, policy=SMTP)["Subject"]).startswith("COPY: ")
    assert files_of(mail.raw) == [f"{NUMBER}-COPY.pdf", f"{NUMBER}.xlsx"]
    copy = sent.ctx.objects.get("documents", f"{FOLDER}/copies/{NUMBER}-COPY.pdf") or b""
    assert all("COPY" in page.extract_text() for page in pypdf.PdfReader(io.BytesIO(copy)).pages)
    with pikepdf.open(io.BytesIO(copy)) as pdf:
        attached = pdf.attachments["factur-x.xml"].get_file().read_bytes()
    assert attached == sent.ctx.objects.get("documents", f"{FOLDER}/{NUMBER}.xml")
    assert sent.ctx.objects.get("documents", f"{FOLDER}/{NUMBER}.pdf") == original
    told = [(line.what, line.by) for line in deliveries.log(sent.ctx, b.ISSUER, NUMBER)]
    assert (What.COPY_ASKED, finance.actor_id) in told
    assert [what for what, _ in told].count(What.MAILED) == 2
    (entry,) = audit.history(sent.ctx, b.ISSUER, "DOCUMENT_COPY", NUMBER)
    assert entry.action == "COPY_ASKED"


def test_the_same_request_is_one_copy_and_a_double_click_too(sent: Stage) -> None:
    finance, before = b.actor("FINANCE"), len(sent.mail.sent)
    for request in ("ask-1", "ask-1", "", ""):
        resend.ask(sent.ctx, finance, b.ISSUER, NUMBER, request_id=request)
    assert courier.work(sent.ctx)["copies"] == 2
    assert courier.work(sent.ctx)["copies"] == 0
    assert len(sent.mail.sent) == before + 2
    assert sent.mail.sent[-1].recipients == ("finance@ronde.example",)


@pytest.mark.parametrize("after", [False, True])
def test_a_copy_outlives_a_crash_at_every_effect(after: bool) -> None:
    place, died = 0, True
    stage = issue(fresh())
    while died:
        name = f"ask-{place}"
        resend.ask(stage.ctx, b.actor("FINANCE"), b.ISSUER, NUMBER, request_id=name)
        before = len(stage.mail.sent)
        with survives() as dead:
            courier.work(mortal(stage.ctx, Fuse(left=place, after=after)))
        died, place = bool(dead), place + 1
        courier.work(stage.ctx)
        assert store.waiting(stage.ctx.db, b.ISSUER) == []
        mails = {email.message_from_bytes(m.raw, policy=SMTP)["Message-ID"] for m in stage.mail.sent[before:]}
        assert len(mails) == 1, "what was handed over twice is the same mail"
        copy = store.find(stage.ctx.db, b.ISSUER, NUMBER, name)
        assert copy is not None
        assert copy.state == "SENT"
    assert place > 4
    assert failures(stage) == []


def test_a_copy_to_another_contact_closes_what_came_back(sent: Stage) -> None:
    (message,) = (e.entry_id[5:] for e in deliveries.log(sent.ctx, b.ISSUER, NUMBER) if e.what is What.MAILED)
    gone = Failure(event_id="e", message_id=message, what=What.BOUNCED, recipients=("finance@ronde.example",),
                   at_utc=sent.ctx.now())  # fmt: skip
    deliveries.take(sent.ctx, gone)
    assert len(failures(sent)) == 1
    resend.ask(sent.ctx, b.actor("FINANCE"), b.ISSUER, NUMBER, ("board@ronde.example",))
    courier.work(sent.ctx)
    assert failures(sent) == []


def test_a_mail_service_that_refuses_is_told_and_tried_again(sent: Stage) -> None:
    class Refusing:
        def send(self, raw: bytes, **to: Any) -> str:
            raise Unavailable("no mail today")

    mailer = sent.ctx.mailer
    resend.ask(sent.ctx, b.actor("FINANCE"), b.ISSUER, NUMBER)
    object.__setattr__(sent.ctx, "mailer", Refusing())
    with pytest.raises(Unavailable):
        courier.work(sent.ctx)
    assert len(failures(sent)) == 1
    object.__setattr__(sent.ctx, "mailer", mailer)
    assert courier.work(sent.ctx)["copies"] == 1
    assert failures(sent) == []


def test_a_stage_in_recovery_sends_no_copy(sent: Stage) -> None:
    resend.ask(sent.ctx, b.actor("FINANCE"), b.ISSUER, NUMBER)
    mode.enter(sent.ctx, "a test")
    assert courier.work(sent.ctx)["copies"] == 0
    mode.lift(sent.ctx)
    assert courier.work(sent.ctx)["copies"] == 1


@pytest.mark.parametrize(
    ("contacts", "request_id"),
    [(("nobody",), ""), (("a@b.example, c@d.example",), ""), (("a@b.example",) * 11, ""), ((), "a b"), ((), "x" * 65)],
)
def test_bad_input_is_named(sent: Stage, contacts: tuple[str, ...], request_id: str) -> None:
    with pytest.raises(InvalidInput) as error:
        resend.ask(sent.ctx, b.actor("FINANCE"), b.ISSUER, NUMBER, contacts, request_id)
    assert error.value.details["field"] == ("request_id" if request_id else "contacts")


def test_who_may_ask(sent: Stage) -> None:
    for actor in (b.emsp_user(), b.actor("VIEWER")):
        with pytest.raises(Forbidden):
            resend.ask(sent.ctx, actor, b.ISSUER, NUMBER)
    with pytest.raises(NotFound):
        resend.ask(sent.ctx, b.actor("FINANCE"), b.ISSUER, "VW-2026-000009")


# ---- access point --------------------------------------------------------------------------------------------------
@pytest.fixture
def submitted() -> Stage:
    return issue(fresh(), delivery_channel="ACCESS_POINT")


def report(stage: Stage, name: str, **content: Any) -> None:
    told = {"ticket": NUMBER, "status": "ACCEPTED", "at": "2026-11-10T08:00:00Z"} | content
    body = json.dumps({k: v for k, v in told.items() if v is not None}).encode()
    stage.ctx.objects.put("exports", f"{access_point.IN}/{b.ISSUER}/{name}.json", body, "application/json")


def test_the_e_invoice_goes_to_the_access_point_and_the_mail_is_the_notice(submitted: Stage) -> None:
    ctx = submitted.ctx
    name = f"{access_point.OUT}/{b.ISSUER}/{NUMBER}"
    ubl = ctx.objects.get("exports", f"{name}.ubl.xml") or b""
    assert ubl == write_ubl(billing.document_model(ctx, billing.document(ctx, b.ISSUER, NUMBER)))
    assert ubl == ctx.objects.get("documents", f"{FOLDER}/{NUMBER}.ubl.xml")
    ticket = json.loads(ctx.objects.get("exports", f"{name}.json") or b"")
    assert ticket["receiver"] == {"scheme": "9944", "id": "NL002455799B11"}
    assert (ticket["ticket"], ticket["size"]) == (NUMBER, len(ubl))
    packages.send(ctx, b.ISSUER, RUN)
    log = [line.what for line in deliveries.log(ctx, b.ISSUER, NUMBER)]
    assert sorted(log) == [What.MAILED, What.SUBMITTED]


def test_a_contract_by_mail_leaves_nothing_for_the_access_point(sent: Stage) -> None:
    assert list(sent.ctx.objects.keys("exports", access_point.OUT)) == []


def test_statuses_are_logged_once_in_the_order_of_their_instants(submitted: Stage) -> None:
    report(submitted, "b", status="DELIVERED", at="2026-11-10T09:00:00+00:00")
    report(submitted, "c")
    assert courier.work(submitted.ctx) == {"copies": 0, "taken": 2, "quarantined": 0}
    assert courier.work(submitted.ctx) == {"copies": 0, "taken": 0, "quarantined": 0}
    log = [line.what for line in deliveries.log(submitted.ctx, b.ISSUER, NUMBER)]
    assert log[-2:] == [What.ACCEPTED, What.DELIVERED]
    assert failures(submitted) == []


@pytest.mark.parametrize("after", [False, True])
def test_a_status_outlives_a_crash_at_every_effect(after: bool) -> None:
    place, died = 0, True
    while died:
        stage = issue(fresh(), delivery_channel="ACCESS_POINT")
        report(stage, "a", status="REJECTED", reason="not registered")
        with survives() as dead:
            courier.work(mortal(stage.ctx, Fuse(left=place, after=after)))
        died, place = bool(dead), place + 1
        courier.work(stage.ctx)
        assert [line.what for line in deliveries.log(stage.ctx, b.ISSUER, NUMBER)].count(What.REJECTED) == 1
        assert len(failures(stage)) == 1
        assert courier.work(stage.ctx)["taken"] == 0
    assert place > 2


def test_a_rejection_is_an_exception_with_its_reason(submitted: Stage) -> None:
    report(submitted, "a", status="REJECTED", reason="the receiver is not registered")
    courier.work(submitted.ctx)
    (told,) = failures(submitted)
    assert told.document == NUMBER
    assert "the receiver is not registered" in told.message


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"ticket": "VW-2026-000099"}, "no such document"),
        ({"ticket": None}, "ticket"),
        ({"status": "MAYBE"}, "status"),
        ({"status": "REJECTED"}, "reason"),
        ({"at": "2026-11-10T08:00:00"}, "at"),
        ({"at": "yesterday"}, "at"),
        ({"reason": "x" * 501}, "reason"),
    ],
)
def test_a_bad_status_file_is_set_aside_with_its_reason(submitted: Stage, content: dict[str, Any], field: str) -> None:
    report(submitted, "bad", **content)
    report(submitted, "good")
    assert courier.work(submitted.ctx) == {"copies": 0, "taken": 1, "quarantined": 1}
    assert courier.work(submitted.ctx)["quarantined"] == 0
    (told,) = failures(submitted)
    assert field in told.message


@pytest.mark.parametrize("body", [b"", b"<xml/>", b"[]", b"{", b" " * 200_000])
def test_other_files_are_set_aside(submitted: Stage, body: bytes) -> None:
    submitted.ctx.objects.put("exports", f"{access_point.IN}/{b.ISSUER}/x", body, "text/plain")
    assert courier.work(submitted.ctx)["quarantined"] == 1


def test_a_status_of_a_document_that_went_by_mail_is_set_aside(sent: Stage) -> None:
    report(sent, "a")
    assert courier.work(sent.ctx)["quarantined"] == 1


# ---- by API and by schedule ----------------------------------------------------------------------------------------
@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    issue(stage)
    with environment(stage):
        yield Api(stage)


def test_a_copy_by_api_and_its_function(api: Api) -> None:
    path = f"/v1/invoices/{NUMBER}"
    body = {"contacts": ["board@ronde.example"], "request_id": "ask-1"}
    for _ in range(2):
        asked = api.call("POST", f"{path}/resend", "FINANCE", body)
        assert (asked.status, asked.body["state"]) == (202, "ASKED")
    assert api.call("POST", f"{path}/resend", "EMSP_USER", body, contract_id=b.CONTRACT).status == 403
    assert api.call("POST", f"{path}/resend", "FINANCE", {"to": "x"}).status == 422
    with on(api.stage.ctx):
        done = [call("deliver_documents", sample("deliver_documents", name)) for name in ("schedule", "by_hand")]
    assert [one["copies"] for one in done] == [1, 0]
    items = api.call("GET", f"{path}/deliveries", "VIEWER").body["items"]
    assert [item["what"] for item in items].count("MAILED") == 2
    assert api.call("GET", f"{path}/deliveries", "EMSP_USER", contract_id="C-ELSE").status == 404
    names = [f["name"] for f in api.call("GET", path, "VIEWER").body["files"]]
    assert names == sorted(f"{NUMBER}.{kind}" for kind in ("csv", "ndjson", "pdf", "ubl.xml", "xlsx", "xml"))
    shown = api.call("GET", "/v1/links", "FINANCE", file=f"{NUMBER}-COPY").body["items"]
    assert [link["filename"] for link in shown] == [f"{NUMBER}-COPY.pdf"]
    assert timedelta(days=7) == links.LIFE
