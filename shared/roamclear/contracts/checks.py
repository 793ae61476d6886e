"""What an agreement lacks, and what a person should look at, before it is billed (row 17, D.2, D.5, D.6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from roamclear.contracts import taxcheck
from roamclear.contracts.mandates import mandate
from roamclear.contracts.model import Basis, DeliveryChannel, Direction, Finding, PaymentRule, Terms
from roamclear.contracts.vat import VatBasis, VatCategory, VatTreatment
from roamclear.identity.issuer import Issuer

#: An issue by the tenth day of the next month, as ViDA will ask for, leaves a window of seven days (D.5).
VIDA_WINDOW_DAYS = 7
#: Longer terms between businesses must be agreed expressly and not be grossly unfair (Directive 2011/7/EU).
USUAL_TERMS_DAYS = 60
#: Everything ``findings`` may tell, by its code.
CODES = (
    "VAT_BASIS_IMPLAUSIBLE",
    "VAT_NOT_COVERED",
    "VAT_IMPLAUSIBLE",
    "VAT_RATE_UNUSUAL",
    "VAT_ID_OF_ANOTHER_STATE",
    "ART_199A_ENDS",
    "CERTIFICATE_ENDS",
    "WINDOW_BEYOND_VIDA",
    "TERMS_BEYOND_60_DAYS",
    "SELF_BILLING_ENDS",
    "EINVOICE_CHANNEL_MISSING",
    "EINVOICE_CHANNEL_DUE",
)
_TAXED = frozenset({VatCategory.STANDARD, VatCategory.REVERSE_CHARGE})


def missing(terms: Terms, issuer: Issuer | None, day: date) -> list[str]:
    """What keeps a contract in DRAFT on a day: fields without which its documents could not be issued (row 17).

    Electronic addresses and a buyer reference are Peppol R010 and R003; the VAT id is due where the buyer owes the tax;
    a domestic contract in a country whose law asks for e-invoices needs a channel for them (D.5); self-billing needs
    its agreement (Art. 224). Category O names the issuer by its legal id, the others by its VAT id (rules.md 7).
    """
    partner = terms.counterparty
    categories = {t.category for t in treatments(terms)}
    absent = {
        "terms.counterparty.electronic_address": not partner.electronic_address,
        "terms.counterparty.electronic_address_scheme": not partner.electronic_address_scheme,
        "terms.counterparty.buyer_reference": not partner.buyer_reference,
        "terms.counterparty.vat_id": VatCategory.REVERSE_CHARGE in categories and not partner.vat_id,
        "terms.grid": not terms.grid and terms.basis is not Basis.CDR_TOTAL,
        "terms.vat": terms.vat_basis is VatBasis.BUYER_ESTABLISHMENT and not treatments(terms),
        "terms.vat_rules": terms.vat_basis is VatBasis.EVSE_COUNTRY and not terms.vat_rules,
        "terms.self_billing": terms.direction is Direction.REVERSE and not _agreed(terms, day),
        "terms.delivery_channel": issuer is not None and _needs_channel(terms, issuer, day),
        "issuer.legal_id": issuer is not None and VatCategory.OUTSIDE_SCOPE in categories and not issuer.legal_id,
        "issuer.vat_id": issuer is not None and bool(categories & _TAXED) and not issuer.vat_id,
    }
    return [name for name, is_absent in absent.items() if is_absent]


def treatments(terms: Terms) -> list[VatTreatment]:
    """Every treatment an agreement may apply; under EVSE_COUNTRY its own one stands for no country."""
    own = [terms.vat] if terms.vat is not None and terms.vat_basis is VatBasis.BUYER_ESTABLISHMENT else []
    return [*own, *(rule.treatment for rule in terms.vat_rules)]


def _agreed(terms: Terms, day: date) -> bool:
    agreement = terms.self_billing
    if agreement is None or day < agreement.valid_from:
        return False
    return agreement.valid_to is None or day < agreement.valid_to


def _needs_channel(terms: Terms, issuer: Issuer, day: date) -> bool:
    duty = mandate(issuer.address.country, terms.counterparty.address.country, day)
    return duty is not None and duty.network and terms.delivery_channel is not DeliveryChannel.ACCESS_POINT


def findings(terms: Terms, issuer: Issuer | None, day: date) -> list[Finding]:
    """What a person should look at on a day: doubts about the VAT, terms beyond what is usual, duties to come."""
    found = list(_unusual(terms, day))
    if issuer is not None:
        country = issuer.address.country
        found = [*taxcheck.review(terms, country, day), *found, *_to_come(terms, issuer, day)]
    return found


def _unusual(terms: Terms, day: date) -> Iterator[Finding]:
    if terms.window_days > VIDA_WINDOW_DAYS:
        text = "a window of more than 7 days ends behind the tenth of the next month (Directive (EU) 2025/516)"
        yield Finding(code="WINDOW_BEYOND_VIDA", field="terms.window_days", message=text)
    if _longest_terms(terms) > USUAL_TERMS_DAYS:
        text = "more than 60 days must be agreed expressly and not be grossly unfair (Directive 2011/7/EU)"
        yield Finding(code="TERMS_BEYOND_60_DAYS", field="terms.payment_days", message=text)
    agreement = terms.self_billing
    ends = agreement.valid_to if agreement else None
    if ends is not None and ends < day + taxcheck.CERTIFICATE_NOTICE:
        text = f"the self-billing agreement ends on {ends}"
        yield Finding(code="SELF_BILLING_ENDS", field="terms.self_billing", message=text)


def _longest_terms(terms: Terms) -> int:
    """Days between issue and due date at their longest."""
    if terms.payment_rule is PaymentRule.NET:
        return terms.payment_days
    if terms.payment_rule is PaymentRule.END_OF_MONTH:
        return 30 + terms.payment_days
    return 30 * terms.payment_months + (terms.payment_day or 0)


def _to_come(terms: Terms, issuer: Issuer, day: date) -> Iterator[Finding]:
    """A duty to send e-invoices that begins within a year."""
    if _needs_channel(terms, issuer, day):
        text = "the law asks for an e-invoice: name an access point as channel"
        yield Finding(code="EINVOICE_CHANNEL_MISSING", field="terms.delivery_channel", message=text)
        return
    later = day.replace(year=day.year + 1, day=min(day.day, 28))
    if _needs_channel(terms, issuer, later):
        text = "within a year the law asks for an e-invoice: an access point will be needed"
        yield Finding(code="EINVOICE_CHANNEL_DUE", field="terms.delivery_channel", message=text)
