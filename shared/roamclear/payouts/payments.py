"""What the bank says about our transfers: booked, returned, or refused as a whole (product.md row 118)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from roamclear.audit import service as audit
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, different_person, require_account
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.pages import Asked, Cut
from roamclear.kernel.record import Record
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action, Table
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, credit, debit
from roamclear.payouts import batches, store
from roamclear.payouts.model import Batch, BatchState, Payout, PayoutStatus, ShareLine

_RACES = (Table.AUDIT, Table.CLEARING)
#: Files of a self-billed document: PDF with the CII inside, the CII, the UBL.
_DOCUMENT = ("pdf", "xml", "ubl.xml")


class Booking(Record):
    """What a fact of the bank says: ``cash.debited`` or ``cash.returned``."""

    entry_key: str
    booked_on: date
    end_to_end_id: str | None = None
    payment_id: str | None = None
    amount: Money | None = None
    reason: str | None = None


def confirm_debit(ctx: Context, issuer_id: str, payload: dict[str, Any]) -> int:
    """A booked debit confirms the payout of its EndToEndId, or all of a batch that was booked in one sum.

    The amount must be the one that was sent; else, or when the payout was not under way, it is told to the journal.
    Any number of times. Returns how many payouts became CONFIRMED.
    """
    booking = Booking.load(payload)
    for reference in (booking.end_to_end_id, booking.payment_id):
        payout_id, batch_id = store.end_to_end(ctx.db, issuer_id, reference) if reference else (None, None)
        if payout_id is not None:
            return _confirm_one(ctx, issuer_id, payout_id, reference or "", booking)
        if batch_id is not None:
            return _confirm_batch(ctx, issuer_id, batch_id, booking)
    _differs(ctx, issuer_id, booking, "a debit names none of our payments", None)
    return 0


def _confirm_batch(ctx: Context, issuer_id: str, batch_id: str, booking: Booking) -> int:
    known = batches.find(ctx, issuer_id, batch_id)
    if booking.amount is not None and abs(booking.amount) != known.total:
        _differs(ctx, issuer_id, booking, "a batch was booked with another sum", known.total)
        return 0
    confirmed = 0
    for item in known.items:
        part = booking.model_copy(update={"amount": item.amount, "end_to_end_id": item.end_to_end_id})
        confirmed += _confirm_one(ctx, issuer_id, item.payout_id, item.end_to_end_id, part)
    return confirmed


def _confirm_one(ctx: Context, issuer_id: str, payout_id: str, reference: str, booking: Booking) -> int:
    def attempt() -> int:
        known = payout(ctx, issuer_id, payout_id)
        if booking.entry_key in (known.entry_key, *known.booked_before):
            return 0
        if booking.amount is not None and abs(booking.amount) != known.pay:
            _differs(ctx, issuer_id, booking, f"{payout_id} was booked with another amount", known.pay)
            return 0
        late = _late(known, reference, booking)
        if late is not None:
            log = _log(ctx, known, "system:cash.debited", "DEBIT_NOTED", {"entry_key": booking.entry_key})
            ctx.db.transact([store.payout_put(late, known), log])
            return 0
        if reference != known.end_to_end_id or _shown(ctx, known) is not PayoutStatus.EXPORTED:
            _differs(ctx, issuer_id, booking, f"{payout_id} was booked and was not under way", known.pay)
            return 0
        columns = {
            "state": PayoutStatus.CONFIRMED,
            "confirmed_on": booking.booked_on,
            "entry_key": booking.entry_key,
        }
        payload = {"payout_id": payout_id, "booked_on": booking.booked_on}
        told = store.fact(issuer_id, ctx.now(), "payout.confirmed", f"{payout_id}#{known.attempt}", payload)
        log = _log(ctx, known, "system:cash.debited", "CONFIRMED", {"entry_key": booking.entry_key})
        ctx.db.transact([store.payout_put(known.model_copy(update=columns), known), told, log])
        return 1

    return again_on_race(attempt, tables=_RACES)


def _late(known: Payout, reference: str, booking: Booking) -> Payout | None:
    """The payout with the debit of an attempt that came back before its debit was told: facts have no order."""
    if reference != known.end_to_end_id:
        if len(known.booked_before) >= known.attempt - 1:
            return None
        return known.model_copy(update={"booked_before": (*known.booked_before, booking.entry_key)})
    if known.state is not PayoutStatus.RETURNED or known.entry_key is not None:
        return None
    return known.model_copy(update={"entry_key": booking.entry_key, "confirmed_on": booking.booked_on})


def take_return(ctx: Context, issuer_id: str, payload: dict[str, Any]) -> bool:
    """A transfer came back: its amount is payable again, a person looks at the bank details. Any number of times."""
    booking = Booking.load(payload)
    reference = booking.end_to_end_id or ""
    payout_id, _ = store.end_to_end(ctx.db, issuer_id, reference) if reference else (None, None)
    if payout_id is None:
        _differs(ctx, issuer_id, booking, "a return names none of our payments", None)
        return False

    def attempt() -> bool:
        known = payout(ctx, issuer_id, payout_id)
        if known.end_to_end_id != reference or known.state is PayoutStatus.RETURNED:
            return False
        if _shown(ctx, known) not in (PayoutStatus.EXPORTED, PayoutStatus.CONFIRMED) or known.batch_id is None:
            _differs(ctx, issuer_id, booking, f"{payout_id} came back and was not under way", known.pay)
            return False
        of = batches.find(ctx, issuer_id, known.batch_id)
        columns = {"state": PayoutStatus.RETURNED, "return_reason": (booking.reason or "")[:140] or None}
        payload = {"payout_id": payout_id, "reason": booking.reason}
        actions: list[Action] = [
            store.payout_put(known.model_copy(update=columns), known),
            _back_to_payable(ctx, known, of),
            store.fact(issuer_id, ctx.now(), "payout.returned", f"{payout_id}#{known.attempt}", payload),
            _log(ctx, known, "system:cash.returned", "RETURNED", {"reason": booking.reason}),
        ]
        ctx.db.transact(actions)
        return True

    done = again_on_race(attempt, tables=_RACES)
    if done:
        back = payout(ctx, issuer_id, payout_id)
        journal.raise_once(
            ctx, issuer_id, ExceptionType.RETURNED_PAYOUT, reference,
            f"{payout_id} came back ({booking.reason or 'no reason given'}); it is payable again",
            severity="HIGH", partner=back.account_id, expected=back.pay, received=Money.zero(back.currency),
            next_action="correct the bank details, then release the payout",
        )  # fmt: skip
    return done


def release_returned(ctx: Context, actor: Actor, issuer_id: str, payout_id: str) -> Payout:
    """Let a returned payout be paid again, under a new EndToEndId."""
    authorise(actor, Right.BATCH_MAKE, issuer_id)

    def attempt() -> Payout:
        known = payout(ctx, issuer_id, payout_id)
        if known.state is not PayoutStatus.RETURNED:
            raise Conflict("only a returned payout is released", state=known.state.value)
        number = known.attempt + 1
        booked = (known.entry_key,) if known.entry_key else ()
        made = known.model_copy(
            update={
                "state": PayoutStatus.READY,
                "batch_id": None,
                "attempt": number,
                "end_to_end_id": f"{payout_id}-{number}",
                "confirmed_on": None,
                "entry_key": None,
                "booked_before": (*known.booked_before, *booked),
            }
        )
        log = _log(ctx, known, actor.actor_id, "RELEASED", {"attempt": number})
        way_back = store.end_to_end_put(issuer_id, made.end_to_end_id, payout_id=payout_id)
        ctx.db.transact([store.payout_put(made, known), way_back, log])
        return made

    made = again_on_race(attempt, tables=_RACES)
    before = payout_id if made.attempt == 2 else f"{payout_id}-{made.attempt - 1}"
    journal.resolve(ctx, issuer_id, ExceptionType.RETURNED_PAYOUT, before, by=actor.actor_id, reason="released")
    return made


def reject_batch(ctx: Context, checker: Actor, issuer_id: str, batch_id: str, evidence: str) -> Batch:
    """The bank refused a whole batch: its payouts are READY again, for a new batch with the same EndToEndIds.

    Only while nothing of it is booked; ``evidence`` says what proves that (pain.002, the bank's word).
    """
    authorise(checker, Right.BATCH_CHECK, issuer_id)
    if not 3 <= len(evidence) <= 200:
        raise Conflict("say in 3 to 200 characters what proves that nothing was booked", rule="EVIDENCE")

    def attempt() -> Batch:
        known = batches.find(ctx, issuer_id, batch_id)
        different_person(known.maker, checker)
        if known.state is BatchState.REJECTED:
            return known
        if known.state is not BatchState.EXPORTED:
            raise Conflict("only an exported batch is refused by a bank", state=known.state.value)
        found = store.payouts_by_id(ctx.db, issuer_id, [item.payout_id for item in known.items])
        if any(p.state in (PayoutStatus.CONFIRMED, PayoutStatus.RETURNED) for p in found.values()):
            raise Conflict("a payment of this batch was booked", rule="BOOKED")
        made = known.model_copy(update={"state": BatchState.REJECTED, "closed_reason": evidence})
        mirror = ledger.mirror(
            ctx, issuer_id, Event.BATCH_EXPORTED, batch_id, as_event=Event.CORRECTION, as_subject=batch_id
        )
        columns = {"state": PayoutStatus.READY, "batch_id": None}
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="BATCH", object_id=batch_id, actor_id=checker.actor_id,
            action="REJECTED", details={"evidence": evidence},
        )  # fmt: skip
        actions: list[Action] = [store.batch_put(made, known), mirror, log]
        actions += [store.payout_put(p.model_copy(update=columns), p) for p in found.values()]
        ctx.db.transact(actions)
        return made

    return again_on_race(attempt, tables=_RACES)


# ---- reading -------------------------------------------------------------------------------------------------------
def payout(ctx: Context, issuer_id: str, payout_id: str) -> Payout:
    """One payout, or ``NotFound``."""
    found = store.payout(ctx.db, issuer_id, payout_id)
    if found is None:
        raise NotFound("no such payout")
    return found


def payouts_by(ctx: Context, issuer_id: str, ids: Iterable[str]) -> dict[str, Payout]:
    """Many payouts by id; what does not exist is not in the answer."""
    return store.payouts_by(ctx.db, issuer_id, ids)


def payout_for(ctx: Context, actor: Actor, issuer_id: str, payout_id: str) -> Payout:
    """One payout as it stands, for who may see it."""
    scope = authorise(actor, Right.PAYOUT_VIEW, issuer_id)
    found = payout(ctx, issuer_id, payout_id)
    require_account(scope, found.account_id)
    return found.model_copy(update={"state": _shown(ctx, found)})


def payouts(ctx: Context, actor: Actor, issuer_id: str, account_id: str | None = None) -> list[Payout]:
    """The payouts an actor may see, oldest first, as they stand."""
    scope = authorise(actor, Right.PAYOUT_VIEW, issuer_id)
    if account_id is not None:
        require_account(scope, account_id)
    found = [
        p
        for p in store.payouts(ctx.db, issuer_id)
        if account_id in (None, p.account_id) and (scope.account_ids is None or p.account_id in scope.account_ids)
    ]
    known = {b: store.batch(ctx.db, issuer_id, b) for b in {p.batch_id for p in found} if b is not None}
    return [p.model_copy(update={"state": shown(p, known.get(p.batch_id or ""))}) for p in found]


def payouts_page(
    ctx: Context, actor: Actor, issuer_id: str, asked: Asked, account_id: str | None = None
) -> Cut[Payout]:
    """A page of the payouts an actor may see, oldest first, as they stand."""
    scope = authorise(actor, Right.PAYOUT_VIEW, issuer_id)
    if account_id is not None:
        require_account(scope, account_id)
    own = scope.account_ids

    def fits(each: Payout) -> bool:
        return account_id in (None, each.account_id) and (own is None or each.account_id in own)

    found = store.payouts_page(ctx.db, issuer_id, asked, fits)
    known = {b: store.batch(ctx.db, issuer_id, b) for b in {p.batch_id for p in found.items} if b is not None}
    return found.of([p.model_copy(update={"state": shown(p, known.get(p.batch_id or ""))}) for p in found.items])


def lines_page(ctx: Context, of: Payout, asked: Asked) -> Cut[ShareLine]:
    """A page of the sessions of a payout, by run and stop."""
    return store.lines_page(ctx.db, of, asked)


def lines(ctx: Context, of: Payout) -> list[ShareLine]:
    """Every session of a payout, by run and stop."""
    return [line for group in of.groups for line in store.lines(ctx.db, of.issuer_id, of.account_id, group)]


def files(of: Payout) -> dict[str, str]:
    """What was drawn of a payout: file name and key in the documents bucket; empty before it was drawn."""
    if of.statement_key is None:
        return {}
    folder = of.statement_key.rsplit("/", 1)[0]
    names = {f"{of.payout_id}.{kind}": f"{folder}/statement.{kind}" for kind in ("pdf", "xlsx")}
    if of.document_number is not None:
        names |= {f"{of.document_number}.{kind}": f"{folder}/{of.document_number}.{kind}" for kind in _DOCUMENT}
    return names


def shown(of: Payout, batch: Batch | None) -> PayoutStatus:
    """The state a reader sees: a READY payout takes its batch's state."""
    if of.state is not PayoutStatus.READY or batch is None or of.batch_id != batch.batch_id:
        return of.state
    states = {BatchState.APPROVED: PayoutStatus.APPROVED, BatchState.EXPORTED: PayoutStatus.EXPORTED}
    return states.get(batch.state, PayoutStatus.READY)


def standing(ctx: Context, issuer_id: str, payout_id: str) -> PayoutStatus:
    """The state of a payout as a reader sees it."""
    return _shown(ctx, payout(ctx, issuer_id, payout_id))


def _shown(ctx: Context, of: Payout) -> PayoutStatus:
    return shown(of, store.batch(ctx.db, of.issuer_id, of.batch_id) if of.batch_id else None)


# ---- inside --------------------------------------------------------------------------------------------------------
def _back_to_payable(ctx: Context, known: Payout, of: Batch) -> Action:
    return ledger.entry(
        ctx,
        issuer_id=known.issuer_id,
        event=Event.RETURN,
        subject=known.end_to_end_id,
        currency=known.currency,
        lines=[
            debit(Account.IN_TRANSIT.of(of.debtor_iban), known.pay),
            credit(Account.PAYABLE.of(known.account_id), known.pay),
        ],
        memo=f"{known.payout_id} came back",
        mirrors=f"{Event.BATCH_EXPORTED.value}#{of.batch_id}",
    )


def _differs(ctx: Context, issuer_id: str, booking: Booking, message: str, expected: Money | None) -> None:
    journal.raise_once(
        ctx, issuer_id, ExceptionType.UNMATCHED_DEBIT, f"{booking.entry_key}#{booking.end_to_end_id or ''}",
        message, severity="HIGH", expected=expected, received=booking.amount, next_action="look at the statement",
    )  # fmt: skip


def _log(ctx: Context, known: Payout, actor_id: str, action: str, details: dict[str, object]) -> Action:
    return audit.entry(
        ctx, issuer_id=known.issuer_id, kind="PAYOUT", object_id=known.payout_id, actor_id=actor_id, action=action,
        details=details,
    )  # fmt: skip
