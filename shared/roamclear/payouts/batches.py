"""Payment batches: made by one person, approved by another, exported once (product.md rows 115-117, rules.md 10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from roamclear.audit import service as audit
from roamclear.bank.letters import transliterate
from roamclear.bank.model import Address, Debtor, PaymentFile, PaymentGroup, Transfer
from roamclear.bank.pain_rules import breaches
from roamclear.calendars import service as calendars
from roamclear.evses import service as evses
from roamclear.identity import service as identity
from roamclear.identity.issuer import Issuer
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, different_person
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound
from roamclear.kernel.money import total
from roamclear.kernel.pages import Asked, Cut
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_date
from roamclear.kernel.workdays import is_business_day, next_business_day
from roamclear.kernel.writes import Action, Table
from roamclear.payouts import rules, store
from roamclear.payouts.model import MAX_ITEMS, Batch, BatchItem, BatchState, Counter, Export, Payout

_RACES = (Table.AUDIT, Table.CLEARING)
_SEPA = "EUR"
_SERIES = "BATCH"


def make_batch(ctx: Context, maker: Actor, issuer_id: str, execution_date: date) -> Batch:
    """Collect READY payouts of external accounts that may be paid now; each is in one batch at most.

    Left out, and READY still: accounts in cooling-off or inactive, other currencies than EUR, and what is beyond
    90 payouts (the next batch takes it). ``Conflict`` when nothing is left.
    """
    authorise(maker, Right.BATCH_MAKE, issuer_id)

    def attempt() -> Batch:
        issuer = identity.issuer(ctx, issuer_id)
        _check_day(ctx, issuer, execution_date)
        found = [p for p in store.payable(ctx.db, issuer_id) if p.currency == _SEPA]
        items = [(p, item) for p in found if (item := _item(ctx, p)) is not None and _fit(ctx, p, item)][:MAX_ITEMS]
        if not items:
            raise Conflict("no payout may be paid now", rule="NOTHING_TO_PAY")
        batch_id, counted = _number(ctx, issuer_id, issuer.number_prefix, issuer.zone)
        made = Batch(
            issuer_id=issuer_id,
            batch_id=batch_id,
            state=BatchState.MADE,
            maker=maker.actor_id,
            made_at_utc=ctx.now(),
            execution_date=execution_date,
            debtor_name=transliterate(issuer.legal_name)[:70].strip(),
            debtor_iban=issuer.iban,
            debtor_bic=issuer.bic,
            debtor_town=transliterate(issuer.address.city)[:35].strip(),
            debtor_country=issuer.address.country,
            items=tuple(item for _, item in items),
            total=total((item.amount for _, item in items), _SEPA),
            digest="",
        )
        made = made.model_copy(update={"digest": rules.digest(made)})
        actions: list[Action] = [store.batch_put(made, None), counted]
        actions += [store.payout_put(p.model_copy(update={"batch_id": batch_id}), p) for p, _ in items]
        actions += [
            store.end_to_end_put(issuer_id, batch_id, batch_id=batch_id),
            _log(ctx, made, maker.actor_id, "MADE", {"digest": made.digest, "total": made.total}),
        ]
        ctx.db.transact(actions)
        return made

    return again_on_race(attempt, tables=_RACES)


def approve_batch(ctx: Context, checker: Actor, issuer_id: str, batch_id: str, digest: str) -> Batch:
    """A second person approves exactly the batch whose hash was shown to them.

    Items whose account changed since are taken out first; then the hash is another one, and it is approved again.
    """
    authorise(checker, Right.BATCH_CHECK, issuer_id)

    def attempt() -> Batch:
        known = find(ctx, issuer_id, batch_id)
        different_person(known.maker, checker)
        if known.state is BatchState.APPROVED and known.checker == checker.actor_id and known.digest == digest:
            return known
        if known.state is not BatchState.MADE:
            raise Conflict("only a batch that was made can be approved", state=known.state.value)
        if known.digest != digest:
            raise Conflict("this is not the batch that was shown", rule="HASH", digest=known.digest)
        _check_day(ctx, identity.issuer(ctx, issuer_id), known.execution_date)
        if invalidate_changed(ctx, known):
            raise Conflict("bank details changed: look at the batch again", rule="BATCH_CHANGED")
        made = known.model_copy(
            update={"state": BatchState.APPROVED, "checker": checker.actor_id, "approved_at_utc": ctx.now()}
        )
        payload = {"batch_id": batch_id, "digest": digest}
        told = store.fact(issuer_id, ctx.now(), "payout.approved", batch_id, payload)
        log = _log(ctx, made, checker.actor_id, "APPROVED", {"digest": digest, "maker": known.maker})
        ctx.db.transact([store.batch_put(made, known), told, log])
        return made

    return again_on_race(attempt, tables=_RACES)


def cancel_batch(ctx: Context, actor: Actor, issuer_id: str, batch_id: str, reason: str) -> Batch:
    """Take a batch back before it was exported; its payouts are READY for another one."""
    authorise(actor, Right.BATCH_MAKE, issuer_id)

    def attempt() -> Batch:
        known = find(ctx, issuer_id, batch_id)
        if known.state is BatchState.CANCELLED:
            return known
        if known.state not in (BatchState.MADE, BatchState.APPROVED):
            raise Conflict("an exported batch is not cancelled", state=known.state.value)
        made = known.model_copy(update={"state": BatchState.CANCELLED, "closed_reason": reason[:200]})
        actions: list[Action] = [store.batch_put(made, known), *_released(ctx, known, known.items)]
        ctx.db.transact([*actions, _log(ctx, made, actor.actor_id, "CANCELLED", {"reason": made.closed_reason})])
        return made

    return again_on_race(attempt, tables=_RACES)


def invalidate_changed(ctx: Context, known: Batch) -> bool:
    """Take items out whose account may not be paid any more or has other bank details; True if there were any.

    The batch then stands as made, under another hash, and needs its second person again (product.md A3).
    """
    gone = [item for item in known.items if not _still_payable(ctx, known.issuer_id, item)]
    if not gone:
        return False
    kept = tuple(item for item in known.items if item not in gone)
    made = known.model_copy(
        update={
            "state": BatchState.MADE if kept else BatchState.CANCELLED,
            "items": kept,
            "total": total((item.amount for item in kept), known.total.currency),
            "checker": None,
            "approved_at_utc": None,
        }
    )
    made = made.model_copy(update={"digest": rules.digest(made)})
    details = {"payouts": [item.payout_id for item in gone], "digest": made.digest}
    log = _log(ctx, made, "system:payouts", "ITEMS_INVALIDATED", details)
    ctx.db.transact([store.batch_put(made, known), *_released(ctx, known, gone), log])
    for item in gone:
        journal.raise_once(
            ctx, known.issuer_id, ExceptionType.IBAN_CHANGED, f"{known.batch_id}#{item.payout_id}",
            f"{item.payout_id} left batch {known.batch_id}: its account changed after the batch was made",
            partner=item.account_id, expected=item.amount, next_action="approve the batch again",
        )  # fmt: skip
    return True


def copy_of(ctx: Context, actor: Actor, issuer_id: str, batch_id: str) -> Export:
    """Hand an exported file out (again): COPY stands in the file name and the audit only, the bytes are the same."""
    authorise(actor, Right.BATCH_CHECK, issuer_id)

    def attempt() -> Export:
        known = find(ctx, issuer_id, batch_id)
        if known.state is not BatchState.EXPORTED or known.file_key is None or known.sha256 is None:
            raise Conflict("this batch was not exported yet", state=known.state.value)
        made = known.model_copy(update={"exports": known.exports + 1})
        name = f"{batch_id}.xml" if made.exports == 1 else f"{batch_id}-COPY-{made.exports - 1}.xml"
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="BATCH", object_id=batch_id, actor_id=actor.actor_id,
            action="DOWNLOADED" if made.exports == 1 else "COPY_DOWNLOADED", details={"file": name},
        )  # fmt: skip
        ctx.db.transact([store.batch_put(made, known), log])
        return Export(
            batch_id=batch_id,
            file_name=name,
            file_key=known.file_key,
            sha256=known.sha256,
            copy_number=made.exports - 1,
        )

    return again_on_race(attempt, tables=_RACES)


# ---- reading -------------------------------------------------------------------------------------------------------
def find(ctx: Context, issuer_id: str, batch_id: str) -> Batch:
    """One batch, or ``NotFound``."""
    found = store.batch(ctx.db, issuer_id, batch_id)
    if found is None:
        raise NotFound("no such batch")
    return found


def batch(ctx: Context, actor: Actor, issuer_id: str, batch_id: str) -> Batch:
    """One batch for who may see all payouts."""
    _whole(actor, issuer_id)
    return find(ctx, issuer_id, batch_id)


def batches(ctx: Context, actor: Actor, issuer_id: str) -> list[Batch]:
    """All batches, oldest first, for who may see all payouts."""
    _whole(actor, issuer_id)
    return store.batches(ctx.db, issuer_id)


def batches_page(ctx: Context, actor: Actor, issuer_id: str, asked: Asked) -> Cut[Batch]:
    """A page of the batches, oldest first, for who may see all payouts."""
    _whole(actor, issuer_id)
    return store.batches_page(ctx.db, issuer_id, asked)


def _whole(actor: Actor, issuer_id: str) -> None:
    if authorise(actor, Right.PAYOUT_VIEW, issuer_id).account_ids is not None:
        raise NotFound("no such list")


# ---- inside --------------------------------------------------------------------------------------------------------
def _check_day(ctx: Context, issuer: Issuer, day: date) -> None:
    if day < local_date(ctx.now(), issuer.zone):
        raise InvalidInput("the day of execution is past", field="execution_date")
    if not is_business_day(day, calendars.target(ctx, issuer.issuer_id, day)):
        raise InvalidInput("the day of execution is no TARGET business day", field="execution_date")


def _number(ctx: Context, issuer_id: str, prefix: str, zone: str) -> tuple[str, Action]:
    """MsgId and PmtInfId of a batch: never used twice, at most 35 SEPA letters."""
    today = local_date(ctx.now(), zone)
    known = store.counter(ctx.db, issuer_id, _SERIES)
    taken = Counter(last=(known.last if known else 0) + 1, last_date=max(today, known.last_date) if known else today)
    batch_id = f"{prefix}B-{today:%Y%m%d}-{taken.last:06d}"
    return batch_id, store.counter_write(issuer_id, _SERIES, known, taken)


def _item(ctx: Context, payout: Payout) -> BatchItem | None:
    """The transfer of a payout to its account's bank details of this moment; None while it may not be paid."""
    head = evses.account_head(ctx, payout.issuer_id, payout.account_id)
    terms = evses.account_version(ctx, payout.issuer_id, payout.account_id, head.version).terms
    if not head.payable(ctx.now()) or terms.iban is None or payout.pay.amount_minor <= 0:
        return None
    return BatchItem(
        payout_id=payout.payout_id,
        end_to_end_id=payout.end_to_end_id,
        account_id=payout.account_id,
        iban_version=head.iban_version,
        holder=terms.holder,
        iban=terms.iban,
        bic=terms.bic,
        amount=payout.pay,
        remittance=" ".join(part for part in (payout.payout_id, payout.document_number, payout.purchase) if part),
    )


