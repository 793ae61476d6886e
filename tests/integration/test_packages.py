"""Files and mails of an issued run, on the real writers."""

from __future__ import annotations

import csv
import email
import io
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import openpyxl
import pikepdf
import pytest

from roamclear.billing import service as billing
from roamclear.billing.model import DocumentState
from roamclear.cdrs import service as cdrs
from roamclear.console.model import Place
from roamclear.console.service import serve
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.documents import schema
from roamclear.documents.ubl import write_ubl
from roamclear.journal import service as journal
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import Conflict
from roamclear.links import service as links
from roamclear.packages import service as packages
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.fonts import with_fonts
from tests.support.moto_stack import Stage


@pytest.fixture
def issued(stage: Stage) -> Stage:
    """A stage with one issued run of five sessions, one of them left by a dispute."""
    with_fonts(stage.ctx)
    month.start(stage, vat=VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19)))
    refs = [month.push(stage, b.cdr(n)) for n in range(1, 6)]
    run = month.open_run(stage)
    disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=refs[0], reason=Reason.FRAUD))
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    billing.issue(stage.ctx, b.ISSUER, run.run_id, packages.proof(stage.ctx))
    return stage


RUN = month.REQUEST.run_id


def test_the_files_of_a_document(issued: Stage) -> None:
    keys = packages.render_documents(issued.ctx, b.ISSUER, RUN) + packages.render_sessions(issued.ctx, b.ISSUER, RUN)
    assert [k.rsplit("/", 1)[1] for k in keys] == [
        "VW-2026-000001.pdf",
        "VW-2026-000001.xml",
        "VW-2026-000001.ubl.xml",
        "VW-2026-000001.xlsx",
        "VW-2026-000001.csv",
        "VW-2026-000001.ndjson",
    ]
    bodies = {k: issued.ctx.objects.get("documents", k) for k in keys}
    again = packages.render_documents(issued.ctx, b.ISSUER, RUN) + packages.render_sessions(issued.ctx, b.ISSUER, RUN)
    assert {k: issued.ctx.objects.get("documents", k) for k in again} == bodies
    pdf = pikepdf.open(io.BytesIO(bodies[keys[0]] or b""))
    assert "factur-x.xml" in pdf.attachments
    assert b"urn:fdc:peppol.eu:2017:poacc:billing:3.0" in (bodies[keys[2]] or b"")
    book = openpyxl.load_workbook(io.BytesIO(bodies[keys[3]] or b""), data_only=True)
    names = book.sheetnames
    assert "Sessions" in names
    excluded = book[next(n for n in names if n.startswith("Not included"))]
    assert "CDR-000001" in {c.value for row in excluded.iter_rows() for c in row}


def test_the_twins_say_the_same_as_the_sheet(issued: Stage) -> None:
    found = {k.rpartition(".")[2]: issued.ctx.objects.get("documents", k) or b"" for k in render(issued)}
    header = billing.document(issued.ctx, b.ISSUER, "VW-2026-000001")
    table = list(csv.DictReader(io.StringIO(found["csv"].decode("utf-8-sig"))))
    lines = [numbers_json.loads(line) for line in found["ndjson"].splitlines()]
    sheet = openpyxl.load_workbook(io.BytesIO(found["xlsx"]), data_only=True)["Sessions"]
    body = [row for row in sheet.iter_rows(min_row=2, values_only=True) if row[3]]
    assert [r["CDR id"] for r in table] == [line["cdr_id"] for line in lines] == [row[3] for row in body]
    assert sum(Decimal(r["Net EUR"]) for r in table) == sum(line["net"] for line in lines) == header.net.to_decimal()
    assert [r["Dispute outcome"] for r in table] == [""] * 4


