"""What an agreement lacks, and what a person should look at, before it is billed (row 17, D.2, D.5, D.6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from roamclear.contracts import taxcheck
from roamclear.contracts.mandates import mandate
from roamclear.contracts.model import Basis, Counterparty, DeliveryChannel, Finding, PaymentRule, Terms
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
_OWED_BY_BUYER = frozenset({VatCategory.REVERSE_CHARGE})
_TAXED = _OWED_BY_BUYER | {VatCategory.STANDARD}


def missing(terms: Terms, issuer: Issuer | None, day: date) -> list[str]:
    """What keeps a contract in DRAFT on a day: fields without which its documents could not be issued (row 17).

    Electronic addresses and a buyer reference are Peppol R010 and R003; the VAT id is due where the buyer owes the tax;
    a domestic contract in a country whose law asks for e-invoices needs a channel for them (D.5); self-billing needs
    its agreement (Art. 224) and the account that is paid. Category O names the seller by its legal id, the others by
    its VAT id (rules.md 7); under REVERSE the partner is the seller and the issuer the buyer.
    """
    partner = terms.counterparty
    reverse = terms.is_reverse
    categories = {t.category for t in treatments(terms)}
    absent = {
        "terms.counterparty.electronic_address": not partner.electronic_address,
        "terms.counterparty.electronic_address_scheme": not partner.electronic_address_scheme,
        "terms.counterparty.buyer_reference": not partner.buyer_reference,
        "terms.counterparty.vat_id": not partner.vat_id and bool(categories & (_TAXED if reverse else _OWED_BY_BUYER)),
        "terms.counterparty.legal_id": reverse and VatCategory.OUTSIDE_SCOPE in categories and not partner.legal_id,
        "terms.grid": not terms.grid and terms.basis is not Basis.CDR_TOTAL,
        "terms.vat": terms.vat_basis is VatBasis.BUYER_ESTABLISHMENT and not treatments(terms),
        "terms.vat_rules": terms.vat_basis is VatBasis.EVSE_COUNTRY and not terms.vat_rules,
        "terms.self_billing": reverse and not _agreed(terms, day),
        "terms.self_billing.pay_to": reverse and _agreed(terms, day) and not _paid(terms),
        "terms.delivery_channel": issuer is not None and _needs_channel(terms, issuer, day),
        **(_of_issuer(terms, issuer, categories) if issuer else {}),
    }
    return [name for name, is_absent in absent.items() if is_absent]


def _of_issuer(terms: Terms, issuer: Issuer, categories: set[VatCategory]) -> dict[str, bool]:
    named = _OWED_BY_BUYER if terms.is_reverse else _TAXED
    outside = VatCategory.OUTSIDE_SCOPE in categories and not terms.is_reverse
    return {
        "issuer.legal_id": outside and not issuer.legal_id,
        "issuer.vat_id": bool(categories & named) and not issuer.vat_id,
        "issuer.emsp_parties": terms.is_reverse and not issuer.emsp_parties,
    }


def treatments(terms: Terms) -> list[VatTreatment]:
    """Every treatment an agreement may apply; under EVSE_COUNTRY its own one stands for no country."""
    own = [terms.vat] if terms.vat is not None and terms.vat_basis is VatBasis.BUYER_ESTABLISHMENT else []
    return [*own, *(rule.treatment for rule in terms.vat_rules)]


def _agreed(terms: Terms, day: date) -> bool:
    return terms.self_billing is not None and terms.self_billing.holds(day)


def _paid(terms: Terms) -> bool:
    return terms.self_billing is not None and terms.self_billing.pay_to is not None


def _needs_channel(terms: Terms, issuer: Issuer, day: date) -> bool:
    duty = mandate(*_countries(terms, issuer), day)
    return duty is not None and duty.network and terms.delivery_channel is not DeliveryChannel.ACCESS_POINT


def findings(terms: Terms, issuer: Issuer | None, day: date) -> list[Finding]:
    """What a person should look at on a day: doubts about the VAT, terms beyond what is usual, duties to come."""
    found = list(_unusual(terms, day))
    if issuer is not None:
        country, _ = _countries(terms, issuer)
        found = [*taxcheck.review(_supplied(terms, issuer), country, day), *found, *_to_come(terms, issuer, day)]
    return found


def _countries(terms: Terms, issuer: Issuer) -> tuple[str, str]:
    """Where the seller and the buyer are established."""
    own, partner = issuer.address.country, terms.counterparty.address.country
    return (partner, own) if terms.is_reverse else (own, partner)


def _supplied(terms: Terms, issuer: Issuer) -> Terms:
    """The terms as the table of treatments reads them, the buyer being the counterparty (D.2 with roles swapped)."""
    if not terms.is_reverse:
        return terms
    ourselves = Counterparty(legal_name=issuer.legal_name, address=issuer.address, vat_id=issuer.vat_id)
    return terms.model_copy(update={"counterparty": ourselves})


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
