"""Use cases of cash application: bank accounts, matching by machine and by hand, and what is open.

The import stands in ``importing``, because it loads the XML parser and this file is loaded by API functions.
"""

from __future__ import annotations

from contextlib import suppress

from roamclear.audit import service as audit
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput
from roamclear.kernel.pages import Asked, Cut
from roamclear.kernel.retry import again_on_race
from roamclear.reconciliation import accounts, matching, settling, store
from roamclear.reconciliation.book import MAX_SHARES, Book
from roamclear.reconciliation.model import (
    Allocation,
    BankAccount,
    BankEntry,
    Decision,
    EntryKind,
    Level,
    Payment,
    PaymentState,
    Rule,
    Share,
    StatementRow,
)
from roamclear.reconciliation.proof import equations
from roamclear.reconciliation.settling import rematch

__all__ = ["equations", "rematch"]


def register_account(ctx: Context, actor: Actor, issuer_id: str, wanted: BankAccount) -> BankAccount:
    """Register a bank account whose statements are booked for the issuer; an account has one owner."""
    authorise(actor, Right.BANK_MATCH, issuer_id)
    if wanted.issuer_id != issuer_id:
        raise InvalidInput("the account names another issuer", field="issuer_id")
    printed_by = {other for other in identity.issuer_ids(ctx) if identity.issuer(ctx, other).iban == wanted.account}
    if printed_by and issuer_id not in printed_by:
        # Nobody may draw the statements of the account that another issuer prints on its invoices.
        raise Conflict("this account is registered already")
    try:
        made = accounts.register(ctx, wanted)
    except ConditionFailed as error:
        raise Conflict("this account is registered already") from error
    log = {"account": made.account[-4:], "currency": made.currency}
    again_on_race(
        lambda: ctx.db.write(
            audit.entry(
                ctx,
                issuer_id=issuer_id,
                kind="BANK_ACCOUNT",
                object_id=f"{made.account}#{made.currency}",
                actor_id=actor.actor_id,
                action="REGISTERED",
                details=log,
            )
        )
    )
    return made


def keep_printed(ctx: Context, issuer: Issuer) -> None:
    """Register the account an issuer prints now, before it prints another one; what others own stays theirs."""
    wanted = BankAccount(issuer_id=issuer.issuer_id, account=issuer.iban, currency=issuer.currency)
    with suppress(ConditionFailed):
        accounts.register(ctx, wanted)


def bank_accounts(ctx: Context, actor: Actor, issuer_id: str) -> list[BankAccount]:
    """Registered accounts."""
    authorise(actor, Right.BANK_VIEW, issuer_id)
    return store.accounts(ctx.db, issuer_id)


def statements_page(ctx: Context, actor: Actor, issuer_id: str, asked: Asked) -> Cut[StatementRow]:
    """A page of the statements of all accounts, one account after the other, each by its statements' keys."""
    authorise(actor, Right.BANK_VIEW, issuer_id)
    names = {account.account for account in store.accounts(ctx.db, issuer_id)}
    return store.statements_page(ctx.db, issuer_id, sorted(names), asked)


def open_payments_page(ctx: Context, actor: Actor, issuer_id: str, asked: Asked) -> Cut[Payment]:
    """A page of the payments with money that nothing explains yet, with their suggestions, oldest first."""
    authorise(actor, Right.BANK_VIEW, issuer_id)
    return store.unapplied_page(ctx.db, issuer_id, asked)


def bank_entries(ctx: Context, actor: Actor, issuer_id: str, account: str) -> list[BankEntry]:
    """Booked entries of an account by booking date."""
    authorise(actor, Right.BANK_VIEW, issuer_id)
    return store.entries(ctx.db, issuer_id, account)


def matches(ctx: Context, actor: Actor, issuer_id: str, payment_id: str) -> list[Allocation]:
    """The matches of a payment with rule, score and fields; undone ones too."""
    authorise(actor, Right.BANK_VIEW, issuer_id)
    settling.find_payment(ctx, issuer_id, payment_id)
    return store.allocations(ctx.db, issuer_id, payment_id)


def match_by_hand(ctx: Context, actor: Actor, issuer_id: str, payment_id: str, shares: tuple[Share, ...]) -> Payment:
    """A person says which documents a payment pays; contract ids are taken from the documents.

    Raises:
        InvalidInput: no share, too many, or more than the payment has.
        ConditionFailed: a document's open amount does not allow it, or somebody was faster.
    """
    authorise(actor, Right.BANK_MATCH, issuer_id)
    if not 1 <= len(shares) <= MAX_SHARES or len({s.number for s in shares}) != len(shares):
        raise InvalidInput(f"1 to {MAX_SHARES} documents, each once", field="shares")
    payment = settling.find_payment(ctx, issuer_id, payment_id)
    if payment.kind is not EntryKind.CREDIT or payment.state not in (PaymentState.OPEN, PaymentState.PARTLY):
        raise Conflict("this payment has nothing left to match")
    placed = matching.placed(ctx, issuer_id, shares)
    decision = Decision(
        level=Level.AUTO,
        rule=Rule.BY_HAND,
        score=100,
        fields=("person",),
        shares=placed,
        candidates=tuple(share.number for share in placed),
        partner=placed[0].contract_id,
    )
    return matching.apply(Book(ctx, issuer_id), payment, decision, actor.actor_id)
