"""Statements and self-billed documents as files, and the functions that write them."""

from __future__ import annotations

import email
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from unittest import mock

import openpyxl
import pikepdf
import pytest

from functions.export_payments import handler as export_payments
from functions.render_payout_statement import handler as render_statement
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.documents.checks import missing
from roamclear.documents.model import InvoiceDocument
from roamclear.evses import service as evses
from roamclear.identity.model import system
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.payouts import mails, rendering
from roamclear.payouts import service as payouts
from roamclear.payouts.model import Payout
from tests.support.api import LAMBDA
from tests.support.fonts import with_fonts
from tests.support.moto_stack import Stage
from tests.support.payees import CHECKER, ISSUER, MAKER, chargers, issuer, own_terms, session, terms

SYSTEM = system("close", ISSUER)


@pytest.fixture
def house(stage: Stage) -> Stage:
    """An issuer with an external and an own account."""
    with_fonts(stage.ctx)
    issuer(stage.ctx)
    chargers(stage.ctx, 3)
    evses.create_account(stage.ctx, MAKER, ISSUER, "P1", "Partner 1", terms(language="DE"))
    evses.approve_account(stage.ctx, CHECKER, ISSUER, "P1")
    evses.create_account(stage.ctx, MAKER, ISSUER, "OWN", "Our own", own_terms())
    stage.clock.set(datetime(2026, 11, 10, 9, tzinfo=UTC))
    return stage


def close(ctx: Context, run: str, *cents: int, account: str = "P1") -> Payout:
    payouts.accrue(ctx, ISSUER, run, [session(n, c, account=account) for n, c in enumerate(cents)])
    (made,) = payouts.close_cycle(ctx, SYSTEM, ISSUER, ctx.now())
    return made


def model(ctx: Context, of: Payout) -> InvoiceDocument:
    kept = ctx.objects.get("documents", of.model_key or "")
    assert kept is not None
    return InvoiceDocument.load(numbers_json.loads(kept))


def test_a_payout_is_drawn_once_and_its_rows_sum_to_it(house: Stage) -> None:
    ctx = house.ctx
    made = close(ctx, "R1", 10_01, 3_33, -50, 7)
    assert rendering.render_due(ctx, ISSUER) == [made.payout_id]
    assert rendering.render_due(ctx, ISSUER) == []
    files = payouts.files(payouts.payout(ctx, ISSUER, made.payout_id))
    assert sorted(files) == [
        "ACG-2026-000001.pdf",
        "ACG-2026-000001.ubl.xml",
        "ACG-2026-000001.xml",
        "PO-P1-0001.pdf",
        "PO-P1-0001.xlsx",
    ]
    bodies = {name: ctx.objects.get("documents", key) for name, key in files.items()}
    book = openpyxl.load_workbook(io.BytesIO(bodies["PO-P1-0001.xlsx"] or b""))
    cells = [[cell.value for cell in row] for row in book.worksheets[1].iter_rows()]
    nets = [row[-2] if not isinstance(row[-1], int | float) else row[-1] for row in cells[1:]]
    assert round(sum(n for n in nets[: made.sessions] if isinstance(n, int | float)) * 100) == made.pay.amount_minor
    with pikepdf.open(io.BytesIO(bodies["ACG-2026-000001.pdf"] or b"")) as pdf:
        assert "factur-x.xml" in pdf.attachments
    assert b"<ram:TypeCode>389</ram:TypeCode>" in (bodies["ACG-2026-000001.xml"] or b"")
    assert b"Parkhaus M" in (bodies["ACG-2026-000001.xml"] or b"")


def test_the_documents_may_be_issued(house: Stage) -> None:
    ctx = house.ctx
    first = model(ctx, close(ctx, "R1", 50_00))
    assert missing(first) == []
    assert (first.type_code.value, first.totals.net.amount_minor, first.totals.tax.amount_minor) == ("389", 4000, 760)
    assert (first.seller.name, first.buyer.name) == ("Parkhaus Müller GmbH", "Acme Charging GmbH")
    second = model(ctx, close(ctx, "R2", -20_00))
    assert missing(second) == []
    assert (second.type_code.value, second.totals.net.amount_minor) == ("261", 1600)
    assert [p.number for p in second.preceding] == ["ACG-2026-000001"]
    rendering.render_due(ctx, ISSUER)


def test_reverse_charge_states_its_reason(house: Stage) -> None:
    ctx = house.ctx
    reverse = VatTreatment(category=VatCategory.REVERSE_CHARGE, rate_percent=Decimal(0), reason="Reverse charge")
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(vat=reverse))
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    made = close(ctx, "R1", 50_00)
    assert (made.vat.amount_minor, made.pay.amount_minor) == (0, 4000)
    drawn = model(ctx, made)
    assert missing(drawn) == []
    assert [row.reason and row.reason.code for row in drawn.vat] == ["VATEX-EU-AE"]


def test_an_own_account_has_a_statement_only(house: Stage) -> None:
    ctx = house.ctx
    made = close(ctx, "R1", 50_00, 1, account="OWN")
    rendering.render_due(ctx, ISSUER)
    assert sorted(payouts.files(payouts.payout(ctx, ISSUER, made.payout_id))) == ["PO-OWN-0001.pdf", "PO-OWN-0001.xlsx"]


def test_a_statement_is_mailed_once_with_its_files(house: Stage) -> None:
    ctx = house.ctx
    made = close(ctx, "R1", 50_00)
    assert mails.send_due(ctx, ISSUER) == 0
    rendering.render_due(ctx, ISSUER)
    assert [mails.send_due(ctx, ISSUER) for _ in range(2)] == [1, 0]
    (sent,) = house.mail.sent
    message = email.message_from_bytes(sent.raw)
    assert sent.recipients == ("pay@parkhaus.example",)
    names = {part.get_filename() for part in message.walk() if part.get_filename()}
    assert {"PO-P1-0001.pdf", "PO-P1-0001.xlsx", "ACG-2026-000001.pdf"} <= names
    assert mails.send_statement(ctx, ISSUER, made.payout_id) is False


def test_the_functions_do_what_is_due(house: Stage) -> None:
    ctx = house.ctx
    close(ctx, "R1", 50_00)
    made = payouts.make_batch(ctx, MAKER, ISSUER, date(2026, 11, 20))
    payouts.approve_batch(ctx, CHECKER, ISSUER, made.batch_id, made.digest)
    with mock.patch.object(render_statement, "compose", return_value=ctx):
        assert render_statement.handler({}, LAMBDA) == {"drawn": ["PO-P1-0001"]}
        assert render_statement.handler({"issuer_id": ISSUER}, LAMBDA) == {"drawn": []}
    with mock.patch.object(export_payments, "compose", return_value=ctx):
        (file,) = export_payments.handler({"source": "aws.events"}, LAMBDA)["files"]
        assert file["file_key"] == f"{ISSUER}/pain.001/{made.batch_id}.xml"
        assert export_payments.handler({}, LAMBDA) == {"files": []}
