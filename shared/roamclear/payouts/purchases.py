"""What we owe to a CPO whose charging we buy: an accepted self-billed document becomes a payout (row 135).

The payable stands on the supplier's payout account since the document was issued, so nothing is posted here: the
amount only passes from the document to the payout, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from roamclear.audit import service as audit
from roamclear.billing import self_billing
from roamclear.billing import service as billing
from roamclear.billing.model import Document, SelfBilled
from roamclear.evses import service as evses
from roamclear.evses.model import AccountVersion, PayoutAccount
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_date
from roamclear.kernel.writes import Action, Table
from roamclear.ledger.model import Event
from roamclear.mode import service as mode
from roamclear.payouts import rules, store
from roamclear.payouts.model import Balance, Payout

_RACES = (Table.AUDIT, Table.CLEARING)
_BY = "system:payouts"


@dataclass(frozen=True, slots=True)
class _Owed:
    """A document that may be paid, and the account that is paid for it."""

    header: Document
    known: SelfBilled
    head: PayoutAccount
    version: AccountVersion


def take_over(ctx: Context, issuer_id: str, number: str) -> Payout | None:
    """Make the payout of an accepted self-billed document, once for ever; None where there is nothing to do.

    A credit (261) is a payout that pays nothing and is carried: the next one of the account pays less.
    """
    return again_on_race(lambda: _take_over(ctx, issuer_id, number), tables=_RACES)


def _take_over(ctx: Context, issuer_id: str, number: str) -> Payout | None:
    header = billing.document(ctx, issuer_id, number)
    known = header.self_billed
    if known is None or known.acceptance not in self_billing.SETTLED or known.payout_id is not None:
        return None
    if not header.open_amount:
        return None  # nothing to pay, or set off against its credit notes
    head = evses.account_head(ctx, issuer_id, known.pay_to)
    version = evses.account_version(ctx, issuer_id, known.pay_to, head.version)
    balance = store.balance(ctx.db, issuer_id, head.account_id, header.currency)
    made = _payout(ctx, _Owed(header, known, head, version), balance)
    taken = known.model_copy(update={"payout_id": made.payout_id})
    _, passed_on = billing.replace_document(header, open_amount=Money.zero(header.currency), self_billed=taken)
    after = Balance(
        issuer_id=issuer_id,
        account_id=head.account_id,
        currency=header.currency,
        carry=made.closing,
        payouts=(balance.payouts if balance else 0) + 1,
        last_document=balance.last_document if balance else None,
        last_document_date=balance.last_document_date if balance else None,
    )
    mode.require_unposted(ctx, issuer_id, Event.PAYOUT_READY, made.payout_id)
    payload = {"payout_id": made.payout_id, "account_id": made.account_id, "state": made.state.value}
    actions: list[Action] = [
        store.payout_put(made, None),
        store.balance_put(after, balance),
        passed_on,
        store.end_to_end_put(issuer_id, made.end_to_end_id, payout_id=made.payout_id),
        store.fact(issuer_id, ctx.now(), "payout.ready", made.payout_id, payload),
        audit.entry(
            ctx, issuer_id=issuer_id, kind="PAYOUT", object_id=made.payout_id, actor_id=_BY, action="STATED",
            details={"purchase": number, "amount": made.purchase_amount, "pay": made.pay},
        ),
    ]  # fmt: skip
    ctx.db.transact(actions)
    return made


def _payout(ctx: Context, owed: _Owed, balance: Balance | None) -> Payout:
    header, head = owed.header, owed.head
    run = billing.run(ctx, header.issuer_id, header.run_id)
    nothing = Money.zero(header.currency)
    opening = balance.carry if balance else nothing
    pay, closing, state = rules.settle(head.kind, opening, header.open_amount, None)
    number = rules.payout_id(head.account_id, header.currency, head.currency, (balance.payouts if balance else 0) + 1)
    return Payout(
        issuer_id=header.issuer_id,
        payout_id=number,
        account_id=head.account_id,
        account_version=owed.version.version,
        kind=head.kind,
        currency=header.currency,
        issue_date=local_date(ctx.now(), identity.issuer(ctx, header.issuer_id).zone),
        groups=(),
        sessions=header.sessions,
        energy_kwh=header.energy_kwh,
        first_day=run.first,
        last_day=run.end - timedelta(days=1),
        gross=nothing,
        commission=nothing,
        share=nothing,
        own=nothing,
        vat=nothing,
        opening=opening,
        pay=pay,
        closing=closing,
        state=state,
        end_to_end_id=number,
        purchase=header.number,
        purchase_amount=header.open_amount,
        created_at_utc=ctx.now(),
    )
