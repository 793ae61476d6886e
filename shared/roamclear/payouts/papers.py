"""Payouts as the canonical documents: the self-billed invoice (389, 261) and the statement. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from roamclear.billing.papers import branding, seller
from roamclear.cdrs.model import Session
from roamclear.documents import model as doc
from roamclear.documents.totals import totals, vat_breakdown
from roamclear.evses.model import AccountKind, AccountTerms, PayoutAccount
from roamclear.identity.issuer import Issuer
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.money import Money, total
from roamclear.payouts import rules
from roamclear.payouts.model import Balance, Payout, ShareLine

_VATEX = {"AE": "VATEX-EU-AE", "O": "VATEX-EU-O"}
_TERMS = {
    "EN": "Paid by credit transfer with reference {0}.",
    "DE": "Zahlung durch Überweisung mit der Referenz {0}.",
    "FR": "Paiement par virement avec la référence {0}.",
    "NL": "Betaling per overschrijving met kenmerk {0}.",
}
_SHARE = {
    "EN": "{0} % of the net revenue of each session",
    "DE": "{0} % der Nettoerlöse jedes Ladevorgangs",
    "FR": "{0} % du chiffre d'affaires net de chaque session",
    "NL": "{0} % van de netto-opbrengst van elke laadsessie",
}
_CARRIED = {
    "EN": "The closing balance is carried to the next statement.",
    "DE": "Der Endsaldo wird auf die nächste Abrechnung übertragen.",
    "FR": "Le solde final est reporté sur le prochain relevé.",
    "NL": "Het eindsaldo wordt overgebracht naar de volgende afrekening.",
}
_UNTAXED = {
    "EN": "No VAT: the holder of the account is not a taxable person.",
    "DE": "Keine Umsatzsteuer: der Kontoinhaber ist kein Steuerpflichtiger.",
    "FR": "Sans TVA : le titulaire du compte n'est pas assujetti.",
    "NL": "Geen btw: de rekeninghouder is niet btw-plichtig.",
}


def holder(terms: AccountTerms) -> doc.Party:
    """The holder of an account as the supplier; its electronic address is its mail address (EAS code EM)."""
    return doc.Party(
        name=terms.holder,
        address_lines=terms.address.lines,
        postcode=terms.address.postal_code,
        city=terms.address.city,
        country=terms.address.country,
        vat_id=terms.vat_id,
        legal_id=terms.legal_id,
        electronic_address=terms.email,
        electronic_scheme="EM",
    )


def self_billed(payout: Payout, terms: AccountTerms, issuer: Issuer, known: Balance | None) -> doc.InvoiceDocument:
    """The document drawn up in the supplier's name, without its number; a 261 states positive amounts.

    It states the reduced purchase price (PRICE_REDUCTION, rules.md 7); carry-over and minimum are payment lines and
    never stand on it.
    """
    if terms.vat is None or payout.vat_category is None:
        raise ValueError("a holder without VAT treatment gets no document")
    credit = payout.share.amount_minor < 0
    category = doc.VatCategory(payout.vat_category)
    line = _line(payout, abs(payout.share), category)
    reasons = {}
    if terms.vat.reason:
        reasons[category] = doc.VatReason(text=terms.vat.reason, code=_VATEX.get(category.value))
    vat = vat_breakdown([line], payout.currency, reasons)
    preceding: tuple[doc.Preceding, ...] = ()
    if credit and known is not None and known.last_document is not None:
        preceding = (doc.Preceding(number=known.last_document, issue_date=known.last_document_date),)
    kind = doc.DocumentType.SELF_BILLED_CREDIT_NOTE if credit else doc.DocumentType.SELF_BILLED_INVOICE
    return doc.InvoiceDocument(
        type_code=kind,
        issue_date=payout.issue_date,
        period_start=payout.first_day,
        period_end=payout.last_day,
        currency=payout.currency,
        language=doc.Language(terms.language),
        seller=holder(terms),
        buyer=seller(issuer),
        payment=doc.Payment(
            iban=terms.iban,
            bic=terms.bic,
            account_name=terms.holder,
            terms=_TERMS[terms.language].format(payout.payout_id),
        ),
        preceding=preceding,
        lines=(line,),
        vat=vat,
        totals=totals(vat, payout.currency),
        buyer_reference=payout.payout_id,
        contract_reference=terms.agreement.reference if terms.agreement else None,
        branding=branding(issuer),
        correction_reason="credited sessions" if credit else None,
    )


def _line(payout: Payout, net: Money, category: doc.VatCategory) -> doc.Line:
    """One line: the energy where there is any, else the sessions as one piece; amount and quantity share their sign."""
    energy = payout.energy_kwh if payout.share.amount_minor > 0 else -payout.energy_kwh
    by_energy = energy > 0
    return doc.Line(
        component=doc.Component.ENERGY if by_energy else doc.Component.ADJUSTMENT,
        quantity=Decimal(format(energy.normalize(), "f")) if by_energy else Decimal(1),
        unit=doc.Unit.KWH if by_energy else doc.Unit.PIECE,
        net=net,
        sessions=payout.sessions,
        vat_category=category,
        vat_rate=payout.vat_rate_percent or Decimal(0),
        period_start=payout.first_day,
        period_end=payout.last_day,
    )


def numbered(draft: doc.InvoiceDocument, number: str, issue: date) -> doc.InvoiceDocument:
    """The document under its number."""
    return draft.model_copy(update={"number": number, "issue_date": issue})


# ---- statement -----------------------------------------------------------------------------------------------------
def rows(payout: Payout, lines: Iterable[ShareLine], places: dict[str, str]) -> list[doc.PayoutRow]:
    """One row per session; VAT is given back from the document, never summed to make it (rules.md 6-7)."""
    known = list(lines)
    shares = [_earned(payout, line) for line in known]
    vat = rules.spread(payout.vat, shares) if payout.vat else [Money.zero(payout.currency)] * len(known)
    return [
        doc.PayoutRow(
            cdr_id=line.cdr_id,
            evse_id=evse_ids.format(line.evse_id) if line.evse_id else None,
            location=places.get(line.evse_id or "") or None,
            stop_utc=line.stop_utc,
            zone=line.zone,
            energy_kwh=line.energy_kwh,
            gross=line.gross,
            fee=Money.zero(payout.currency),
            commission=line.commission,
            share=share,
            vat=tax,
            net=share + tax,
        )
        for line, share, tax in zip(known, shares, vat, strict=True)
    ]


def _earned(payout: Payout, line: ShareLine) -> Money:
    return line.own if payout.kind is AccountKind.OWN else line.share


def excluded(sessions: Iterable[Session]) -> list[doc.PayoutExcluded]:
    """Sessions of the account that are not paid yet, with the reason (product.md row 109)."""
    return [
        doc.PayoutExcluded(
            cdr_id=session.cdr_id,
            evse_id=evse_ids.format(session.evse_id) if session.evse_id else None,
            stop_utc=session.stop_utc,
            zone=session.zone or "UTC",
            reason=", ".join(session.reasons) or session.billing.value,
            amount=session.net,
        )
        for session in sessions
    ]


def statement(
    payout: Payout, head: PayoutAccount, terms: AccountTerms, issuer: Issuer, shown: Sequence[doc.PayoutRow]
) -> doc.PayoutStatement:
    """The statement of a payout; an own account's whole revenue is shown and stays with us, so nothing is carried."""
    own = payout.kind is AccountKind.OWN
    net = total((row.net for row in shown), payout.currency)
    movements: tuple[doc.Movement, ...] = ()
    if own and net:
        text = {"EN": "own revenue", "DE": "eigener Erlös", "FR": "recettes propres", "NL": "eigen opbrengst"}
        movements = (doc.Movement(kind=doc.MovementKind.CORRECTION, text=text[terms.language], amount=-net),)
    if payout.purchase is not None and payout.purchase_amount is not None:
        bought = doc.Movement(kind=doc.MovementKind.PURCHASE, text=payout.purchase, amount=payout.purchase_amount)
        movements = (*movements, bought)
    whole = own or payout.purchase is not None
    notes = () if terms.vat is not None or whole else (_UNTAXED[terms.language],)
    if payout.closing:
        notes = (*notes, _CARRIED[terms.language])
    return doc.PayoutStatement(
        number=payout.payout_id,
        account_name=head.name,
        issue_date=payout.issue_date,
        period_start=payout.first_day,
        period_end=payout.last_day,
        currency=payout.currency,
        language=doc.Language(terms.language),
        issuer=seller(issuer),
        holder=holder(terms),
        payment=doc.Payment(iban=terms.iban, bic=terms.bic, account_name=terms.holder),
        rule_text=None if whole else _SHARE[terms.language].format(f"{terms.share_percent.normalize():f}"),
        self_billing_number=payout.document_number or payout.purchase,
        opening=payout.opening,
        sessions_net=net,
        movements=movements,
        payout=payout.pay,
        closing=payout.closing,
        sessions=len(shown),
        branding=branding(issuer),
        notes=notes,
    )
