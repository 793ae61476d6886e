"""The audit file of months that were really cleared: names, VAT rows, opening balances, copies, and bad days."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from roamclear.accounting import charts, months, store
from roamclear.accounting import service as accounting
from roamclear.accounting.model import Chart, Profile, Saft
from roamclear.billing import self_billing
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.facts import proof
from roamclear.identity.model import Role
from roamclear.kernel.errors import Forbidden, InvariantBroken
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Put, Table
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, credit, debit
from roamclear.payouts import service as payouts
from roamclear.status import books
from tests.integration import test_close as month
from tests.integration import test_payouts_chain as chain
from tests.support import builders as b
from tests.support import crashing, memory_stage, receivables, saft
from tests.support.corrections import credited, facts_told
from tests.support.moto_stack import Stage
from tests.unit.billing.test_self_billing import bought, closed, header, start

FINANCE = b.actor(Role.FINANCE)
S19 = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))


def at(stage: Stage, *moment: int) -> None:
    stage.clock.set(datetime(*moment, tzinfo=UTC))  # type: ignore[arg-type]


def written(stage: Stage, label: str) -> ElementTree.Element:
    made = books.export(stage.ctx, FINANCE, b.ISSUER, label, Profile.SAFT)
    (key,) = made.files
    root = saft.read(stage.ctx.objects.get("exports", key) or b"")
    assert saft.faults(root) == []
    assert saft.sums(root) == []
    return root


def balance(root: ElementTree.Element, account: str, name: str) -> Decimal:
    (found,) = [a for a in saft.every(root, "Account") if saft.value(a, "AccountID") == account]
    return saft.signed(found, f"{name}DebitBalance", f"{name}CreditBalance")


def test_sales_and_payouts_with_names_and_rates(stage: Stage) -> None:
    month.start(stage, vat=S19)
    chain.external(stage.ctx)
    chain.evses.register_location(stage.ctx, b.ISSUER, b.PARTY, b.location(chain.PARTNER, number=7))
    chain.assign(stage.ctx, chain.PARTNER)
    month.push(stage, b.cdr(1))
    month.push(stage, b.cdr(2, evse=chain.PARTNER))
    (number,) = month.close_run(stage, month.open_run(stage)).numbers
    chain.deliver(stage)
    payouts.close_cycle(stage.ctx, FINANCE, b.ISSUER, stage.ctx.now())
    at(stage, 2026, 12, 1, 12)
    root = written(stage, "2026-11")
    assert [saft.value(c, "Name") for c in saft.every(root, "Customer")] == ["Ronde Mobiliteit B.V."]
    (supplier,) = saft.every(root, "Supplier")
    assert saft.value(supplier, "Name") == chain.payees.terms().holder
    assert saft.value(supplier, "SelfBillingIndicator") == "1"
    told = {saft.value(t, "TaxCode"): saft.value(t, "TaxBase") for t in saft.every(root, "TaxInformation")}
    assert told["OUT-DE-S-19"] == "16.60"
    assert sorted(told) == [code.text for code in saft.every(root, "TaxCode") if code.text in told][: len(told)]
    assert number in {x.text for x in saft.every(root, "SourceDocumentID")}
    assert [e for e in proof.prove(stage.ctx, b.ISSUER, (accounting.equations,)) if not e.holds] == []


def test_what_we_buy_is_a_supplier_with_input_vat() -> None:
    with memory_stage.stage() as stage:
        start(stage)
        made = header(stage, closed(stage))
        at(stage, 2026, 12, 1, 12)
        root = written(stage, "2026-11")
        (supplier,) = saft.every(root, "Supplier")
        assert saft.value(supplier, "Name") == "Bornes Libres SAS"
        (tax,) = saft.every(root, "TaxInformation")
        assert [saft.value(tax, n) for n in ("TaxCode", "TaxBase", "DebitTaxAmount/Amount")] == [
            "IN-FR-S-20", "24.90", "4.98",
        ]  # fmt: skip
        assert balance(root, "3300", "Closing") == Decimal("-29.88")
        assert {x.text for x in saft.every(root, "ReferenceNumber")} == {made.number}


@pytest.fixture
def plain() -> Stage:
    made = memory_stage.fresh(datetime(2026, 10, 1, tzinfo=UTC))
    b.found_issuer(made.ctx)
    return made


def three_months(stage: Stage) -> None:
    """A sale in October, November and December; the local month ends an hour before the one of UTC."""
    for sequence, moment in enumerate([(2026, 10, 31, 22, 59), (2026, 11, 9, 1, 0), (2026, 12, 31, 22, 59)], start=1):
        at(stage, *moment)
        receivables.issue(stage.ctx, sequence, "100.00")


def raw(stage: Stage, label: str) -> ElementTree.Element:
    """The file of documents that have no model: the ledger alone says what it can."""
    made = accounting.export(stage.ctx, FINANCE, b.ISSUER, label, Profile.SAFT)
    root = saft.read(stage.ctx.objects.get("exports", made.files[0]) or b"")
    assert saft.faults(root) == []
    assert saft.sums(root) == []
    return root


def test_a_month_begins_with_what_the_one_before_ended_with(plain: Stage) -> None:
    three_months(plain)
    at(plain, 2027, 1, 2)
    later = raw(plain, "2026-12")
    assert balance(later, "1200", "Opening") == Decimal(200)
    assert balance(later, "4200", "Opening") == Decimal(-200)
    assert balance(later, "1200", "Closing") == Decimal(300)
    earlier = raw(plain, "2026-11")
    assert balance(earlier, "1200", "Closing") == balance(later, "1200", "Opening")
    first = raw(plain, "2026-10")
    assert balance(first, "1200", "Opening") == 0
    assert balance(first, "1200", "Closing") == balance(earlier, "1200", "Opening") == Decimal(100)
    (customer,) = saft.every(later, "Customer")
    assert saft.value(customer, "Name") == b.CONTRACT
    assert [e.holds for e in months.equations(plain.ctx, b.ISSUER)] == [True]


def test_a_debtor_with_a_balance_and_without_an_entry_is_named(plain: Stage) -> None:
    at(plain, 2026, 10, 9)
    receivables.issue(plain.ctx, 1, "100.00")
    at(plain, 2026, 12, 2)
    root = raw(plain, "2026-11")
    assert saft.every(root, "Transaction") == []
    assert [saft.value(c, "CustomerID") for c in saft.every(root, "Customer")] == ["10001"]


@pytest.mark.parametrize(("first_month", "revenue", "equity"), [(1, 0, -300), (12, -100, -200), (11, -200, -100)])
def test_income_begins_each_fiscal_year_at_nothing(plain: Stage, first_month: int, revenue: int, equity: int) -> None:
    three_months(plain)
    setup = Chart(issuer_id=b.ISSUER, classes=charts.proposed("DE"), saft=Saft(fiscal_year_month=first_month))
    accounting.save_chart(plain.ctx, FINANCE, setup)
    at(plain, 2027, 2, 1, 12)
    root = raw(plain, "2027-01")
    said = {saft.value(a, "AccountID") for a in saft.every(root, "Account")}
    assert balance(root, "1200", "Opening") == Decimal(300)
    assert (balance(root, "4200", "Opening") if "4200" in said else 0) == revenue
    assert balance(root, "9000", "Opening") == equity


def test_a_copy_is_the_same_bytes_after_names_changed(plain: Stage) -> None:
    three_months(plain)
    at(plain, 2027, 1, 2)
    first = accounting.export(plain.ctx, FINANCE, b.ISSUER, "2026-12", Profile.SAFT)
    b.found_issuer(plain.ctx, legal_name="Another Name GmbH")
    again = accounting.export(plain.ctx, b.actor(Role.VIEWER), b.ISSUER, "2026-12", Profile.SAFT)
    assert (again.copies, again.sha256) == (1, first.sha256)
    (shown,) = accounting.exports(plain.ctx, FINANCE, b.ISSUER)
    assert shown["files"][0]["name"] == "COPY_SAF-T_Financial_HRB100001_2026-12_EUR.xml"


def test_profiles_of_one_month_say_the_same(plain: Stage) -> None:
    three_months(plain)
    at(plain, 2027, 1, 2)
    csv = accounting.export(plain.ctx, FINANCE, b.ISSUER, "2026-11", Profile.CSV)
    text = (plain.ctx.objects.get("exports", csv.files[0]) or b"").decode()
    root = raw(plain, "2026-11")
    assert [x.text for x in saft.every(root, "SourceDocumentID")] == ["VW-2026-000002"] * 2
    assert text.count("VW-2026-000002") == 2 * text.count("\r\n") - 2
    (period,) = store.all_periods(plain.ctx.db, b.ISSUER)
    stated = saft.every(root, "TotalDebit")[0].text
    assert Money.exact(Decimal(stated or ""), "EUR").amount_minor == period.debits["EUR"]


def test_kept_balances_that_changed_stop_the_file(plain: Stage) -> None:
    three_months(plain)
    at(plain, 2027, 1, 2)
    raw(plain, "2026-11")
    kept = store.last_balances(plain.ctx.db, b.ISSUER, "2026-12")
    assert kept is not None
    assert kept.label == "2026-10"
    plain.ctx.objects.put("exports", kept.object_key, b"[]", "application/json")
    with pytest.raises(InvariantBroken):
        accounting.export(plain.ctx, FINANCE, b.ISSUER, "2026-12", Profile.SAFT)


def test_kept_balances_that_are_gone_are_counted_anew(plain: Stage) -> None:
    three_months(plain)
    at(plain, 2027, 1, 2)
    raw(plain, "2026-11")
    kept = store.last_balances(plain.ctx.db, b.ISSUER, "2026-12")
    assert kept is not None
    before = plain.ctx.objects.get("exports", kept.object_key)
    plain.ctx.objects.kept.pop(("exports", kept.object_key))  # type: ignore[attr-defined]
    assert balance(raw(plain, "2026-12"), "1200", "Opening") == Decimal(200)
    assert plain.ctx.objects.get("exports", kept.object_key) == before


def test_an_entry_that_slips_into_a_kept_month_is_seen_by_night(plain: Stage) -> None:
    three_months(plain)
    at(plain, 2027, 1, 2)
    raw(plain, "2026-12")
    lines = [debit(Account.BANK.of("x"), Money(1, "EUR")), credit(Account.SUSPENSE.of("x"), Money(1, "EUR"))]
    late = ledger.entry(
        plain.ctx, issuer_id=b.ISSUER, event=Event.FEE, subject="late", currency="EUR", lines=lines
    )  # fmt: skip
    row = late.item | {"at_utc": "2026-10-09T00:00:00.000000Z", "gsi1pk": f"{b.ISSUER}#LEDGER#2026-10"}
    plain.ctx.db.write(Put(Table.LEDGER, late.key, row))
    assert [e.holds for e in months.equations(plain.ctx, b.ISSUER)] == [False]


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_anywhere_leaves_one_export(*, after: bool) -> None:
    bytes_of: set[bytes] = set()
    for place in range(40):
        stage = memory_stage.fresh(datetime(2026, 10, 1, tzinfo=UTC))
        b.found_issuer(stage.ctx)
        three_months(stage)
        at(stage, 2027, 1, 2)
        with crashing.survives() as died:
            mortal = crashing.mortal(stage.ctx, crashing.Fuse(left=place, after=after))
            accounting.export(mortal, FINANCE, b.ISSUER, "2026-12", Profile.SAFT)
        made = accounting.export(stage.ctx, FINANCE, b.ISSUER, "2026-12", Profile.SAFT)
        assert [e.holds for e in accounting.equations(stage.ctx, b.ISSUER)].count(False) == 0
        (only,) = store.all_exports(stage.ctx.db, b.ISSUER)
        assert only.sha256 == made.sha256
        bytes_of.add(stage.ctx.objects.get("exports", made.files[0]) or b"")
        if not died:
            assert place > 3
            assert len(bytes_of) == 1
            return
    pytest.fail("the export has more effects than were tried")


def test_who_may_not_export_may_not_read_an_audit_file(plain: Stage) -> None:
    with pytest.raises(Forbidden):
        books.export(plain.ctx, b.actor(Role.OPS), b.ISSUER, "2026-10", Profile.SAFT)


def test_a_corrected_purchase_states_its_tax_back() -> None:
    with memory_stage.stage() as stage:
        start(stage)
        made = header(stage, closed(stage))
        facts_told(stage.ctx, stage)
        credited(stage, made.number, bill_again=True, at_once=True)
        at(stage, 2026, 12, 1, 12)
        root = written(stage, "2026-11")
        rows = saft.every(root, "TaxInformation")
        told = [saft.signed(r, "DebitTaxAmount/Amount", "CreditTaxAmount/Amount") for r in rows]
        assert sorted(told) == [Decimal("-4.98"), Decimal("4.98"), Decimal("4.98")]
        assert [saft.value(r, "TaxBase") for r in rows] == ["24.90"] * 3
        assert balance(root, "3300", "Closing") == Decimal("-29.88")
        journals = [saft.value(j, "JournalID") for j in saft.every(root, "Journal")]
        assert journals == ["PURCHASES", "GENERAL"]


def test_an_accepted_purchase_posts_no_second_tax() -> None:
    with memory_stage.stage() as stage:
        start(stage)
        month.push(stage, bought(1))
        (number,) = month.close_run(stage, month.open_run(stage)).numbers
        self_billing.accept(stage.ctx, b.emsp_user(), b.ISSUER, number)
        chain.deliver(stage)
        at(stage, 2026, 12, 1, 12)
        assert len(saft.every(written(stage, "2026-11"), "TaxInformation")) == 1
