"""The audit file (SAF-T Financial 1.30): its structure, what adds up, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamclear.accounting import rules
from roamclear.accounting.charts import proposed
from roamclear.accounting.model import Chart, Grouping, Partner, Saft, TaxRow
from roamclear.accounting.saft import Ledger, write_saft
from roamclear.identity.issuer import Address, Brand
from roamclear.kernel.errors import InvalidInput, InvariantBroken
from roamclear.kernel.money import Money
from roamclear.ledger.model import Account, Event, JournalEntry, Line, credit, debit
from tests.support import builders as b
from tests.support import saft

AT = datetime(2026, 11, 9, 23, 30, tzinfo=UTC)
CHART = Chart(issuer_id=b.ISSUER, classes=proposed("DE"))
NINETEEN = Decimal(19)


def eur(minor: int, currency: str = "EUR") -> Money:
    return Money(minor, currency)


def sale(net: int = 10000, tax: int = 1900, subject: str = "VW-2026-000001", **changes: object) -> JournalEntry:
    lines = (
        debit(Account.RECEIVABLE.of("C-RON"), eur(net + tax)),
        credit(Account.REVENUE.of("C-RON"), eur(net)),
        credit(Account.OUTPUT_VAT.of("DE"), eur(tax)),
    )
    made = {"issuer_id": b.ISSUER, "event": Event.INVOICE_ISSUED, "subject": subject, "at_utc": AT, "currency": "EUR"}
    return JournalEntry.model_validate(made | {"lines": tuple(x for x in lines if x.amount)} | changes)


def row(net: int = 10000, tax: int = 1900, **changes: object) -> TaxRow:
    made = {"country": "DE", "category": "S", "rate": NINETEEN, "taxable": eur(net), "tax": eur(tax)}
    return TaxRow.model_validate(made | changes)


def ledger(
    *entries: JournalEntry,
    opening: dict[str, Money] | None = None,
    chart: Chart = CHART,
    taxes: dict[str, tuple[TaxRow, ...]] | None = None,
    partners: dict[str, Partner] | None = None,
    **issuer: object,
) -> Ledger:
    begun = opening or {}
    known = rules.numbered(chart, entries, begun)
    return Ledger(
        issuer=b.issuer(**issuer),
        chart=known,
        label="2026-11",
        at=AT,
        bookings=tuple(rules.bookings(known, entries, "Europe/Berlin")),
        opening=tuple(rules.side(known, account, amount) for account, amount in sorted(begun.items())),
        partners=partners or {},
        taxes=taxes or {},
    )


def only(made: Ledger) -> ElementTree.Element:
    ((_, data),) = write_saft(made)
    root = saft.read(data)
    assert saft.faults(root) == []
    assert saft.sums(root) == []
    return root


def test_a_month_with_a_sale() -> None:
    opening = {Account.RECEIVABLE.of("C-OLD"): eur(500), Account.BANK.of("DE89"): eur(-500)}
    partner = Partner(
        name="Ronde & Søn <B.V.>", lines=("Stationsplein 1", "hal 2"), postal_code="3511 ED", city="Utrecht",
        country="NL", vat_id="NL123456789B01",
    )  # fmt: skip
    made = ledger(
        sale(),
        opening=opening,
        taxes={"INVOICE_ISSUED#VW-2026-000001": (row(),)},
        partners={"receivable:C-RON": partner},
    )
    ((name, data),) = write_saft(made)
    root = only(made)
    assert name == "SAF-T_Financial_HRB100001_2026-11_EUR.xml"
    assert list(write_saft(made)) == [(name, data)]
    assert [saft.value(c, "Name") for c in saft.every(root, "Customer")] == ["C-OLD", "Ronde & Søn <B.V.>"]
    accounts = {
        saft.value(a, "AccountID"): (
            saft.signed(a, "OpeningDebitBalance", "OpeningCreditBalance"),
            saft.signed(a, "ClosingDebitBalance", "ClosingCreditBalance"),
        )
        for a in saft.every(root, "Account")
    }
    assert accounts == {
        "1200": (Decimal("5.00"), Decimal("124.00")),
        "1800": (Decimal("-5.00"), Decimal("-5.00")),
        "3800": (Decimal(0), Decimal("-19.00")),
        "4200": (Decimal(0), Decimal("-100.00")),
    }
    (tax,) = saft.every(root, "TaxInformation")
    assert [saft.value(tax, n) for n in ("TaxCode", "TaxPercentage", "TaxBase", "CreditTaxAmount/Amount")] == [
        "OUT-DE-S-19", "19", "100.00", "19.00",
    ]  # fmt: skip
    (line,) = [x for x in saft.every(root, "Line") if saft.every(x, "TaxInformation")]
    assert saft.value(line, "AccountID") == "3800"


def test_a_credit_note_and_a_sale_without_tax_state_their_bases() -> None:
    note = sale(-5000, -950, "VWC-2026-000001", event=Event.CREDIT_ISSUED)
    free = sale(7000, 0, "VW-2026-000002")
    root = only(
        ledger(
            note,
            free,
            taxes={
                "CREDIT_ISSUED#VWC-2026-000001": (row(-5000, -950),),
                "INVOICE_ISSUED#VW-2026-000002": (
                    row(7000, 0, category="AE", rate=Decimal(0), reason="Reverse charge"),
                ),
            },
        )
    )
    credited, charged = saft.every(root, "TaxInformation")
    assert saft.value(credited, "DebitTaxAmount/Amount") == "9.50"
    assert saft.value(credited, "TaxBase") == "50.00"
    assert saft.value(charged, "CreditTaxAmount/Amount") == "0.00"
    assert (saft.value(charged, "TaxBase"), saft.value(charged, "TaxExemptionReason")) == ("70.00", "Reverse charge")
    codes = {saft.value(c, "TaxCode"): saft.value(c, "StandardTaxCode") for c in saft.every(root, "TaxCodeDetails")}
    assert codes == {"OUT-DE-AE-0": "NA", "OUT-DE-S-19": "NA"}


def test_what_is_bought_stands_with_its_supplier_and_input_tax() -> None:
    lines = (
        debit(Account.ENERGY_COST.of("A-1"), eur(2000)),
        debit(Account.INPUT_VAT.of("DE"), eur(400)),
        credit(Account.PAYABLE.of("A-1"), eur(2400)),
    )
    entry = sale(event=Event.PAYOUT_READY, subject="P-1", lines=lines, memo="VWG-2026-000001")
    root = only(ledger(entry, taxes={"PAYOUT_READY#P-1": (row(2000, 400, country="FR", rate=Decimal(20)),)}))
    (tax,) = saft.every(root, "TaxInformation")
    assert saft.value(tax, "TaxCode") == "IN-FR-S-20"
    assert saft.value(tax, "DebitTaxAmount/Amount") == "4.00"
    (supplier,) = saft.every(root, "Supplier")
    assert saft.value(supplier, "SupplierID") == "70001"
    assert [x.text for x in saft.every(root, "SourceDocumentID")] == ["VWG-2026-000001"] * 3


def test_periods_follow_the_fiscal_year() -> None:
    april = CHART.model_copy(update={"saft": Saft(fiscal_year_month=4)})
    (transaction,) = saft.every(only(ledger(sale(), chart=april)), "Transaction")
    assert [saft.value(transaction, n) for n in ("Period", "PeriodYear")] == ["8", "2026"]
    december = CHART.model_copy(update={"saft": Saft(fiscal_year_month=12)})
    (transaction,) = saft.every(only(ledger(sale(), chart=december)), "Transaction")
    assert [saft.value(transaction, n) for n in ("Period", "PeriodYear")] == ["12", "2025"]


def test_a_norwegian_house_names_the_place_of_each_account() -> None:
    address = Address(lines=("Havnegata 1",), postal_code="0150", city="Oslo", country="NO")
    with pytest.raises(InvalidInput) as refused:
        list(write_saft(ledger(sale(), address=address)))
    assert refused.value.details["field"] == "chart.saft.grouping.1200"
    named = {kind: Grouping(category="balanseverdiForAnleggsmiddel", code="1500") for kind in proposed("DE")}
    chart = CHART.model_copy(update={"saft": Saft(grouping=named, tax_codes={"OUT-NO-S-25": "3"})})
    tax = row(10000, 1900, country="NO", rate=Decimal(25))
    root = only(ledger(sale(), address=address, chart=chart, taxes={"INVOICE_ISSUED#VW-2026-000001": (tax,)}))
    assert {x.text for x in saft.every(root, "GroupingCode")} == {"1500"}
    assert [x.text for x in saft.every(root, "StandardTaxCode")] == ["3"]


def test_each_currency_is_a_file_of_its_own() -> None:
    lines = (debit(Account.BANK.of("x"), eur(1, "CHF")), credit(Account.SUSPENSE.of("x"), eur(1, "CHF")))
    made = dict(write_saft(ledger(sale(), sale(lines=lines, currency="CHF"))))
    assert [name[-7:] for name in made] == ["CHF.xml", "EUR.xml"]
    for data in made.values():
        root = saft.read(data)
        assert (saft.faults(root), saft.sums(root), len(saft.every(root, "Transaction"))) == ([], [], 1)


def test_an_empty_month_is_a_file_without_entries() -> None:
    root = only(ledger())
    assert saft.every(root, "Transaction") == []
    assert saft.every(root, "DefaultCurrencyCode")[0].text == "EUR"


@pytest.mark.parametrize(
    ("issuer", "field"),
    [
        ({"legal_id": None, "vat_id": None}, "issuer.legal_id"),
        ({"brand": Brand(name="V", contact_phone="")}, "issuer.brand.contact_phone"),
        ({"brand": Brand(name="V", contact_phone="+49 " * 8)}, "issuer.brand.contact_phone"),
        ({"brand": Brand(name="V", contact_name=" ", contact_phone="1")}, "issuer.brand.contact_name"),
    ],
)
def test_what_the_profile_demands_is_named(issuer: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        list(write_saft(ledger(sale(), **issuer)))
    assert refused.value.details["field"] == field


def test_a_currency_of_three_decimals_is_refused() -> None:
    lines = (debit(Account.BANK.of("x"), eur(1, "KWD")), credit(Account.SUSPENSE.of("x"), eur(1, "KWD")))
    with pytest.raises(InvalidInput):
        list(write_saft(ledger(sale(lines=lines, currency="KWD"))))


@pytest.mark.parametrize("wrong", [row(10000, 1901), row(10000, 0, category="AE", rate=Decimal(0))])
def test_vat_that_is_not_that_of_the_entry_stops_the_file(wrong: TaxRow) -> None:
    with pytest.raises(InvariantBroken):
        list(write_saft(ledger(sale(), taxes={"INVOICE_ISSUED#VW-2026-000001": (wrong,)})))


def test_balances_that_do_not_add_up_stop_the_file() -> None:
    with pytest.raises(InvariantBroken):
        list(write_saft(ledger(sale(), opening={Account.BANK.of("x"): eur(1)})))


def test_a_number_that_is_too_long_is_left_out_not_cut() -> None:
    root = only(ledger(sale(subject="X" * 36)))
    assert saft.every(root, "SourceDocumentID") == saft.every(root, "ReferenceNumber") == []


@pytest.mark.parametrize("code", ["100", "x", ""])
def test_a_standard_tax_code_is_one_or_two_digits(code: str) -> None:
    with pytest.raises(ValueError, match="standard tax code"):
        Saft(tax_codes={"OUT-DE-S-19": code})


# ---- any ledger ----------------------------------------------------------------------------------------------------
WORDS = st.text(max_size=90)
NAMES = st.sampled_from(["A-1", "A-2", "C-RON", "C-9", "DE89", "x"])
CURRENCIES = st.sampled_from(["EUR", "CHF", "JPY"])


@st.composite
def entries(draw: st.DrawFn) -> JournalEntry:
    """Any balanced entry of any event, over any accounts, with any words."""
    currency = draw(CURRENCIES)
    kinds = st.sampled_from(list(Account))
    amounts = draw(st.lists(st.integers(-(10**12), 10**12).filter(bool), min_size=1, max_size=6))
    rest = -sum(amounts)
    amounts += [rest] if rest else [1, -1]
    lines = tuple(
        Line(account=draw(kinds).of(draw(NAMES)), amount=Money(minor, currency), note=draw(WORDS)) for minor in amounts
    )
    return JournalEntry(
        issuer_id=b.ISSUER,
        event=draw(st.sampled_from(list(Event))),
        subject=draw(st.text(min_size=1, max_size=60)),
        at_utc=AT + timedelta(seconds=draw(st.integers(-700_000, 1_700_000))),
        currency=currency,
        lines=lines,
        memo=draw(WORDS),
        mirrors=draw(st.none() | WORDS),
    )


@given(
    st.lists(entries(), max_size=8), st.lists(entries(), max_size=4), WORDS.filter(lambda w: w.strip().isprintable())
)
def test_any_ledger_makes_files_that_fit_and_add_up(
    found: Sequence[JournalEntry], earlier: Sequence[JournalEntry], word: str
) -> None:
    begun: dict[tuple[str, str], int] = {}
    for entry in earlier:
        for line in entry.lines:
            key = line.account, line.amount.currency
            begun[key] = begun.get(key, 0) + line.amount.amount_minor
    chart = rules.numbered(CHART, found, (account for account, _ in begun))
    made = Ledger(
        issuer=b.issuer(legal_name=word or "V"),
        chart=chart,
        label="2026-11",
        at=AT,
        bookings=tuple(rules.bookings(chart, found, "Europe/Berlin")),
        opening=tuple(rules.side(chart, a, Money(v, c)) for (a, c), v in sorted(begun.items()) if v),
        partners={"receivable:C-RON": Partner(name=word, lines=(word, word), vat_id=word)},
        taxes={},
    )
    files = list(write_saft(made))
    assert files == list(write_saft(made))
    named = []
    for _, data in files:
        root = saft.read(data)
        assert saft.faults(root) == []
        assert saft.sums(root) == []
        named += [saft.value(t, "TransactionID") for t in saft.every(root, "Transaction")]
    assert sorted(named) == [f"2026-11-{place:06d}" for place in range(1, len(found) + 1)]


def _drop(path: str) -> Callable[[ElementTree.Element], None]:
    def change(root: ElementTree.Element) -> None:
        parent, _, name = path.rpartition("/")
        found = saft.every(root, parent)[0]
        found.remove(found.findall(saft.SPACE + name)[0])

    return change


def _say(name: str, text: str) -> Callable[[ElementTree.Element], None]:
    def change(root: ElementTree.Element) -> None:
        saft.every(root, name)[0].text = text

    return change


@pytest.mark.parametrize(
    "change",
    [
        _drop("Account/GroupingCode"), _drop("Company/Contact"), _drop("Line/Description"), _drop("Transaction/Period"),
        _drop("TaxCodeDetails/StandardTaxCode"), _drop("Header/SelectionCriteria"), _say("TotalDebit", "1.00"),
        _say("NumberOfEntries", "7"), _say("Amount", "1.00"), _say("OpeningDebitBalance", "0.01"),
        _say("TransactionDate", "9.11.2026"), _say("AccountType", "X"), _say("Amount", "1.001"),
        _say("TaxCode", "OUT-XX-S-1"), _say("JournalID", "J" * 19), _say("AuditFileVersion", "1.20"),
    ],
)  # fmt: skip
def test_the_structure_sees_what_is_wrong(change: Callable[[ElementTree.Element], None]) -> None:
    ((_, data),) = write_saft(ledger(sale(), taxes={"INVOICE_ISSUED#VW-2026-000001": (row(),)}))
    root = saft.read(data)
    assert saft.faults(root) == saft.sums(root) == []
    change(root)
    assert saft.faults(root) or saft.sums(root)
