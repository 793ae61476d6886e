"""Self-billing: documents that we draw up in the name of the CPO whose charging we buy (rows 134 and 135, Art. 224).

The supplier's word comes before the payment: nothing is handed to a payout that is neither accepted expressly nor,
where the agreement says so, by silence.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from roamclear.audit import service as audit
from roamclear.billing import store
from roamclear.billing.model import Acceptance, Document, DocumentState, Run, SelfBilled
from roamclear.contracts.model import DeliveryChannel, Terms
from roamclear.documents.model import Payment
from roamclear.evses import service as evses
from roamclear.evses.model import AccountKind, AccountTerms
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, InvariantBroken, NotFound
from roamclear.kernel.ids import electronic_address
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_midnight
from roamclear.kernel.writes import Table
from roamclear.ledger.model import Account, Line, credit, debit

_RACES = (Table.AUDIT, Table.CLEARING)
#: The words that let a document be paid.
SETTLED = (Acceptance.ACCEPTED, Acceptance.DEEMED)


# ---- before the number ---------------------------------------------------------------------------------------------
def payment(ctx: Context, issuer_id: str, terms: Terms) -> Payment | None:
    """Where a document of a REVERSE contract is paid to; None leaves the issuer's own account (direction DIRECT)."""
    if not terms.is_reverse:
        return None
    account = _account(ctx, issuer_id, terms)
    if account is None:
        return Payment()
    return Payment(iban=account.iban, bic=account.bic, account_name=account.holder)


def faults(ctx: Context, run: Run, terms: Terms, day: date) -> list[str]:
    """What forbids to bill ourselves on a day: no agreement in force, no account of the supplier that can be paid, no
    participant to send to where an access point sends.

    What a document credits was agreed on its own day: an agreement that ended since does not forbid to put it right.
    """
    if not terms.is_reverse:
        return []
    issuer_id = run.issuer_id
    corrected = store.document(ctx.db, issuer_id, run.corrects) if run.corrects else None
    if corrected is not None and run.proforma is not None and run.proforma.amount_minor < 0:
        day = corrected.issue_date
    agreed, told = terms.self_billing, []
    if agreed is None:
        told.append("terms.self_billing: there is no agreement (Art. 224)")
    elif not agreed.holds(day):
        until = f" to {agreed.valid_to}" if agreed.valid_to else ""
        told.append(
            f"terms.self_billing: the agreement {agreed.reference} holds from {agreed.valid_from}{until}, not on {day} "
            "(Art. 224)"
        )
    if _account(ctx, issuer_id, terms) is None:
        told.append(f"terms.self_billing.pay_to: no external payout account in {terms.currency} of this name")
    if terms.delivery_channel is DeliveryChannel.ACCESS_POINT:
        schemes = {
            "terms.counterparty": terms.counterparty.electronic_address_scheme,
            "issuer": identity.issuer(ctx, issuer_id).electronic_address_scheme,
        }
        told += [
            f"{whose}.electronic_address_scheme: {scheme or 'none'} names no participant (PEPPOL-EN16931-CL008)"
            for whose, scheme in schemes.items()
            if not electronic_address.is_participant(scheme)
        ]
    return told


def _account(ctx: Context, issuer_id: str, terms: Terms) -> AccountTerms | None:
    name = terms.self_billing.pay_to if terms.self_billing else None
    if name is None:
        return None
    try:
        head = evses.account_head(ctx, issuer_id, name)
    except NotFound:
        return None
    if head.kind is not AccountKind.EXTERNAL or head.currency != terms.currency:
        return None
    return evses.account_version(ctx, issuer_id, name, head.version).terms


# ---- with the number -----------------------------------------------------------------------------------------------
def of(terms: Terms, issue_date: date, zone: str) -> SelfBilled | None:
    """What a new document keeps of its agreement; silence accepts it at the end of so many whole days after its issue.

    None where the issuer sells.
    """
    agreed = terms.self_billing
    if not terms.is_reverse:
        return None
    if agreed is None or agreed.pay_to is None:
        raise InvariantBroken("a self-billed document without its agreement")
    days = agreed.deemed_after_days
    silence = local_midnight(issue_date + timedelta(days=days + 1), zone) if days is not None else None
    return SelfBilled(agreement=agreed.reference, pay_to=agreed.pay_to, accept_by_utc=silence)


def postings(run: Run, issuer: Issuer, document: Document, known: SelfBilled) -> list[Line]:
    """Dr energy cost, Dr input VAT / Cr payable(account of the supplier), as a payout posts (rules.md 8)."""
    return [
        debit(Account.ENERGY_COST.of(run.contract_id), document.net, note=run.run_id),
        debit(Account.INPUT_VAT.of(issuer.address.country), document.tax),
        credit(Account.PAYABLE.of(known.pay_to), document.gross, note=document.number),
    ]


