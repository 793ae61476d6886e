"""What of a document its partner disputed and was not granted: the part that it may leave unpaid (product.md A3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from roamclear.billing import chain
from roamclear.billing.model import Document
from roamclear.billing.rules import vat_of_line
from roamclear.cdrs import pricing
from roamclear.cdrs import service as cdrs
from roamclear.disputes import service as disputes
from roamclear.disputes.model import PENDING, Dispute, State
from roamclear.documents.totals import tax_of
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money, total

#: What was taken back, or granted whole, is in dispute no more.
_OVER = (State.WITHDRAWN, State.ACCEPTED)
#: A claim that was not granted, and what of it bears which VAT rate.
_Claim = tuple[Dispute, list[tuple[Decimal, Money]]]


def sums(ctx: Context, header: Document) -> set[Money]:
    """What the partner leaves open that pays a document but for what it disputes of it.

    The disputed part of a document is what its sessions were disputed by and not granted, whether that has no answer
    yet, was refused, or both; a partner takes it off without its VAT or with it.
    """
    found = list(_claims(ctx, header))
    waiting = [claim for claim in found if claim[0].state in PENDING]
    answered = [claim for claim in found if claim[0].state not in PENDING]
    groups = [group for group in (found, waiting, answered) if group]
    return {amount for group in groups for amount in _amounts(group, header.currency)}


def is_all(ctx: Context, header: Document) -> bool:
    """Whether what is open of a document was left out as disputed, and nobody has decided on that yet."""
    row = journal.find(ctx, header.issuer_id, ExceptionType.SHORT_PAY_DISPUTED, header.number)
    return row is not None and row.state == "OPEN" and row.gap is not None and header.open_amount <= row.gap


def _claims(ctx: Context, header: Document) -> Iterable[_Claim]:
    every = disputes.of_contract(ctx, header.issuer_id, header.contract_id)
    claims = {claim.cdr_ref: claim for claim in every if claim.state not in _OVER}
    placed = chain.documents_of(ctx, header.issuer_id, claims)
    own = [ref for ref, document in placed.items() if document.number == header.number]
    sessions = [s for s in cdrs.sessions(ctx, header.issuer_id, own).values() if s.withheld is None]
    prices = cdrs.ratings(ctx, header.issuer_id, sessions)
    for session in sessions:  # what a lock withheld is not on the document
        claim = claims[session.cdr_ref]
        part = pricing.withheld(claim.claimed - (claim.accepted or Money.zero(header.currency)))
        lines = pricing.by_vat(part, prices[session.cdr_ref].lines)
        yield claim, [(vat_of_line(session, line)[1], line.amount) for line in lines]


def _amounts(claims: Iterable[_Claim], currency: str) -> Iterable[Money]:
    """Net and gross of claims; VAT by rate on their sum, as documents count it."""
    by_rate: dict[Decimal, Money] = defaultdict(lambda: Money.zero(currency))
    for _, parts in claims:
        for rate, amount in parts:
            by_rate[rate] += amount
    net = total(by_rate.values(), currency)
    yield net
    yield net + total((tax_of(part, rate) for rate, part in by_rate.items()), currency)
