"""Run, contract and locked sessions as the canonical document model; numbers and dates come last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from roamclear.billing import fee_lines, rules
from roamclear.billing.model import Document, Recipient, Run
from roamclear.billing.sums import Lines, LineSum
from roamclear.contracts.fees import FeeCharge
from roamclear.contracts.model import ContractVersion, Counterparty
from roamclear.contracts.rules import due_date
from roamclear.documents import model as doc
from roamclear.documents.days import period_text, short_date
from roamclear.documents.totals import totals, vat_breakdown
from roamclear.identity.issuer import Address, Issuer
from roamclear.kernel.money import Money
from roamclear.kernel.time import local_date

_COMPONENT = {
    "ENERGY": (doc.Component.ENERGY, doc.Unit.KWH),
    "FLAT": (doc.Component.SESSION, doc.Unit.PIECE),
    "TIME": (doc.Component.TIME, doc.Unit.HOUR),
    "PARKING": (doc.Component.PARKING, doc.Unit.HOUR),
    "RESERVATION": (doc.Component.RESERVATION, doc.Unit.HOUR),
    "CAP": (doc.Component.CAP, doc.Unit.PIECE),
    "DISPUTE": (doc.Component.ADJUSTMENT, doc.Unit.PIECE),
    "WITHHELD": (doc.Component.DISPUTED, doc.Unit.PIECE),
    "CREDIT": (doc.Component.ADJUSTMENT, doc.Unit.PIECE),
}
#: Components that count units of money: their lines state the amount alone.
_AMOUNTS = ("CREDIT", "WITHHELD")
_SECTION = {
    "PERIOD": doc.SectionKind.COUNTRY,
    "EARLIER": doc.SectionKind.EARLIER,
    "ADJUSTMENT": doc.SectionKind.ADJUSTMENT,
}


def invoice(
    run: Run,
    issuer: Issuer,
    terms: ContractVersion,
    sums: Lines,
    *,
    type_code: str,
    issue_date: date,
    reasons: Mapping[doc.VatCategory, doc.VatReason],
    fees: Sequence[FeeCharge] = (),
    carried: Sequence[Run] = (),
    amended: Sequence[Document] = (),
    not_included: int = 0,
    payment: doc.Payment | None = None,
    recipient: Recipient | None = None,
) -> doc.InvoiceDocument:
    """The document of a run without its number; a credit note states positive amounts.

    ``terms`` give the parties, language and terms of payment only (decision 0019): prices and VAT come with the sums.
    ``recipient`` is what the draft said beside them. Under REVERSE the partner supplies, and ``payment`` is where we
    pay to.
    """
    sign = -1 if rules.is_credit(type_code) else 1
    ourselves, partner = seller(issuer), buyer(terms.terms.counterparty)
    supplier, customer = (partner, ourselves) if terms.terms.is_reverse else (ourselves, partner)
    language = doc.Language(terms.terms.language)
    charged = tuple(fee_lines.lines(run, fees, language, sign))
    lines = (*_lines(run, sums, sign, language), *charged) or _lines(run, sums, sign, language, free=True)
    vat = vat_breakdown(lines, run.currency, reasons)
    return doc.InvoiceDocument(
        type_code=doc.DocumentType(type_code),
        issue_date=issue_date,
        due_date=due_date(issue_date, terms.terms),
        period_start=run.first,
        period_end=run.end - timedelta(days=1),
        currency=run.currency,
        language=language,
        seller=supplier,
        buyer=customer,
        payment=payment or doc.Payment(iban=issuer.iban, bic=issuer.bic, account_name=issuer.legal_name),
        lines=lines,
        vat=vat,
        totals=totals(vat, run.currency),
        buyer_reference=terms.terms.counterparty.buyer_reference,
        contract_reference=run.contract_id,
        preceding=tuple(doc.Preceding(number=d.number, issue_date=d.issue_date) for d in amended),
        order_reference=recipient.order_reference if recipient else None,
        notes=(*((recipient.note,) if recipient and recipient.note else ()), *fee_lines.notes(carried, language)),
        window=window(run, not_included),
        branding=branding(issuer),
        correction_reason=run.reason,
    )


def numbered(draft: doc.InvoiceDocument, number: str, issue: date, due: date) -> doc.InvoiceDocument:
    """The document under its number, with the reference the payer is to use."""
    payment = draft.payment.model_copy(update={"reference": rules.reference(number)})
    return draft.model_copy(update={"number": number, "issue_date": issue, "due_date": due, "payment": payment})


def final(draft: doc.InvoiceDocument, header: Document) -> doc.InvoiceDocument:
    """The document as it was issued."""
    return numbered(draft, header.number, header.issue_date, header.due_date)


def window(run: Run, not_included: int) -> doc.WindowStatement | None:
    """What the control window and the lock were."""
    if run.opened_at_utc is None or run.closes_at_utc is None:
        return None
    return doc.WindowStatement(
        opened_at_utc=run.opens_at_utc if run.opened_at_utc < run.opens_at_utc else run.opened_at_utc,
        closed_at_utc=run.closes_at_utc,
        zone=run.zone,
        locked_at_utc=run.locked_at_utc,
        manifest_sha256=run.manifest,
        sessions=run.locked,
        disputed=run.disputed,
        not_included=not_included,
    )


def seller(issuer: Issuer) -> doc.Party:
    """The issuer as a party: the seller, or the buyer of what it bills itself."""
    return _party(issuer.legal_name, issuer.address).model_copy(
        update={
            "vat_id": issuer.vat_id,
            "legal_id": issuer.legal_id,
            "electronic_address": issuer.electronic_address,
            "electronic_scheme": issuer.electronic_address_scheme,
            "contact_name": issuer.brand.contact_name or None,
            "contact_phone": issuer.brand.contact_phone or None,
            "contact_email": issuer.brand.contact_email or None,
        }
    )


def buyer(partner: Counterparty) -> doc.Party:
    """The partner as a party: the eMSP that buys, or the CPO that supplies."""
    return _party(partner.legal_name, partner.address).model_copy(
        update={
            "vat_id": partner.vat_id,
            "legal_id": partner.legal_id,
            "electronic_address": partner.electronic_address,
            "electronic_scheme": partner.electronic_address_scheme,
        }
    )


def branding(issuer: Issuer) -> doc.Branding:
    """How the issuer's documents look; whoever draws puts in the bytes of the logo."""
    return doc.Branding(
        primary=issuer.brand.primary,
        accent=issuer.brand.accent,
        footer_lines=issuer.brand.footer[:4],
        logo_key=issuer.brand.logo_key,
        typeface=doc.Typeface(issuer.brand.typeface),
    )


