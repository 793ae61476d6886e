"""Why no VAT is charged, as a document states it (BT-120, BT-121): by the contract versions of its own sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from roamclear.billing.rules import vat_of_line
from roamclear.billing.sums import Sums
from roamclear.cdrs.model import Rating, Session
from roamclear.contracts.fees import FeeCharge
from roamclear.contracts.model import ContractVersion, Terms, VatCategory, VatTreatment
from roamclear.contracts.rules import vat_filled
from roamclear.documents import model as doc

_CODES = {VatCategory.REVERSE_CHARGE: "VATEX-EU-AE", VatCategory.OUTSIDE_SCOPE: "VATEX-EU-O"}


def note(sums: Sums, session: Session, rating: Rating, versions: Mapping[int, ContractVersion]) -> None:
    """Note in the sums of a document why a session bears no VAT, one reason per category (product.md row 132).

    A session of an older version brings the reason that version prints, whatever the newest one says; where several
    reasons stand for one category they are all told, in order of their sessions.
    """
    untaxed = _untaxed(session, rating)
    if not untaxed:
        return
    own = versions[rating.contract_version]
    for category, component in untaxed:
        chosen = vat_filled(own, versions.values(), session.country, session.stop_utc, component)
        if chosen is None or chosen.category is not category:
            chosen = _any(own.terms, category)
        if chosen is not None and chosen.reason:
            sums.tell(category.value, chosen.reason)


def reasons(sums: Sums) -> dict[doc.VatCategory, doc.VatReason]:
    """The reasons of a document as it prints them."""
    return {
        doc.VatCategory(category): doc.VatReason(text="; ".join(told), code=_CODES.get(VatCategory(category)))
        for category, told in sums.reasons.items()
    }


def with_fees(
    known: Mapping[doc.VatCategory, doc.VatReason], fees: Iterable[FeeCharge]
) -> dict[doc.VatCategory, doc.VatReason]:
    """The reasons of the sessions, and those of fees that have others: a category tells all of its reasons."""
    found = dict(known)
    for fee in fees:
        category = doc.VatCategory(fee.vat_category)
        if fee.vat_reason is None or category is doc.VatCategory.STANDARD:
            continue
        told = found[category].text.split("; ") if category in found else []
        if fee.vat_reason not in told:
            text = "; ".join([*told, fee.vat_reason])
            found[category] = doc.VatReason(text=text, code=_CODES.get(VatCategory(fee.vat_category)))
    return found


def _untaxed(session: Session, rating: Rating) -> list[tuple[VatCategory, str | None]]:
    """The categories without VAT of a session, each with the component that is treated apart, or None for the whole."""
    found: dict[tuple[VatCategory, str | None], None] = {}
    if session.vat_category not in (None, VatCategory.STANDARD):
        found[VatCategory(session.vat_category), None] = None
    for line in rating.lines:
        category, _ = vat_of_line(session, line)
        if line.vat_category is not None and category != VatCategory.STANDARD:
            found[VatCategory(category), line.component] = None
    return list(found)


def _any(terms: Terms, category: VatCategory) -> VatTreatment | None:
    """Any treatment of this category in a version: for a session whose country was learned later."""
    known = [*([terms.vat] if terms.vat else []), *(rule.treatment for rule in terms.vat_rules)]
    return next((t for t in known if t.category is category), None)
