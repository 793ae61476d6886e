"""Whether the VAT treatment a person chose is plausible: the decision table D.2 of product.md; pure.

The table never decides tax. It says which treatments it knows for a situation; a chosen one it does not know is told
by name, and what is wrong without doubt keeps the contract in DRAFT (``checks.missing``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from roamclear.contracts.model import Finding, Terms
from roamclear.contracts.vat import ResellerCertificate, VatBasis, VatCategory, VatTreatment, treatment

#: Member states, with Northern Ireland (XI) for goods.
MEMBER_STATES = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "XI",
})  # fmt: skip
#: Standard rates in percent as known on 21 Nov 2026: for a warning only, never for an amount.
STANDARD_RATES = {
    "AT": "20", "BE": "21", "BG": "20", "CY": "19", "CZ": "21", "DE": "19", "DK": "25", "EE": "24", "ES": "21",
    "FI": "25.5", "FR": "20", "GR": "24", "HR": "25", "HU": "27", "IE": "23", "IT": "22", "LT": "21", "LU": "17",
    "LV": "21", "MT": "18", "NL": "21", "PL": "23", "PT": "23", "RO": "21", "SE": "25", "SI": "22", "SK": "23",
}  # fmt: skip
#: Last day of the optional domestic reverse charge of Art. 199a as the directive reads today.
ART_199A_ENDS = date(2026, 12, 31)
#: A certificate that ends within this time is told.
CERTIFICATE_NOTICE = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts of D.2 for one supply; countries are ISO 3166-1 alpha-2, ``evse_country`` only where it decides."""

    seller_country: str
    buyer_country: str
    buyer_vat_country: str | None
    taxable_dealer: bool
    day: date
    evse_country: str | None = None
    seller_establishments: frozenset[str] = frozenset()
    certified: bool = False

    @property
    def seller_in(self) -> frozenset[str]:
        """Where the seller is established, with its fixed establishments."""
        return self.seller_establishments | {self.seller_country}


@dataclass(frozen=True, slots=True)
class Option:
    """A treatment the table knows: its category, the country whose VAT it is, and the row of the table."""

    category: VatCategory
    country: str
    why: str


def options(given: Situation) -> tuple[Option, ...]:
    """The treatments that the table D.2 knows for a situation; empty where it says nothing."""
    if given.seller_country not in MEMBER_STATES:
        return ()
    if not given.taxable_dealer:
        return _used_there(given, given.evse_country) if given.evse_country else ()
    return _resold(given)


def _resold(given: Situation) -> tuple[Option, ...]:
    """Art. 38(1): electricity to a taxable dealer is supplied where the dealer is established."""
    place = given.buyer_country
    if place not in MEMBER_STATES:
        return (Option(VatCategory.OUTSIDE_SCOPE, place, "dealer outside the EU"),)
    if place not in given.seller_in:
        return (Option(VatCategory.REVERSE_CHARGE, place, "Art. 38(1), Art. 195"),)
    found = [Option(VatCategory.STANDARD, place, "domestic supply to a dealer")]
    if given.day <= ART_199A_ENDS and (place != "DE" or given.certified):
        law = "§ 13b(2) no. 5(b) UStG" if place == "DE" else "Art. 199a(1)"
        found.append(Option(VatCategory.REVERSE_CHARGE, place, law))
    return tuple(found)


def _used_there(given: Situation, place: str) -> tuple[Option, ...]:
    """Art. 39: electricity to others is supplied where it is used, at the EVSE."""
    if place not in MEMBER_STATES:
        return (Option(VatCategory.OUTSIDE_SCOPE, place, "used outside the EU"),)
    found = [Option(VatCategory.STANDARD, place, "Art. 39")]
    if given.buyer_vat_country == place and place not in given.seller_in:
        found.append(Option(VatCategory.REVERSE_CHARGE, place, "Art. 39, Art. 195"))
    return tuple(found)


def review(terms: Terms, seller_country: str, day: date) -> list[Finding]:
    """Everything about the VAT of an agreement that a person should look at on a day, worst doubts first."""
    found = [*_basis(terms), *_implausible(terms, seller_country, day), *_proofs(terms, seller_country, day)]
    return list(dict.fromkeys(found))