def _party(name: str, address: Address) -> doc.Party:
    return doc.Party(
        name=name,
        address_lines=address.lines,
        postcode=address.postal_code,
        city=address.city,
        country=address.country,
    )


def _lines(run: Run, sums: Lines, sign: int, language: doc.Language, *, free: bool = False) -> tuple[doc.Line, ...]:
    return tuple(
        _line(key, total, run, sign, language)
        for key, total in sums.by_key(free=free).items()
        if total.quantity or total.amount_minor
    )


def _line(key: rules.LineKey, total: LineSum, run: Run, sign: int, language: doc.Language) -> doc.Line:
    component, unit = _COMPONENT[key.component]
    # An amount that was credited or withheld has no quantity, and quantities may cancel out where rounding left one.
    lump = key.component in _AMOUNTS or not total.quantity
    if lump and key.component not in _AMOUNTS:
        component, unit = doc.Component.ADJUSTMENT, doc.Unit.PIECE
    quantity = Decimal(1 if total.amount_minor > 0 else -1) if lump else total.quantity
    kind = _SECTION[key.section]
    earlier = kind is not doc.SectionKind.COUNTRY
    return doc.Line(
        section=doc.Section(kind=kind, country=key.country or None),
        component=component,
        description=_span(total, run, language) if earlier else None,
        quantity=Decimal(format((quantity * sign).normalize(), "f")),
        unit=unit,
        net=Money(total.amount_minor * sign, run.currency),
        unit_price=None if lump else key.unit_price,
        contract_version=str(key.contract_version),
        sessions=total.sessions,
        vat_category=doc.VatCategory(key.vat_category),
        vat_rate=key.vat_rate,
        period_start=None if earlier else run.first,
        period_end=None if earlier else run.end - timedelta(days=1),
    )


def _span(total: LineSum, run: Run, language: doc.Language) -> str | None:
    """When the sessions of an earlier line were supplied, in words, for it lies outside BG-14 (Art. 226(7))."""
    if total.first is None or total.last is None:
        return None
    first, last = local_date(total.first, run.zone), local_date(total.last, run.zone)
    return short_date(first, language) if first == last else period_text(first, last, language)
