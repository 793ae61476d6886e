"""The open items of an issuer while payments are worked through, and what the cascade says about one."""

from __future__ import annotations

import re

from roamclear.bank.remittance import normalise
from roamclear.billing import service as billing
from roamclear.billing.model import Document, DocumentState
from roamclear.contracts import service as contracts
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.reconciliation import rules, store
from roamclear.reconciliation.model import Decision, Level, OpenItem, Payment, Rule
from roamclear.reconciliation.rules import OpenItems

MAX_SHARES = 20


class Book:
    """The open items of one issuer while a file is worked through; read anew when another worker was faster."""

    def __init__(self, ctx: Context, issuer_id: str) -> None:
        self.ctx = ctx
        self.issuer_id = issuer_id
        self.prefix = normalise(identity.issuer(ctx, issuer_id).number_prefix)
        self.zones = {head.contract_id: head.zone for head in contracts.heads(ctx, issuer_id)}
        self.items = self._read()

    def refresh(self) -> None:
        """Read the open items again."""
        self.items = self._read()

    def _read(self) -> OpenItems:
        found = [d for c in self.zones for d in billing.open_documents(self.ctx, self.issuer_id, c)]
        return OpenItems(_item(document) for document in found if billing.is_open(document))

    def decide(self, payment: Payment) -> Decision:
        """The cascade's word; where no open item is named, a paid one may be: then it was paid twice."""
        decision = rules.decide(payment, self.items, store.learned(self.ctx.db, self.issuer_id, payment.payer))
        if decision.level is Level.AUTO and len(decision.shares) > MAX_SHARES:
            decision = decision.model_copy(update={"level": Level.SUGGEST})
        named = decision.rule in (Rule.NOTHING, Rule.AMOUNT_ONLY, Rule.PAYER_AMOUNT, Rule.PAYER_SUBSET, Rule.CUT_NUMBER)
        if decision.level is Level.AUTO or not named or "WRONG_CURRENCY" in decision.reasons:
            return decision
        paid = self._paid_twice(payment)
        if paid is None:
            return decision
        return decision.model_copy(update={"reasons": ("DUPLICATE_PAYMENT",), "partner": paid.contract_id})

    def _paid_twice(self, payment: Payment) -> Document | None:
        names = [normalise(reference[4:]) for reference in payment.references if reference.startswith("RF")]
        if self.prefix:
            shape = re.compile(rf"(?=({re.escape(self.prefix)}20[0-9]{{2}}[0-9]{{6}}))")
            texts = (*payment.document_numbers, payment.text)
            names += [found for text in texts for found in shape.findall(normalise(text))]
        for name in list(dict.fromkeys(names))[:5]:
            document = billing.by_reference(self.ctx, self.issuer_id, name)
            if document is not None and document.state is DocumentState.PAID:
                return document
        return None


def _item(document: Document) -> OpenItem:
    return OpenItem(
        number=document.number,
        contract_id=document.contract_id,
        partner=document.contract_id,
        open_amount=document.open_amount,
        due_on=document.due_date,
        reference=document.reference,
    )
