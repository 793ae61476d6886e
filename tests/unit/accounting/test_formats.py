"""Bookings in the accounts of the house: pairs, numbers, and the three file profiles."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamclear.accounting import rules
from roamclear.accounting.charts import proposed
from roamclear.accounting.datev import COLUMNS
from roamclear.accounting.formats import write
from roamclear.accounting.model import Booking, Chart, Datev, Profile, Side
from roamclear.kernel.errors import InvalidInput, InvariantBroken
from roamclear.kernel.money import Money
from roamclear.ledger.model import Account, Event, JournalEntry, credit, debit

AT = datetime(2026, 11, 9, 23, 30, tzinfo=UTC)
CHART = Chart(
    issuer_id="voltwerk",
    classes=proposed("DE"),
    siren="552100554",
    datev=Datev(consultant=29098, client=55003, fiscal_year_month=7),
)


def eur(minor: int, currency: str = "EUR") -> Money:
    return Money(minor, currency)


def entry(event: Event = Event.INVOICE_ISSUED, currency: str = "EUR", **changes: object) -> JournalEntry:
    lines = [
        debit(Account.RECEIVABLE.of("C-RON"), eur(11900, currency)),
        credit(Account.REVENUE.of("C-RON"), eur(10000, currency)),
        credit(Account.OUTPUT_VAT.of("DE"), eur(1900, currency)),
    ]
    made = {"issuer_id": "voltwerk", "event": event, "subject": "VW-2026-000001", "at_utc": AT, "currency": currency}
    return JournalEntry.model_validate(made | {"lines": tuple(lines), "memo": "VW-2026-000001 run"} | changes)


def booked(*entries: JournalEntry) -> tuple[Chart, list[Booking]]:
    chart = rules.numbered(CHART, entries)
    return chart, list(rules.bookings(chart, entries, "Europe/Berlin"))


def test_the_proposed_charts_name_every_account_class_without_doubles() -> None:
    for country in ("DE", "FR", "NL"):
        chart = proposed(country)
        assert set(chart) == {account.value for account in Account}
        assert len(set(chart.values())) == len(chart)


def test_personal_accounts_are_given_once_and_kept() -> None:
    first = rules.numbered(CHART, [entry()])
    assert first.single == {"receivable:C-RON": "10001"}
    payable = (debit(Account.ENERGY_COST.of("A-1"), eur(5)), credit(Account.PAYABLE.of("A-1"), eur(5)))
    other = (debit(Account.RECEIVABLE.of("C-AAA"), eur(5)), credit(Account.REVENUE.of("C-AAA"), eur(5)))
    later = rules.numbered(first, [entry(), entry(lines=payable), entry(lines=other)])
    assert later.single == {"receivable:C-RON": "10001", "payable:A-1": "70001", "receivable:C-AAA": "10002"}


def test_a_booking_is_dated_in_the_zone_of_the_house() -> None:
    _, (booking,) = booked(entry())
    assert booking.day.isoformat() == "2026-11-10"
    assert [(s.account, s.auxiliary, s.amount.amount_minor) for s in booking.sides] == [
        ("1200", "10001", 11900), ("4200", None, -10000), ("3800", None, -1900),
    ]  # fmt: skip


def test_a_class_without_an_account_is_named() -> None:
    chart = CHART.model_copy(update={"classes": {k: v for k, v in CHART.classes.items() if k != "revenue"}})
    with pytest.raises(InvalidInput) as refused:
        list(rules.bookings(rules.numbered(chart, [entry()]), [entry()], "Europe/Berlin"))
    assert refused.value.details["field"] == "classes.revenue"


@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=6), st.lists(st.integers(1, 10_000), min_size=0, max_size=6)
)
def test_pairs_keep_the_sum_of_every_account(debits: list[int], credits: list[int]) -> None:
    gap = sum(debits) - sum(credits)
    (credits if gap > 0 else debits).extend([abs(gap)] if gap else [])
    amounts = [*debits, *(-c for c in credits)]
    sides = tuple(Side(account=str(1000 + i), name="", amount=eur(a)) for i, a in enumerate(amounts))
    booking = Booking(place=1, entry="E", journal="SALES", day=AT.date(), document="D", text="", sides=sides)
    sums: dict[str, int] = defaultdict(int)
    steps = list(rules.pairs(booking))
    for owed, owing, amount in steps:
        assert amount.amount_minor > 0
        sums[owed.account] += amount.amount_minor
        sums[owing.account] -= amount.amount_minor
    assert sums == {side.account: side.amount.amount_minor for side in sides}
    assert len(steps) < len(sides)


def test_pairs_refuse_what_does_not_balance() -> None:
    side = Side(account="1200", name="", amount=eur(1))
    booking = Booking(place=1, entry="E", journal="SALES", day=AT.date(), document="D", text="", sides=(side,))
    with pytest.raises(InvariantBroken):
        list(rules.pairs(booking))


def test_csv_balances_and_runs_no_formula() -> None:
    chart, found = booked(entry(memo="=cmd|x"), entry(Event.CREDIT_ISSUED, subject="VWC-2026-000001"))
    ((name, data),) = write(Profile.CSV, found, chart, "2026-11", AT)
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert name == "journal-2026-11.csv"
    assert rows[0]["text"] == "'=cmd|x"
    for number in ("1", "2"):
        own = [row for row in rows if row["no"] == number]
        assert sum(Decimal(r["debit"] or 0) for r in own) == sum(Decimal(r["credit"] or 0) for r in own) == 119
    assert {row["personal_account"] for row in rows} == {"10001", ""}


def test_datev_header_columns_and_rows() -> None:
    chart, found = booked(entry(subject="VW-2026/1 #ä"))
    ((name, data),) = write(Profile.DATEV, found, chart, "2026-11", AT)
    head, columns, *rows = data.decode("cp1252").split("\r\n")[:-1]
    fields = head.split(";")
    assert name == "EXTF_Buchungsstapel_2026-11_EUR_01.csv"
    assert len(fields) == 31
    assert fields[:6] == ['"EXTF"', "700", "21", '"Buchungsstapel"', "13", "20261109233000000"]
    assert fields[10:16] == ["29098", "55003", "20260701", "4", "20261101", "20261130"]
    assert columns.split(";") == list(COLUMNS)
    assert len(COLUMNS) == len(set(COLUMNS)) == 125
    assert [row.split(";")[:14] for row in rows] == [
        ["100,00", '"S"', '"EUR"', "", "", "", "10001", "4200", "", "1011", '"VW-2026/1---"', "", "",
         '"VW-2026-000001 run"'],
        ["19,00", '"S"', '"EUR"', "", "", "", "10001", "3800", "", "1011", '"VW-2026/1---"', "", "",
         '"VW-2026-000001 run"'],
    ]  # fmt: skip
    assert all(len(row.split(";")) == 125 for row in rows)


def test_datev_leaves_out_what_stays_on_one_account() -> None:
    account = Account.RECEIVABLE.of("C-RON")
    lines = (debit(account, eur(100), note="VWC-2026-000001"), credit(account, eur(100), note="VW-2026-000001"))
    set_off = entry(Event.ALLOCATION, subject="VWC-2026-000001", lines=lines)
    chart, found = booked(entry(), set_off)
    ((_, content),) = write(Profile.DATEV, found, chart, "2026-11", AT)
    rows = content.decode("cp1252").split("\r\n")[2:-1]
    assert len(rows) == 2
    assert all(row.split(";")[6] != row.split(";")[7] for row in rows)


def test_datev_writes_a_batch_per_currency_and_needs_its_numbers() -> None:
    chart, found = booked(entry(), entry(currency="CHF"))
    assert [name for name, _ in write(Profile.DATEV, found, chart, "2026-11", AT)] == [
        "EXTF_Buchungsstapel_2026-11_CHF_01.csv", "EXTF_Buchungsstapel_2026-11_EUR_01.csv",
    ]  # fmt: skip
    with pytest.raises(InvalidInput) as refused:
        write(Profile.DATEV, found, chart.model_copy(update={"datev": None}), "2026-11", AT)
    assert refused.value.details["field"] == "chart.datev"
    (empty,) = write(Profile.DATEV, [], chart, "2026-11", AT)
    assert len(empty[1].split(b"\r\n")) == 3


def test_fec_has_its_18_columns_and_balances() -> None:
    chart, found = booked(entry(), entry(Event.PAYOUT_READY, subject="P-1", memo="VWG-2026-000001"))
    ((name, data),) = write(Profile.FEC, found, chart, "2026-11", AT)
    head, *rows = [line.split("\t") for line in data.decode("iso8859-15").split("\r\n")[:-1]]
    assert name == "552100554FEC20261130.txt"
    assert len(head) == 18
    assert {len(row) for row in rows} == {18}
    assert [row[2] for row in rows] == ["202611000001"] * 3 + ["202611000002"] * 3
    assert {row[0] for row in rows} == {"VE", "AC"}
    amount = [(Decimal(r[11].replace(",", ".")), Decimal(r[12].replace(",", "."))) for r in rows]
    assert sum(d for d, _ in amount) == sum(c for _, c in amount) == 238
    assert rows[3][8] == "VWG-2026-000001"


def test_fec_needs_a_siren_and_euros() -> None:
    chart, found = booked(entry(currency="CHF"))
    with pytest.raises(InvalidInput) as refused:
        write(Profile.FEC, found, chart, "2026-11", AT)
    assert refused.value.details["field"] == "profile"
    with pytest.raises(InvalidInput) as refused:
        write(Profile.FEC, found, chart.model_copy(update={"siren": None}), "2026-11", AT)
    assert refused.value.details["field"] == "chart.siren"


@pytest.mark.parametrize(
    ("classes", "message"),
    [({"nonsense": "1200"}, "nonsense"), ({**proposed("DE"), "revenue": "x"}, "revenue")],
)
def test_a_chart_names_what_is_wrong(classes: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Chart(issuer_id="voltwerk", classes=classes)
