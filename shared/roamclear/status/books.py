"""The export of a month with what only the rooms above the ledger know (product.md row 130): names and VAT rates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from roamclear.accounting import service as accounting
from roamclear.accounting.model import Export, Partner, Profile, TaxRow
from roamclear.accounting.rules import entry_name
from roamclear.billing import rules as numbering
from roamclear.billing import service as billing
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Counterparty, Terms
from roamclear.evses import service as evses
from roamclear.evses.model import AccountTerms
from roamclear.identity.issuer import Address
from roamclear.identity.model import Actor
from roamclear.kernel.context import Context
from roamclear.kernel.errors import NotFound
from roamclear.ledger.model import Account, Event, JournalEntry
from roamclear.payouts import service as payouts
from roamclear.payouts.model import Payout

_DOCUMENTS = (Event.INVOICE_ISSUED, Event.CREDIT_ISSUED, Event.SELF_BILLED)


def export(ctx: Context, actor: Actor, issuer_id: str, label: str, profile: Profile) -> Export:
    """Write a month in a profile, or hand out what was written, flagged as a copy; see ``accounting.export``."""
    return accounting.export(ctx, actor, issuer_id, label, profile, Known(ctx, issuer_id))


class Known:
    """Names and VAT rows as they stand when a file is first written; the file keeps them."""

    def __init__(self, ctx: Context, issuer_id: str) -> None:
        self._ctx, self._issuer_id = ctx, issuer_id

    def partners(self, accounts: Collection[str]) -> Mapping[str, Partner]:
        """The counterparty of each contract, and the holder of each payout account."""
        found: dict[str, Partner] = {}
        for account in sorted(accounts):
            kind, _, subject = account.partition(":")
            try:
                found[account] = self._debtor(subject) if kind == Account.RECEIVABLE.value else self._creditor(subject)
            except NotFound:
                continue  # a debtor that is no contract of ours goes by the name of its account
        return found

    def taxes(self, entries: Iterable[JournalEntry]) -> Mapping[str, tuple[TaxRow, ...]]:
        """The breakdown of each document that an entry posts; a statement without a document has none."""
        found: dict[str, tuple[TaxRow, ...]] = {}
        for entry in entries:
            if entry.event in _DOCUMENTS:
                found[entry_name(entry)] = self._of_document(entry.subject)
            elif entry.event is Event.PAYOUT_READY:
                found[entry_name(entry)] = self._of_payout(payouts.payout(self._ctx, self._issuer_id, entry.subject))
        return found

    def _debtor(self, contract_id: str) -> Partner:
        contracts.head(self._ctx, self._issuer_id, contract_id)
        terms: Terms = contracts.terms_now(self._ctx, self._issuer_id, contract_id)
        known: Counterparty = terms.counterparty
        return _partner(known.legal_name, known.address, known.legal_id, known.vat_id, terms.is_reverse)

    def _creditor(self, account_id: str) -> Partner:
        head = evses.account_head(self._ctx, self._issuer_id, account_id)
        known: AccountTerms = evses.account_version(self._ctx, self._issuer_id, account_id, head.version).terms
        return _partner(known.holder, known.address, known.legal_id, known.vat_id, known.agreement is not None)

    def _of_document(self, number: str) -> tuple[TaxRow, ...]:
        header = billing.document(self._ctx, self._issuer_id, number)
        model = billing.document_model(self._ctx, header)
        credited = numbering.is_credit(header.type_code)
        return tuple(
            TaxRow(
                country=model.seller.country,
                category=row.category.value,
                rate=row.rate,
                taxable=-row.taxable if credited else row.taxable,
                tax=-row.tax if credited else row.tax,
                reason=row.reason.text if row.reason else None,
            )
            for row in model.vat
        )

    def _of_payout(self, made: Payout) -> tuple[TaxRow, ...]:
        if made.vat_category is None or made.document_number is None:
            return ()
        holder = evses.account_version(self._ctx, self._issuer_id, made.account_id, made.account_version).terms
        return (
            TaxRow(
                country=holder.address.country,
                category=made.vat_category,
                rate=made.vat_rate_percent or Decimal(0),
                taxable=made.share,
                tax=made.vat,
            ),
        )


def _partner(name: str, address: Address, legal_id: str | None, vat_id: str | None, self_billing: bool) -> Partner:
    return Partner(
        name=name,
        registration=legal_id,
        vat_id=vat_id,
        lines=address.lines,
        postal_code=address.postal_code,
        city=address.city,
        country=address.country,
        self_billing=self_billing,
    )
