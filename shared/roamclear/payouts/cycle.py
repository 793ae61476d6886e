"""From shares to statements: what was accrued becomes READY, in one transaction per account (rules.md 7-8)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from roamclear.audit import service as audit
from roamclear.billing import rules as numbering
from roamclear.documents.checks import missing
from roamclear.documents.model import InvoiceDocument
from roamclear.documents.totals import tax_of
from roamclear.evses import service as evses
from roamclear.evses.model import AccountKind, AccountVersion, PayoutAccount
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money, total
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_date
from roamclear.kernel.writes import Action, Table
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, Line, credit, debit
from roamclear.mode import service as mode
from roamclear.payouts import papers, rules, store
from roamclear.payouts.model import MAX_GROUPS, Accrual, Balance, Counter, Payout, PayoutStatus
from roamclear.retention import service as retention

#: Renders or checks a self-billed document with its placeholder and names what forbids issuing it.
Proof = Callable[[InvoiceDocument], list[str]]
_RACES = (Table.AUDIT, Table.CLEARING)


def close_cycle(ctx: Context, actor: Actor, issuer_id: str, until: datetime, proof: Proof = missing) -> list[Payout]:
    """Make the statements of everything that was accrued up to an instant; again, or at once, makes none twice.

    An account whose document may not be issued (no agreement, a missing mention) keeps accruing and is told to the
    journal. ``proof`` runs before a number is taken; who can render passes a check that renders.
    """
    authorise(actor, Right.RUN_PREPARE, issuer_id)
    made = []
    for head in evses.account_heads(ctx, issuer_id):
        while True:
            found = again_on_race(lambda h=head: _close(ctx, actor, h, until, proof), tables=_RACES)  # type: ignore[misc]
            if found is None:
                break
            made.append(found)
            _tell(ctx, found)
    return made


def _close(ctx: Context, actor: Actor, head: PayoutAccount, until: datetime, proof: Proof) -> Payout | None:
    """One statement of an account and currency, or None when there is nothing (more) to state."""
    waiting = [
        group
        for group in store.accruals(ctx.db, head.issuer_id, head.account_id)
        if group.payout_id is None and group.accrued_at_utc <= until
    ]
    version = evses.account_version(ctx, head.issuer_id, head.account_id, head.version)
    issuer = identity.issuer(ctx, head.issuer_id)
    for currency in sorted({group.currency for group in waiting}):
        groups = sorted((g for g in waiting if g.currency == currency), key=lambda g: (g.accrued_at_utc, g.group))
        known = store.balance(ctx.db, head.issuer_id, head.account_id, currency)
        payout = _payout(ctx, head, version, issuer, groups[:MAX_GROUPS], known)
        if payout is None:
            continue
        fine, draft = _document(ctx, payout, version, issuer, known, proof)
        if fine:
            return _write(ctx, actor, payout, issuer, groups[:MAX_GROUPS], known, draft)
    return None


def _payout(
    ctx: Context,
    head: PayoutAccount,
    version: AccountVersion,
    issuer: Issuer,
    groups: list[Accrual],
    known: Balance | None,
) -> Payout | None:
    """The statement of some groups; None where a taxable holder has no agreement that holds today."""
    terms, currency = version.terms, groups[0].currency
    today = local_date(ctx.now(), issuer.zone)
    share = total((group.share for group in groups), currency)
    taxed = terms.vat if head.kind is AccountKind.EXTERNAL else None
    if taxed and share and not (terms.agreement and terms.agreement.holds(today)):
        journal.raise_once(
            ctx, head.issuer_id, ExceptionType.AGREEMENT_MISSING, f"{head.account_id}#{groups[0].group}",
            f"{head.account_id} has no self-billing agreement in force; its share waits", severity="HIGH",
            partner=head.account_id, expected=share, next_action="record the agreement, then close the cycle again",
        )  # fmt: skip
        return None
    vat = tax_of(share, taxed.rate_percent) if taxed else Money.zero(currency)
    opening = known.carry if known else Money.zero(currency)
    minimum = terms.minimum if terms.minimum and terms.minimum.currency == currency else None
    pay, closing, state = rules.settle(head.kind, opening, share + vat, minimum)
    number = rules.payout_id(head.account_id, currency, head.currency, (known.payouts if known else 0) + 1)
    return Payout(
        issuer_id=head.issuer_id,
        payout_id=number,
        account_id=head.account_id,
        account_version=version.version,
        kind=head.kind,
        currency=currency,
        issue_date=today,
        groups=tuple(group.group for group in groups),
        sessions=sum(group.sessions for group in groups),
        energy_kwh=sum((group.energy_kwh for group in groups), Decimal(0)),
        first_day=local_date(min(group.first_stop_utc for group in groups), issuer.zone),
        last_day=local_date(max(group.last_stop_utc for group in groups), issuer.zone),
        gross=total((group.gross for group in groups), currency),
        commission=total((group.commission for group in groups), currency),
        share=share,
        own=total((group.own for group in groups), currency),
        vat_category=taxed.category.value if taxed and share else None,
        vat_rate_percent=taxed.rate_percent if taxed and share else None,
        vat=vat,
        opening=opening,
        pay=pay,
        closing=closing,
        state=state,
        end_to_end_id=number,
        created_at_utc=ctx.now(),
    )


def _document(
    ctx: Context, payout: Payout, version: AccountVersion, issuer: Issuer, known: Balance | None, proof: Proof
) -> tuple[bool, InvoiceDocument | None]:
    """Whether the statement may be made, and the checked draft of its self-billed document where it has one."""
    if payout.vat_category is None:
        return True, None
    draft = papers.self_billed(payout, version.terms, issuer, known)
    holder = numbering.placeholder(issuer.number_prefix, draft.type_code.value, payout.issue_date.year)
    faults = proof(papers.numbered(draft, holder, payout.issue_date))
    if not faults:
        return True, draft
    journal.raise_once(
        ctx, payout.issuer_id, ExceptionType.EINVOICE_INVALID, payout.payout_id,
        ("the self-billed document cannot be issued: " + "; ".join(faults))[:800], severity="HIGH",
        partner=payout.account_id, expected=payout.share, next_action="complete the data, then close again",
    )  # fmt: skip
    return False, None


def _write(
    ctx: Context,
    actor: Actor,
    payout: Payout,
    issuer: Issuer,
    groups: list[Accrual],
    known: Balance | None,
    draft: InvoiceDocument | None,
) -> Payout:
    """Statement, balance, claims, number, ledger entry, audit and fact: all or nothing."""
    actions: list[Action] = []
    if draft is not None:
        payout, counted = _number(ctx, payout, issuer, draft)
        actions.append(counted)
    balance = Balance(
        issuer_id=payout.issuer_id,
        account_id=payout.account_id,
        currency=payout.currency,
        carry=payout.closing,
        payouts=(known.payouts if known else 0) + 1,
        last_document=payout.document_number or (known.last_document if known else None),
        last_document_date=payout.issue_date if payout.document_number else known.last_document_date if known else None,
    )
    payload = {"payout_id": payout.payout_id, "account_id": payout.account_id, "state": payout.state.value}
    actions += [
        store.payout_put(payout, None),
        store.balance_put(balance, known),
        store.end_to_end_put(payout.issuer_id, payout.end_to_end_id, payout_id=payout.payout_id),
        store.fact(payout.issuer_id, ctx.now(), "payout.ready", payout.payout_id, payload),
        *(store.claim(group, payout.payout_id) for group in groups),
        audit.entry(
            ctx, issuer_id=payout.issuer_id, kind="PAYOUT", object_id=payout.payout_id, actor_id=actor.actor_id,
            action="STATED", details={"share": payout.share, "pay": payout.pay, "number": payout.document_number},
        ),
    ]  # fmt: skip
    lines = _postings(payout, issuer)
    mode.require_unposted(ctx, payout.issuer_id, Event.PAYOUT_READY, payout.payout_id)
    if lines:
        actions.append(
            ledger.entry(
                ctx,
                issuer_id=payout.issuer_id,
                event=Event.PAYOUT_READY,
                subject=payout.payout_id,
                currency=payout.currency,
                lines=lines,
                memo=payout.document_number or payout.payout_id,
            )
        )
    ctx.db.transact(actions)
    return payout


def _postings(payout: Payout, issuer: Issuer) -> list[Line]:
    """Dr energy cost, Dr input VAT / Cr payable; an own account's share stays inside the house."""
    cost = Account.ENERGY_COST.of(payout.account_id)
    if payout.kind is AccountKind.OWN:
        own = Account.OWN_SHARE.of(payout.account_id)
        return [debit(cost, payout.own), credit(own, payout.own)] if payout.own else []
    if not payout.share:
        return []
    return [
        debit(cost, payout.share),
        debit(Account.INPUT_VAT.of(issuer.address.country), payout.vat),
        credit(Account.PAYABLE.of(payout.account_id), payout.share + payout.vat),
    ]


