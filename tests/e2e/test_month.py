"""A small month on the laptop stack: the story of `make demo` with fewer sessions, under enforced roles."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import openpyxl
import pikepdf
import pytest

from infra.local.demo import story
from infra.local.demo.desk import Desk
from infra.local.demo.people import HERZ, ISSUER_ID, LUMINA, RONDE
from infra.local.demo.story import Told
from infra.local.demo.when import Month
from tests.support.laptop import laptop_stack

pytestmark = pytest.mark.e2e
SESSIONS = 40


@pytest.fixture(scope="module")
def month() -> Month:
    return Month.before(datetime.now(UTC).date())


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with laptop_stack("month", issuer_id=ISSUER_ID) as stack:
        yield Desk(stack, ISSUER_ID, out=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("month")


@pytest.fixture(scope="module")
def told(desk: Desk, month: Month, folder: Path) -> Told:
    """The whole story; each of its own promises was checked on the way."""
    return story.play(desk, month, SESSIONS, folder)


def test_the_proof_holds(told: Told, folder: Path) -> None:
    assert len(told.equations) > 20
    assert all(e["holds"] for e in told.equations)
    names = {e["name"] for e in told.equations}
    assert any("documents" in name for name in names)
    assert any("bank account" in name for name in names)
    assert json.loads((folder / "proof.json").read_text()) == [dict(e) for e in told.equations]


def test_runs_and_documents(told: Told, desk: Desk, month: Month) -> None:
    runs = {r["contract_id"]: r for r in desk.api("VIEWER", "GET", "/v1/runs")["items"]}
    assert {name: run["state"] for name, run in runs.items()} == {
        RONDE.contract_id: "SENT",
        HERZ.contract_id: "SENT",
        LUMINA.contract_id: "SETTLED",
    }
    documents = {d["contract_id"]: d for d in desk.api("VIEWER", "GET", "/v1/invoices")["items"]}
    assert sorted(d["number"] for d in documents.values()) == [
        f"ND-{month.end.year}-000001",
        f"ND-{month.end.year}-000002",
    ]
    assert documents[RONDE.contract_id]["state"] == "PAID"
    assert documents[HERZ.contract_id]["state"] == "PARTIALLY_PAID"
    assert documents[HERZ.contract_id]["open_amount"] == {"amount_minor": 3750, "currency": "EUR"}
    assert documents[RONDE.contract_id]["tax"]["amount_minor"] == 0


def test_the_files_hold_what_the_documents_say(told: Told, desk: Desk, folder: Path) -> None:
    for document in desk.api("VIEWER", "GET", "/v1/invoices")["items"]:
        number = document["number"]
        with pikepdf.open(folder / "invoices" / f"{number}.pdf") as pdf:
            assert [str(name) for name in pdf.attachments]
        net = Decimal(document["net"]["amount_minor"]) / 100
        book = openpyxl.load_workbook(folder / "invoices" / f"{number}.xlsx", read_only=True)
        cells = [cell for sheet in book.worksheets for row in sheet.iter_rows(values_only=True) for cell in row]
        book.close()
        assert any(isinstance(c, int | float) and round(Decimal(str(c)), 2) == net for c in cells)


def test_mails_and_journal(told: Told, folder: Path) -> None:
    mails = [message_from_bytes(path.read_bytes(), policy=SMTP) for path in (folder / "mails").glob("*.eml")]
    for number in (path.stem for path in (folder / "invoices").glob("*.pdf")):
        found = [mail for mail in mails if number in str(mail["Subject"])]
        assert len(found) == 1
        assert sorted(str(p.get_filename()) for p in found[0].walk() if p.get_filename()) == [
            f"{number}.pdf",
            f"{number}.xlsx",
        ]
    with (folder / "exceptions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = [row["kind"] for row in rows]
    assert kinds.count("SHORT_PAY") == kinds.count("UNMATCHED_CREDIT") == kinds.count("CDR_ID_CONFLICT") == 1
    assert kinds.count("CDR_REJECTED") == 5
    assert "RUN_FAILED" not in kinds
    assert "PROCESSING_FAILED" not in kinds
    assert [row["state"] for row in rows if row["kind"] == "UNANSWERED_DISPUTE"] == ["RESOLVED"]


def test_payouts_are_confirmed(told: Told, desk: Desk) -> None:
    found = {p["account_id"]: p for p in desk.api("VIEWER", "GET", "/v1/payouts")["items"]}
    assert {account: p["state"] for account, p in found.items() if p["kind"] == "EXTERNAL"} == {
        "ELBTAL": "CONFIRMED",
        "SEEBLICK": "CONFIRMED",
    }
    assert found["OWN"]["pay"]["amount_minor"] == 0
    assert "Proof" in told.summary