def test_each_session_of_the_sheet_links_to_its_trace(issued: Stage) -> None:
    key = next(k for k in render(issued) if k.endswith(".xlsx"))
    book = openpyxl.load_workbook(io.BytesIO(issued.ctx.objects.get("documents", key) or b""))
    rows = [row for row in book["Sessions"].iter_rows(min_row=2) if row[3].value]
    base = f"{issued.ctx.public_base_url}/console/cdrs/{b.PARTY}*"
    found = [row[-1].hyperlink.target for row in rows]
    assert found == [f"{base}{row[3].value}" for row in rows]
    # What the link opens is the page that shows the trace to who is signed in.
    assert {serve(Place(), urlsplit(each).path).status for each in found} == {200}


def render(issued: Stage) -> list[str]:
    return packages.render_sessions(issued.ctx, b.ISSUER, RUN)


def test_an_e_invoice_against_its_schema_is_not_issued(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with_fonts(stage.ctx)
    month.start(stage)
    month.push(stage, b.cdr(1))
    run = month.open_run(stage)
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    with monkeypatch.context() as broken:
        broken.setattr(schema, "write_ubl", lambda document: write_ubl(document).replace(b"cbc:DueDate", b"cbc:Due"))
        with pytest.raises(Conflict):
            billing.issue(stage.ctx, b.ISSUER, RUN, packages.proof(stage.ctx))
    (told,) = (e for e in journal.listed(stage.ctx, b.actor("FINANCE"), b.ISSUER) if e.kind.value == "EINVOICE_INVALID")
    assert "UBL" in told.message
    assert "Due" in told.message
    assert billing.documents(stage.ctx, b.actor("FINANCE"), b.ISSUER) == []
    assert billing.issue(stage.ctx, b.ISSUER, RUN, packages.proof(stage.ctx)).numbers == ("VW-2026-000001",)


def test_a_document_is_mailed_once_with_its_files(issued: Stage) -> None:
    packages.render_documents(issued.ctx, b.ISSUER, RUN)
    packages.render_sessions(issued.ctx, b.ISSUER, RUN)
    before = len(issued.mail.sent)
    first = packages.send(issued.ctx, b.ISSUER, RUN)
    assert packages.send(issued.ctx, b.ISSUER, RUN) == first
    assert len(issued.mail.sent) == before + 1
    mail = issued.mail.sent[-1]
    assert mail.recipients == ("finance@ronde.example",)
    parts = email.message_from_bytes(mail.raw)
    assert [p.get_filename() for p in parts.walk() if p.get_filename()] == ["VW-2026-000001.pdf", "VW-2026-000001.xlsx"]
    text = next(p for p in parts.walk() if p.get_content_type() == "text/plain").get_payload(decode=True).decode()
    assert "VW-2026-000001.csv: https://" in text
    assert "VW-2026-000001.ndjson: https://" in text
    header = billing.document(issued.ctx, b.ISSUER, "VW-2026-000001")
    assert header.state is DocumentState.SENT
    billing.finish(issued.ctx, b.ISSUER, RUN)
    assert billing.run(issued.ctx, b.ISSUER, RUN).state == "SENT"


def test_a_mailed_link_leads_to_the_file_until_it_is_over(issued: Stage) -> None:
    key = packages.render_documents(issued.ctx, b.ISSUER, RUN)[0]
    address = links.make(issued.ctx, b.ISSUER, "documents", key, "VW-2026-000001.pdf")
    assert links.make(issued.ctx, b.ISSUER, "documents", key, "VW-2026-000001.pdf") == address
    token = address.rsplit("/", 1)[1]
    assert links.follow(issued.ctx, token).status == 302
    assert links.follow(issued.ctx, "0" * 64).status == 404
    assert links.follow(issued.ctx, "../x").status == 404
    issued.clock.advance(timedelta(days=7))
    assert links.follow(issued.ctx, token).status == 403


def test_locked_sessions_do_not_change_by_processing_again(issued: Stage) -> None:
    run = billing.run(issued.ctx, b.ISSUER, RUN)
    before = [s for s, _ in billing.members(issued.ctx, run)]
    for session in before:
        cdrs.process(issued.ctx, b.ISSUER, session.cdr_ref)
    cdrs.retry_contract(issued.ctx, b.ISSUER, b.CONTRACT)
    assert [s for s, _ in billing.members(issued.ctx, run)] == before
