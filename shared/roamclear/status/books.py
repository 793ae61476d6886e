"""The export of a month with what only the rooms above the ledger know (product.md row 130): names and VAT rates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
        debtors, creditors = f"{Account.RECEIVABLE.value}:", f"{Account.PAYABLE.value}:"
        found = self._holders({each.removeprefix(creditors) for each in accounts if each.startswith(creditors)})
        for account in sorted(each for each in accounts if each.startswith(debtors)):
            known = self._debtor(account.removeprefix(debtors))
            if known is not None:
                found[account] = known
        return found

    def taxes(self, entries: Iterable[JournalEntry]) -> Mapping[str, tuple[TaxRow, ...]]:
        """The breakdown of each document that an entry posts; a statement without a document has none."""
        found: dict[str, tuple[TaxRow, ...]] = {}
        stated: dict[str, str] = {}
        for entry in entries:
            if entry.event in _DOCUMENTS:
                found[entry_name(entry)] = self._of_document(entry.subject)
            elif entry.event is Event.PAYOUT_READY:
                stated[entry.subject] = entry_name(entry)
        return found | {stated[name]: rows for name, rows in self._of_payouts(list(stated)).items()}

    def _debtor(self, contract_id: str) -> Partner | None:
        try:
            contracts.head(self._ctx, self._issuer_id, contract_id)
        except NotFound:
            return None  # a debtor that is no contract of ours goes by the name of its account
        terms: Terms = contracts.terms_now(self._ctx, self._issuer_id, contract_id)
        known: Counterparty = terms.counterparty
        return _partner(known.legal_name, known.address, known.legal_id, known.vat_id, terms.is_reverse)

    def _holders(self, accounts: Collection[str]) -> dict[str, Partner]:
        heads = [h for h in evses.account_heads(self._ctx, self._issuer_id) if h.account_id in accounts]
        versions = evses.versions_by(self._ctx, self._issuer_id, [(h.account_id, h.version) for h in heads])
        found = {}
        for (account_id, _), version in versions.items():
            known: AccountTerms = version.terms
            found[Account.PAYABLE.of(account_id)] = _partner(
                known.holder, known.address, known.legal_id, known.vat_id, known.agreement is not None
            )
        return found

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

    def _of_payouts(self, names: Sequence[str]) -> dict[str, tuple[TaxRow, ...]]:
        known = payouts.payouts_by(self._ctx, self._issuer_id, names)
        taxed = {name: made for name, made in known.items() if made.document_number is not None}
        wanted = {(made.account_id, made.account_version) for made in taxed.values()}
        holders = evses.versions_by(self._ctx, self._issuer_id, sorted(wanted))
        return {
            name: (
                TaxRow(
                    country=holders[made.account_id, made.account_version].terms.address.country,
                    category=made.vat_category or "",
                    rate=made.vat_rate_percent or Decimal(0),
                    taxable=made.share,
                    tax=made.vat,
                ),
            )
            for name, made in taxed.items()
        }


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
