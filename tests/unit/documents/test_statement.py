"""Payout statements add up or are not drawn; paper and sheet hold every session."""

from __future__ import annotations

import io
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pypdf
import pytest

from roamclear.documents.model import Movement, MovementKind, Payment, PayoutExcluded, PayoutRow, PayoutStatement
from roamclear.documents.statement import render_statement, statement_problems, write_statement_xlsx
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.money import Money
from tests.unit.documents import samples


def euro(minor: int) -> Money:
    return Money(minor, "EUR")


def rows_of(count: int) -> list[PayoutRow]:
    """Sessions with ten percent commission, a fee of 25 cents and 19 % VAT on the share."""
    rows = []
    for i in range(count):
        gross, fee = 1200 + 37 * i, 25
        commission = gross // 10
        share = gross - fee - commission
        rows.append(
            PayoutRow(
                cdr_id=f"CDR-{i:05d}",
                evse_id=f"DE*HEL*E{i:04d}*1",
                location="=cmd()",
                stop_utc=datetime(2026, 10, 2, 8, 0, tzinfo=UTC) + timedelta(hours=9 * i),
                zone="Europe/Berlin",
                energy_kwh=Decimal("25.442"),
                gross=euro(gross),
                fee=euro(fee),
                commission=euro(commission),
                share=euro(share),
                vat=euro(share * 19 // 100),
                net=euro(share + share * 19 // 100),
            )
        )
    return rows


EXCLUDED = [
    PayoutExcluded(
        cdr_id="CDR-X1", evse_id="DE*HEL*E9*1", stop_utc=datetime(2026, 10, 9, 8, 0, tzinfo=UTC),
        reason="Disputed, under review", amount=euro(4500),
    )
]  # fmt: skip


def statement(rows: list[PayoutRow], **more: Any) -> PayoutStatement:
    earned = sum(row.net.amount_minor for row in rows)
    values: dict[str, Any] = {
        "number": "PS-2026-000011",
        "account_name": "Stadtwerke Süd",
        "issue_date": date(2026, 11, 10),
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
        "currency": "EUR",
        "issuer": samples.SELLER,
        "holder": samples.BUYER_DE,
        "payment": Payment(iban="DE89370400440532013000"),
        "opening": euro(-1250),
        "sessions_net": euro(earned),
        "movements": (Movement(kind=MovementKind.CLAWBACK, text="Clawback CDR-04711", amount=euro(-1840)),),
        "payout": euro(earned - 3090),
        "closing": euro(0),
        "sessions": len(rows),
        "branding": samples.BRANDING,
        **more,
    }
    return PayoutStatement(**values)


def words_of(pdf: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages).replace("\u00a0", " "))


def test_paper_holds_balance_sessions_and_what_is_under_review(fonts: Path) -> None:
    rows = rows_of(70)
    pdf = render_statement(statement(rows), rows, EXCLUDED, fonts)
    text = words_of(pdf)
    for expected in (
        "Payout statement PS-2026-000011", "−12.50 EUR", "Clawback CDR-04711", "1,804.89 EUR", "0.00 EUR",
        "DE*HEL*E0069*1", "Disputed, under review", "Page 3 of 3",
    ):  # fmt: skip
        assert expected in text, expected
    assert pdf == render_statement(statement(rows), rows, EXCLUDED, fonts)


def test_the_sheet_holds_every_session_typed(tmp_path: Path) -> None:
    rows = rows_of(70)
    for name in ("a.xlsx", "b.xlsx"):
        write_statement_xlsx(statement(rows), rows, EXCLUDED, tmp_path / name)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["Statement", "Sessions", "Under review"]
    cells = list(book["Sessions"].iter_rows(min_row=2, values_only=True))
    assert len(cells) == 70
    assert sum(Decimal(str(c[11])) for c in cells) == statement(rows).sessions_net.to_decimal()
    assert cells[0][2] == "=cmd()"
    assert book["Sessions"].cell(2, 3).data_type == "s"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"closing": Money(1, "EUR")}, "closing"),
        ({"sessions": 4}, "sessions: 4 stated"),
        ({"sessions_net": Money(1, "EUR")}, "sessions_net"),
    ],
)
def test_what_does_not_add_up_is_named_and_not_drawn(more: dict[str, Any], expected: str, fonts: Path) -> None:
    rows = rows_of(3)
    broken = statement(rows, **more)
    assert any(expected in problem for problem in statement_problems(broken, rows))
    with pytest.raises(InvariantBroken):
        render_statement(broken, rows, [], fonts)


def test_a_row_that_does_not_add_up_is_named() -> None:
    rows = rows_of(2)
    rows[1] = rows[1].model_copy(update={"share": euro(1)})
    assert "row 2" in statement_problems(statement(rows), rows)[0]