def _basis(terms: Terms) -> Iterator[Finding]:
    if not terms.taxable_dealer and terms.vat_basis is VatBasis.BUYER_ESTABLISHMENT:
        text = "the buyer is no taxable dealer: the country of the EVSE decides (Art. 39)"
        yield Finding(code="VAT_BASIS_IMPLAUSIBLE", field="terms.vat_basis", message=text)
    if terms.taxable_dealer and terms.vat_basis is VatBasis.EVSE_COUNTRY:
        text = "the buyer is a taxable dealer: its establishment decides, wherever the EVSE stands (Art. 38)"
        yield Finding(code="VAT_BASIS_IMPLAUSIBLE", field="terms.vat_basis", message=text)


def _implausible(terms: Terms, seller_country: str, day: date) -> Iterator[Finding]:
    for field, country, chosen in _chosen(terms, day):
        given = situation(terms, seller_country, day, country)
        known = options(given)
        if not known:
            text = "the decision table knows no treatment of this situation; ask a tax adviser"
            yield Finding(code="VAT_NOT_COVERED", field=field, message=text)
        elif chosen.category not in {option.category for option in known}:
            names = " or ".join(f"{o.category.value} ({o.why})" for o in known)
            text = f"category {chosen.category.value} is not what the table knows here: {names}"
            yield Finding(code="VAT_IMPLAUSIBLE", field=field, message=text)
        elif chosen.category is VatCategory.STANDARD:
            place = next(o.country for o in known if o.category is VatCategory.STANDARD)
            if place in STANDARD_RATES and Decimal(STANDARD_RATES[place]) != chosen.rate_percent:
                text = f"{chosen.rate_percent:f} % is not the standard rate of {place}, {STANDARD_RATES[place]} %"
                yield Finding(code="VAT_RATE_UNUSUAL", field=field, message=text)


def _chosen(terms: Terms, day: date) -> Iterator[tuple[str, str | None, VatTreatment]]:
    """Each treatment in force on a day for whole sessions: field, EVSE country where it decides, treatment."""
    if terms.vat_basis is VatBasis.BUYER_ESTABLISHMENT:
        found = treatment(terms.vat, terms.vat_rules, terms.vat_basis, country="", day=day)
        if found is not None:
            yield "terms.vat", None, found
        return
    for country in sorted({rule.country for rule in terms.vat_rules if rule.country}):
        found = treatment(None, terms.vat_rules, terms.vat_basis, country=country, day=day)
        if found is not None:
            yield f"terms.vat_rules.{country}", country, found


def situation(terms: Terms, seller_country: str, day: date, evse_country: str | None = None) -> Situation:
    """The facts of an agreement on a day."""
    buyer = terms.counterparty
    return Situation(
        seller_country=seller_country,
        buyer_country=buyer.address.country,
        buyer_vat_country=_country_of(buyer.vat_id) if buyer.vat_id else None,
        taxable_dealer=terms.taxable_dealer,
        day=day,
        evse_country=evse_country,
        seller_establishments=frozenset(terms.seller_establishments),
        certified=_holds(terms.reseller_certificate, day) and _holds(terms.issuer_certificate, day),
    )


def _country_of(vat_id: str) -> str:
    """The state of a VAT id; Greece writes EL."""
    return vat_id[:2].replace("EL", "GR")


def _holds(certificate: ResellerCertificate | None, day: date) -> bool:
    return certificate is not None and certificate.valid_from <= day <= certificate.valid_to


def _proofs(terms: Terms, seller_country: str, day: date) -> Iterator[Finding]:
    buyer = terms.counterparty
    reversed_charge = any(c.category is VatCategory.REVERSE_CHARGE for _, _, c in _chosen(terms, day))
    resold = terms.vat_basis is VatBasis.BUYER_ESTABLISHMENT
    if reversed_charge and resold and buyer.vat_id and _country_of(buyer.vat_id) != buyer.address.country:
        text = "the buyer's VAT id is not of the state where it is established (Art. 195)"
        yield Finding(code="VAT_ID_OF_ANOTHER_STATE", field="terms.counterparty.vat_id", message=text)
    if reversed_charge and buyer.address.country == seller_country and day + CERTIFICATE_NOTICE > ART_199A_ENDS:
        text = f"the option of Art. 199a ends on {ART_199A_ENDS}: look whether it was prolonged"
        yield Finding(code="ART_199A_ENDS", field="terms.vat", message=text)
    for field in ("reseller_certificate", "issuer_certificate"):
        certificate: ResellerCertificate | None = getattr(terms, field)
        if certificate is not None and certificate.valid_to < day + CERTIFICATE_NOTICE:
            text = f"the reseller certificate ends on {certificate.valid_to}"
            yield Finding(code="CERTIFICATE_ENDS", field=f"terms.{field}", message=text)