def _number(ctx: Context, payout: Payout, issuer: Issuer, draft: InvoiceDocument) -> tuple[Payout, Action]:
    """The next number of the series, never before the date of the last one; the model is kept as it will be drawn."""
    type_code, year = draft.type_code.value, payout.issue_date.year
    series = numbering.series(issuer.number_prefix, type_code, year)
    counter = store.counter(ctx.db, payout.issuer_id, series)
    today = max(payout.issue_date, counter.last_date) if counter else payout.issue_date
    taken = Counter(last=(counter.last if counter else 0) + 1, last_date=today)
    number = numbering.number(issuer.number_prefix, type_code, year, taken.last)
    final = papers.numbered(draft, number, today)
    kept = numbers_json.dumps(final.dump(), sort_keys=True).encode()
    key = f"{payout.issuer_id}/payouts/{payout.payout_id}/{hashlib.sha256(kept).hexdigest()[:16]}.json"
    model_key = retention.put(ctx, payout.issuer_id, "documents", key, kept, "application/json").key
    columns = {"document_number": number, "document_type": type_code, "issue_date": today, "model_key": model_key}
    return payout.model_copy(update=columns), store.counter_write(payout.issuer_id, series, counter, taken)


def _tell(ctx: Context, payout: Payout) -> None:
    """What kept the statement back is settled; what is carried is told once per statement."""
    settled = (
        (ExceptionType.EINVOICE_INVALID, payout.payout_id),
        (ExceptionType.AGREEMENT_MISSING, f"{payout.account_id}#{payout.groups[0]}"),
    )
    for kept_back, subject in settled if payout.document_number else ():
        journal.resolve(ctx, payout.issuer_id, kept_back, subject, by="system:payouts", reason="stated")
    if payout.state is not PayoutStatus.CARRIED:
        return
    negative = payout.closing.amount_minor < 0
    kind = ExceptionType.NEGATIVE_BALANCE if negative else ExceptionType.BELOW_MINIMUM
    message = "the balance is negative and is carried" if negative else "the amount is below the minimum and is carried"
    journal.raise_once(
        ctx, payout.issuer_id, kind, payout.payout_id, message, severity="WARN" if negative else "INFO",
        partner=payout.account_id, document=payout.document_number, received=payout.closing,
    )  # fmt: skip
