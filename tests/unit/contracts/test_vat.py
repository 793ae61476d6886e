"""The decision table D.2 row by row, the look-up of treatments, and what is told of a chosen one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from roamclear.contracts.checks import findings
from roamclear.contracts.model import ContractVersion, Counterparty, Terms
from roamclear.contracts.rules import vat_of
from roamclear.contracts.taxcheck import Situation, options
from roamclear.contracts.vat import (
    ResellerCertificate,
    VatBasis,
    VatCategory,
    VatProof,
    VatRule,
    VatTreatment,
    standing,
)
from roamclear.identity.issuer import Address
from tests.support import builders as b

DAY = date(2026, 11, 9)
GERMAN = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19))
REVERSE = VatTreatment(category=VatCategory.REVERSE_CHARGE, reason="Reverse charge")
OUTSIDE = VatTreatment(category=VatCategory.OUTSIDE_SCOPE, reason="Not taxable here")
CERTIFICATE = ResellerCertificate(reference="USt1TH-2025", valid_from=date(2025, 1, 1), valid_to=date(2027, 12, 31))


def situation(**changes: Any) -> Situation:
    base: dict[str, Any] = {
        "seller_country": "DE", "buyer_country": "NL", "buyer_vat_country": "NL", "taxable_dealer": True, "day": DAY,
    }  # fmt: skip
    return Situation(**(base | changes))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {("AE", "NL")}),
        ({"seller_establishments": frozenset({"NL"})}, {("S", "NL")} | {("AE", "NL")}),
        ({"buyer_country": "DE"}, {("S", "DE")}),
        ({"buyer_country": "DE", "certified": True}, {("S", "DE"), ("AE", "DE")}),
        ({"buyer_country": "DE", "certified": True, "day": date(2027, 1, 1)}, {("S", "DE")}),
        ({"seller_country": "NL"}, {("S", "NL"), ("AE", "NL")}),
        ({"seller_country": "NL", "day": date(2027, 1, 1)}, {("S", "NL")}),
        ({"buyer_country": "CH"}, {("O", "CH")}),
        ({"buyer_country": "GB"}, {("O", "GB")}),
        ({"taxable_dealer": False, "evse_country": "DE"}, {("S", "DE")}),
        ({"taxable_dealer": False, "evse_country": "FR"}, {("S", "FR")}),
        ({"taxable_dealer": False, "evse_country": "NL"}, {("S", "NL"), ("AE", "NL")}),
        ({"taxable_dealer": False, "evse_country": "CH"}, {("O", "CH")}),
        ({"taxable_dealer": False}, set()),
        ({"seller_country": "CH"}, set()),
    ],
)
def test_the_table_of_places_and_debtors(given: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert {(o.category.value, o.country) for o in options(situation(**given))} == expected


def buyer(country: str, vat: str | None) -> Counterparty:
    return b.terms().counterparty.model_copy(
        update={
            "address": Address(lines=("Street 1",), postal_code="1000", city="City", country=country),
            "vat_id": vat,
        }
    )


def told(terms: Terms, day: date = DAY) -> list[str]:
    return [f.code for f in findings(terms, b.issuer(), day)]


def test_a_plausible_treatment_is_told_nothing() -> None:
    assert told(b.terms()) == []
    assert told(b.terms(counterparty=buyer("DE", "DE136695976"), vat=GERMAN)) == []
    assert told(b.terms(counterparty=buyer("CH", None), vat=OUTSIDE)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"vat": GERMAN}, "VAT_IMPLAUSIBLE"),
        ({"vat": OUTSIDE}, "VAT_IMPLAUSIBLE"),
        ({"counterparty": buyer("DE", "DE136695976"), "vat": REVERSE}, "VAT_IMPLAUSIBLE"),
        ({"counterparty": buyer("DE", "DE136695976"), "vat": GERMAN.model_copy(update={"rate_percent": Decimal(7)})},
         "VAT_RATE_UNUSUAL"),
        ({"counterparty": buyer("CH", None), "vat": GERMAN}, "VAT_IMPLAUSIBLE"),
        ({"counterparty": buyer("NL", "DE136695976")}, "VAT_ID_OF_ANOTHER_STATE"),
        ({"taxable_dealer": False}, "VAT_BASIS_IMPLAUSIBLE"),
        ({"window_days": 14}, "WINDOW_BEYOND_VIDA"),
        ({"payment_days": 61}, "TERMS_BEYOND_60_DAYS"),
        ({"payment_rule": "END_OF_MONTH", "payment_days": 45}, "TERMS_BEYOND_60_DAYS"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_told_by_name(changes: dict[str, Any], code: str) -> None:
    assert code in told(b.terms(**changes))


def test_a_german_reverse_charge_needs_both_certificates_and_tells_their_end() -> None:
    both = {"reseller_certificate": CERTIFICATE, "issuer_certificate": CERTIFICATE}
    domestic = {"counterparty": buyer("DE", "DE136695976"), "vat": REVERSE}
    assert told(b.terms(**domestic, reseller_certificate=CERTIFICATE))[0] == "VAT_IMPLAUSIBLE"
    assert told(b.terms(**domestic, **both), date(2026, 9, 1)) == []
    assert told(b.terms(**domestic, **both), DAY) == ["ART_199A_ENDS"]
    assert "VAT_IMPLAUSIBLE" in told(b.terms(**domestic, **both), date(2027, 1, 1))
    assert "CERTIFICATE_ENDS" in told(b.terms(**both), date(2027, 11, 2))
    assert "CERTIFICATE_ENDS" not in told(b.terms(**both), date(2027, 11, 1))
    with pytest.raises(ValidationError, match="three years"):
        ResellerCertificate(reference="X", valid_from=date(2024, 2, 29), valid_to=date(2027, 3, 1))
    assert ResellerCertificate(reference="X", valid_from=date(2024, 2, 29), valid_to=date(2027, 2, 28)).valid_to


def rule(country: str | None, treatment: VatTreatment, **changes: Any) -> VatRule:
    return VatRule(country=country, treatment=treatment, **changes)


def by_country(*rules: VatRule, **changes: Any) -> ContractVersion:
    terms = b.terms(vat=None, vat_basis="EVSE_COUNTRY", taxable_dealer=False, vat_rules=rules, **changes)
    return version(terms)


def version(terms: Terms) -> ContractVersion:
    return ContractVersion(
        issuer_id=b.ISSUER, contract_id="C-1", version=1, valid_from=date(2026, 1, 1), terms=terms, author="ada",
        recorded_at_utc=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_by_country_the_rule_of_the_evse_decides_and_none_is_missing() -> None:
    french = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(20))
    later = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(21))
    made = by_country(rule("DE", GERMAN), rule("FR", french), rule("FR", later, valid_from=date(2026, 11, 1)))
    before, after = datetime(2026, 10, 31, 22, 59, tzinfo=UTC), datetime(2026, 10, 31, 23, 0, tzinfo=UTC)
    assert vat_of(made, "DE", after) == GERMAN
    assert vat_of(made, "FR", before) == french  # still October in Berlin
    assert vat_of(made, "FR", after) == later
    assert vat_of(made, "NL", after) is None
    assert vat_of(made, "", after) is None


def test_a_future_treatment_takes_over_on_its_day() -> None:
    made = version(b.terms(vat=REVERSE, vat_rules=(VatRule(treatment=GERMAN, valid_from=date(2027, 1, 1)),)))
    assert vat_of(made, "DE", datetime(2026, 12, 31, 22, 59, tzinfo=UTC)) == REVERSE
    assert vat_of(made, "FR", datetime(2026, 12, 31, 23, 0, tzinfo=UTC)) == GERMAN


def test_a_component_may_be_treated_apart_with_its_reason() -> None:
    parking = VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(7), reason="parking is a service")
    made = version(b.terms(vat=GERMAN, vat_rules=(VatRule(treatment=parking, component="PARKING"),)))
    at = datetime(2026, 11, 1, tzinfo=UTC)
    assert vat_of(made, "DE", at, "PARKING") == parking
    assert vat_of(made, "DE", at, "ENERGY") == GERMAN
    assert vat_of(made, "DE", at) == GERMAN


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vat_rules": (rule("FR", GERMAN),)}, "EVSE_COUNTRY"),
        ({"vat_basis": "EVSE_COUNTRY", "vat_rules": (rule(None, GERMAN),)}, "names its country"),
        ({"vat_basis": "EVSE_COUNTRY", "vat_rules": (rule("FR", GERMAN), rule("FR", REVERSE))}, "two rules"),
        ({"vat": OUTSIDE, "vat_rules": (
            rule(None, GERMAN.model_copy(update={"reason": "why"}), component="PARKING"),)}, "category O"),
        ({"credit_limit": {"amount_minor": 5, "currency": "CHF"}}, "currency"),
        ({"credit_limit": {"amount_minor": -5, "currency": "EUR"}}, "below zero"),
        ({"payment_rule": "FIXED_DAY"}, "payment_day"),
        ({"payment_day": 5}, "payment_day"),
    ],
)  # fmt: skip
def test_terms_that_contradict_themselves_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        b.terms(**changes)


def test_a_component_without_a_reason_is_refused() -> None:
    with pytest.raises(ValidationError, match="states its reason"):
        VatRule(component="PARKING", treatment=GERMAN)


def test_a_proof_speaks_for_thirty_days() -> None:
    good = VatProof(vat_id="NL002455799B11", valid=True, checked_on=date(2026, 10, 10), request_id="WAPI1")
    bad = good.model_copy(update={"valid": False, "checked_on": date(2026, 10, 12), "request_id": "WAPI2"})
    assert standing(good.vat_id, [good], date(2026, 11, 9)).state == "VALID"
    assert standing(good.vat_id, [good], date(2026, 11, 10)).state == "OLD"
    assert standing(good.vat_id, [good, bad], date(2026, 11, 9)).state == "INVALID"
    assert standing(good.vat_id, [good, bad], date(2026, 10, 11)).proof == good
    assert standing(good.vat_id, [good], date(2026, 10, 9)).state == "UNPROVED"


def test_what_a_basis_is_called_is_fixed() -> None:
    assert b.terms().vat_basis is VatBasis.BUYER_ESTABLISHMENT