# ---- the supplier's word -------------------------------------------------------------------------------------------
def accept(ctx: Context, actor: Actor, issuer_id: str, number: str) -> Document:
    """The supplier accepts a document, also one it objected to before; again is the same.

    Raises:
        NotFound: no such document of the actor's contracts, or none that was self-billed.
        Conflict: it was cancelled.
    """
    made = _word(ctx, actor, issuer_id, number, Acceptance.ACCEPTED, None)
    _settle(ctx, made, actor.actor_id)
    return made


def object_to(ctx: Context, actor: Actor, issuer_id: str, number: str, reason: str) -> Document:
    """The supplier objects: the document is not paid, and people are told; the same objection again is the same.

    Raises:
        Conflict: it was accepted before, expressly or by silence, or was cancelled.
        InvalidInput: no reason.
    """
    if not 3 <= len(reason.strip()) <= 1000:
        raise InvalidInput("say in 3 to 1,000 characters what is wrong with the document", field="reason")
    made = _word(ctx, actor, issuer_id, number, Acceptance.OBJECTED, reason.strip())
    journal.raise_once(
        ctx,
        issuer_id,
        ExceptionType.SELF_BILLING_OBJECTED,
        number,
        f"the supplier objects to {number}: {reason.strip()}"[:800],
        severity="HIGH",
        partner=made.contract_id,
        document=number,
        expected=made.gross,
        next_action="clear it with the supplier: a correction puts it right, the supplier's acceptance lets it be paid",
    )
    return made


def accept_silent(ctx: Context, issuer_id: str) -> int:
    """Documents whose days of objection passed without a word are accepted; how many were (schedule)."""
    made = 0
    for header in store.open_purchases(ctx.db, issuer_id):
        known = header.self_billed
        if known is None or known.acceptance is not Acceptance.AWAITED or not _over(known, ctx.now()):
            continue
        after = _change(ctx, issuer_id, header.number, "system:sweep", lambda k: _silent(ctx, k))
        made += after.self_billed is not None and after.self_billed.acceptance is Acceptance.DEEMED
    return made


def _silent(ctx: Context, known: SelfBilled) -> SelfBilled | None:
    if known.acceptance is not Acceptance.AWAITED:
        return None  # a word came meanwhile
    return known.model_copy(update={"acceptance": Acceptance.DEEMED, "answered_at_utc": ctx.now()})


def _word(ctx: Context, actor: Actor, issuer_id: str, number: str, word: Acceptance, objection: str | None) -> Document:
    scope = authorise(actor, Right.DISPUTE_CREATE, issuer_id)
    found = store.document(ctx.db, issuer_id, number)
    if found is None:
        raise NotFound("no such object")
    require_contract(scope, found.contract_id)

    def answered(known: SelfBilled) -> SelfBilled | None:
        accepted = known.acceptance in SETTLED or _over(known, ctx.now())
        if word is Acceptance.ACCEPTED and known.acceptance in SETTLED:
            return None
        if word is Acceptance.OBJECTED and accepted and known.acceptance is not Acceptance.OBJECTED:
            raise Conflict("the document was accepted", rule="OBJECTION_TOO_LATE", accept_by_utc=known.accept_by_utc)
        if word is Acceptance.OBJECTED and known.objection == objection:
            return None
        said = {"acceptance": word, "objection": objection or known.objection}
        return known.model_copy(update={**said, "answered_by": actor.actor_id, "answered_at_utc": ctx.now()})

    return _change(ctx, issuer_id, number, actor.actor_id, answered)


def _change(
    ctx: Context, issuer_id: str, number: str, by: str, decide: Callable[[SelfBilled], SelfBilled | None]
) -> Document:
    """Write a word over exactly the document that was read, with its audit entry and its fact."""

    def attempt() -> Document:
        read = store.document(ctx.db, issuer_id, number)
        if read is None or read.self_billed is None:
            raise NotFound("no such object")
        if read.state is DocumentState.CANCELLED:
            raise Conflict("the document was cancelled", rule="DOCUMENT_CANCELLED", cancelled_by=read.cancelled_by)
        known = decide(read.self_billed)
        if known is None:
            return read
        made = read.model_copy(update={"self_billed": known})
        told = "selfbilling.objected" if known.acceptance is Acceptance.OBJECTED else "selfbilling.accepted"
        log = audit.entry(
            ctx,
            issuer_id=issuer_id,
            kind="DOCUMENT",
            object_id=f"{made.run_id}.{made.place}",
            actor_id=by,
            action=f"SELF_BILLING_{known.acceptance.value}",
            details={"number": number, "objection": known.objection},
        )
        ctx.db.transact([store.document_replace(made, read), store.document_fact(made, ctx.now(), told), log])
        return made

    return again_on_race(attempt, tables=_RACES)


def _settle(ctx: Context, made: Document, by: str) -> None:
    kind, reason = ExceptionType.SELF_BILLING_OBJECTED, "the supplier accepted the document"
    journal.resolve(ctx, made.issuer_id, kind, made.number, by=by, reason=reason)


def _over(known: SelfBilled, now: datetime) -> bool:
    return known.accept_by_utc is not None and now >= known.accept_by_utc