def _fit(ctx: Context, payout: Payout, item: BatchItem) -> bool:
    """Whether a bank would take the transfer (banking.md 1.3); one that it would not is told and left out."""
    debtor = Debtor(name="-", iban=item.iban, address=Address(town="-", country="DE"))
    day = next_business_day(ctx.now().date())
    group = PaymentGroup(id="A", execute_on=day, debtor=debtor, transfers=(transfer(item),), single_debit=False)
    found = breaches(PaymentFile(message_id="A", created_at=ctx.now(), initiator="-", groups=(group,)))
    faults = [fault for fault in found if "CdtTrfTxInf" in fault]
    if faults:
        journal.raise_once(
            ctx, payout.issuer_id, ExceptionType.IBAN_INVALID, f"{payout.payout_id}#{item.iban_version}",
            f"{payout.payout_id} cannot be paid: {'; '.join(faults)}"[:500], severity="HIGH",
            partner=payout.account_id, expected=payout.pay, next_action="correct the account's bank details",
        )  # fmt: skip
    return not faults


def transfer(item: BatchItem) -> Transfer:
    """The transfer of an item as the bank gets it."""
    return Transfer(
        end_to_end_id=item.end_to_end_id,
        instruction_id=item.end_to_end_id,
        amount=item.amount,
        creditor_name=item.holder,
        creditor_iban=item.iban,
        creditor_bic=item.bic,
        remittance=item.remittance,
    )


def _still_payable(ctx: Context, issuer_id: str, item: BatchItem) -> bool:
    head = evses.account_head(ctx, issuer_id, item.account_id)
    return head.payable(ctx.now()) and head.iban_version == item.iban_version


def _released(ctx: Context, known: Batch, items: list[BatchItem] | tuple[BatchItem, ...]) -> list[Action]:
    """Payouts that leave a batch."""
    found = store.payouts_by_id(ctx.db, known.issuer_id, [item.payout_id for item in items])
    mine = [payout for payout in found.values() if payout.batch_id == known.batch_id]
    return [store.payout_put(payout.model_copy(update={"batch_id": None}), payout) for payout in mine]


def _log(ctx: Context, made: Batch, actor_id: str, action: str, details: Mapping[str, object]) -> Action:
    return audit.entry(
        ctx, issuer_id=made.issuer_id, kind="BATCH", object_id=made.batch_id, actor_id=actor_id, action=action,
        details=dict(details),
    )  # fmt: skip
