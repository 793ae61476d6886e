"""What keeps a contract in DRAFT, and when a duty to send e-invoices begins."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from roamclear.contracts import checks
from roamclear.contracts.checks import findings, missing
from roamclear.identity.issuer import Address, Issuer
from tests.support import builders as b

DAY = date(2026, 11, 9)
AGREED = {"agreed_on": "2025-12-01", "valid_from": "2026-01-01", "valid_to": "2027-01-01", "reference": "SB-1"} | {
    "pay_to": "CPO-1"
}
FEE_VAT = {"category": "S", "rate_percent": "19"}


def issuer_in(country: str) -> Issuer:
    return b.issuer(address=Address(lines=("Street 1",), postal_code="1000", city="City", country=country))


def buyer_in(country: str) -> Any:
    address = Address(lines=("Street 1",), postal_code="1000", city="City", country=country)
    return b.terms().counterparty.model_copy(update={"address": address})


def test_a_complete_contract_misses_nothing() -> None:
    assert missing(b.terms(), b.issuer(), DAY) == []


@pytest.mark.parametrize(
    ("field", "blank"),
    [
        ("electronic_address", None), ("electronic_address_scheme", None), ("buyer_reference", None), ("vat_id", None),
    ],
)  # fmt: skip
def test_a_missing_field_of_the_partner_is_named(field: str, blank: None) -> None:
    partner = b.terms().counterparty.model_copy(update={field: blank})
    assert missing(b.terms(counterparty=partner), b.issuer(), DAY) == [f"terms.counterparty.{field}"]


def test_vat_that_nobody_chose_is_missing() -> None:
    assert missing(b.terms(vat=None), b.issuer(), DAY) == ["terms.vat"]
    assert missing(b.terms(vat=None, vat_basis="EVSE_COUNTRY"), b.issuer(), DAY) == ["terms.vat_rules"]


def test_the_issuer_needs_the_id_its_category_states() -> None:
    outside = {"category": "O", "reason": "Not taxable here"}
    assert missing(b.terms(vat=outside), b.issuer(legal_id=None), DAY) == ["issuer.legal_id"]
    assert missing(b.terms(vat=outside), b.issuer(vat_id=None), DAY) == []
    assert missing(b.terms(), b.issuer(vat_id=None), DAY) == ["issuer.vat_id"]


def test_self_billing_needs_an_agreement_in_force_and_an_account_to_pay_to() -> None:
    house = b.issuer(emsp_parties=("DEVWM",))
    assert missing(b.terms(direction="REVERSE"), house, DAY) == ["terms.self_billing"]
    agreed = b.terms(direction="REVERSE", self_billing=AGREED)
    assert missing(agreed, house, DAY) == []
    assert missing(agreed, house, date(2026, 12, 31)) == []
    assert missing(agreed, house, date(2027, 1, 1)) == ["terms.self_billing"]
    assert missing(agreed, b.issuer(), DAY) == ["issuer.emsp_parties"]
    unpaid = b.terms(direction="REVERSE", self_billing={k: v for k, v in AGREED.items() if k != "pay_to"})
    assert missing(unpaid, house, DAY) == ["terms.self_billing.pay_to"]
    assert "SELF_BILLING_ENDS" in [f.code for f in findings(agreed, house, date(2026, 11, 10))]


def test_who_bills_itself_is_the_buyer_in_the_table_of_treatments() -> None:
    reverse = b.terms(direction="REVERSE", self_billing=AGREED)  # a Dutch CPO supplies us in Germany
    assert "VAT_IMPLAUSIBLE" not in [f.code for f in findings(reverse, b.issuer(), DAY)]
    nameless = reverse.counterparty.model_copy(update={"vat_id": None})
    house = b.issuer(emsp_parties=("DEVWM",), vat_id=None)
    lacking = missing(reverse.model_copy(update={"counterparty": nameless}), house, DAY)
    assert lacking == ["terms.counterparty.vat_id", "issuer.vat_id"]


@pytest.mark.parametrize(
    "changes",
    [
        {"credit_after_invoice": "CREDIT_NOTE"},
        {"fees": ({"code": "A", "name": "A", "kind": "PER_SESSION", "price": "1", "vat": FEE_VAT},)},
    ],
)
def test_what_a_reverse_contract_cannot_have(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="REVERSE"):
        b.terms(direction="REVERSE", **changes)


@pytest.mark.parametrize(
    ("seller", "buyer", "day", "needed"),
    [
        ("BE", "BE", date(2025, 12, 31), False),
        ("BE", "BE", date(2026, 1, 1), True),
        ("BE", "NL", date(2026, 6, 1), False),
        ("FR", "FR", date(2026, 8, 31), False),
        ("FR", "FR", date(2026, 9, 1), True),
        ("PL", "PL", date(2026, 2, 1), True),
        ("PL", "DE", date(2026, 2, 1), True),
        ("DE", "PL", date(2026, 2, 1), False),
        ("IT", "IT", date(2026, 1, 1), True),
        ("DE", "DE", date(2028, 1, 1), False),
        ("NL", "NL", date(2028, 1, 1), False),
    ],
)
def test_a_domestic_contract_in_a_mandate_country_needs_a_channel(
    seller: str, buyer: str, day: date, needed: bool
) -> None:
    by_mail = b.terms(counterparty=buyer_in(buyer))
    assert ("terms.delivery_channel" in missing(by_mail, issuer_in(seller), day)) is needed
    connected = b.terms(counterparty=buyer_in(buyer), delivery_channel="ACCESS_POINT")
    assert missing(connected, issuer_in(seller), day) == []


def test_every_code_that_is_told_is_listed() -> None:
    folder = Path(checks.__file__).parent
    text = (folder / "checks.py").read_text() + (folder / "taxcheck.py").read_text()
    assert sorted(set(re.findall(r'code="([A-Z_0-9]+)"', text))) == sorted(checks.CODES)


def test_a_duty_within_a_year_is_told_before_it_holds() -> None:
    french = b.terms(counterparty=buyer_in("FR"))
    told = {f.code for f in findings(french, issuer_in("FR"), date(2025, 10, 1))}
    assert "EINVOICE_CHANNEL_DUE" in told
    told = {f.code for f in findings(french, issuer_in("FR"), date(2026, 9, 1))}
    assert "EINVOICE_CHANNEL_MISSING" in told
