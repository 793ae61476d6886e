"""Approved batches as payment files: the same batch gives the same bytes for ever (product.md row 115)."""

from __future__ import annotations

import hashlib

from roamclear.audit import service as audit
from roamclear.bank import service as bank
from roamclear.bank.model import Address, Debtor, PaymentFile, PaymentGroup
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvariantBroken, RoamclearError, Unavailable
from roamclear.kernel.money import total
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action, Table
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account, Event, credit, debit
from roamclear.mode import service as mode
from roamclear.payouts import batches, store
from roamclear.payouts.model import Batch, BatchState, Export, PayoutStatus

_RACES = (Table.AUDIT, Table.CLEARING)


def export_batch(ctx: Context, issuer_id: str, batch_id: str) -> Export | None:
    """Set an approved batch EXPORTED with its ledger entry, then write its file; again writes the same bytes.

    The state comes first, so that no file of a batch that is not exported can reach a bank; a crash in between is
    repaired by the next call. None when bank details changed after the approval: the batch then waits for its second
    person again.
    """
    known = again_on_race(lambda: _mark(ctx, batches.find(ctx, issuer_id, batch_id)), tables=_RACES)
    if known is None:
        return None
    data = bank.write_payments(payment_file(known))
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != known.sha256:
        raise InvariantBroken("a batch would give another file than it did", batch_id=batch_id)
    key = f"{issuer_id}/pain.001/{batch_id}.xml"
    ctx.objects.put("exports", key, data, "application/xml")
    _flag_payouts(ctx, known)
    if known.file_key is None:
        again_on_race(lambda: _flag_file(ctx, issuer_id, batch_id, key), tables=_RACES)
    return Export(batch_id=batch_id, file_name=f"{batch_id}.xml", file_key=key, sha256=sha256, copy_number=0)


def export_due(ctx: Context, issuer_id: str) -> list[Export]:
    """Export every approved batch, and finish what a crash left half done; one that fails never stops the others."""
    waiting = [
        b
        for b in store.batches(ctx.db, issuer_id)
        if b.state is BatchState.APPROVED or (b.state is BatchState.EXPORTED and b.file_key is None)
    ]
    done: list[Export] = []
    failed = []
    for each in waiting:
        try:
            made = export_batch(ctx, issuer_id, each.batch_id)
        except RoamclearError as error:
            failed.append(each.batch_id)
            journal.raise_once(
                ctx, issuer_id, ExceptionType.PROCESSING_FAILED, each.batch_id,
                f"the payment file of {each.batch_id} cannot be written: {error.message}", severity="HIGH",
                next_action="cancel the batch, or correct what the message names", expected=each.total,
            )  # fmt: skip
            continue
        if made is not None:
            done.append(made)
    if failed:
        raise Unavailable("some payment files were not written", batches=failed[:10])
    return done


def export_all(ctx: Context, *, only: str | None = None) -> list[Export]:
    """``export_due`` for every issuer, or for one."""
    issuers = [only] if only else identity.issuer_ids(ctx)
    return [made for issuer_id in issuers for made in export_due(ctx, issuer_id)]


def payment_file(batch: Batch) -> PaymentFile:
    """The message of a batch, from the batch alone; CreDtTm is the approval instant."""
    if batch.approved_at_utc is None:
        raise InvariantBroken("a batch is not approved", batch_id=batch.batch_id)
    address = Address(town=batch.debtor_town, country=batch.debtor_country) if batch.debtor_town else None
    transfers = tuple(batches.transfer(item) for item in batch.items)
    group = PaymentGroup(
        id=batch.batch_id,
        execute_on=batch.execution_date,
        debtor=Debtor(name=batch.debtor_name, iban=batch.debtor_iban, bic=batch.debtor_bic, address=address),
        transfers=transfers,
        # Single debits, so that each payout comes back by itself in the statement (banking.md 1.3, BtchBookg).
        single_debit=False,
    )
    return PaymentFile(
        message_id=batch.batch_id, created_at=batch.approved_at_utc, initiator=batch.debtor_name, groups=(group,)
    )


def _mark(ctx: Context, known: Batch) -> Batch | None:
    """APPROVED becomes EXPORTED with its ledger entry; None when items had to leave."""
    if known.state is BatchState.EXPORTED:
        return known
    if known.state is not BatchState.APPROVED:
        raise Conflict("only an approved batch is exported", state=known.state.value)
    mode.require_unposted(ctx, known.issuer_id, Event.BATCH_EXPORTED, known.batch_id)
    if batches.invalidate_changed(ctx, known):
        return None
    sha256 = hashlib.sha256(bank.write_payments(payment_file(known))).hexdigest()
    made = known.model_copy(
        update={"state": BatchState.EXPORTED, "exported_at_utc": ctx.now(), "sha256": sha256},
    )
    currency = known.total.currency
    owed = dict.fromkeys(item.account_id for item in known.items)
    lines = [
        debit(
            Account.PAYABLE.of(account),
            total((item.amount for item in known.items if item.account_id == account), currency),
        )
        for account in owed
    ]
    entry = ledger.entry(
        ctx,
        issuer_id=known.issuer_id,
        event=Event.BATCH_EXPORTED,
        subject=known.batch_id,
        currency=currency,
        lines=[*lines, credit(Account.IN_TRANSIT.of(known.debtor_iban), known.total)],
        memo=known.batch_id,
    )
    log = audit.entry(
        ctx, issuer_id=known.issuer_id, kind="BATCH", object_id=known.batch_id, actor_id="system:export",
        action="EXPORTED", details={"sha256": sha256, "digest": known.digest},
    )  # fmt: skip
    payload = {"batch_id": known.batch_id, "sha256": sha256}
    told = store.fact(known.issuer_id, ctx.now(), "payout.exported", known.batch_id, payload)
    ctx.db.transact([store.batch_put(made, known), entry, log, told])
    return made.model_copy(update={"changed": known.changed + 1})


def _flag_payouts(ctx: Context, known: Batch) -> None:
    """The rows of a batch's payouts follow; readers take the batch's state meanwhile."""
    found = store.payouts_by_id(ctx.db, known.issuer_id, [item.payout_id for item in known.items])
    for payout in found.values():
        if payout.batch_id == known.batch_id and payout.state is PayoutStatus.READY:
            try:
                ctx.db.write(store.payout_put(payout.model_copy(update={"state": PayoutStatus.EXPORTED}), payout))
            except ConditionFailed:
                continue  # the bank's confirmation was faster


def _flag_file(ctx: Context, issuer_id: str, batch_id: str, key: str) -> None:
    known = batches.find(ctx, issuer_id, batch_id)
    if known.file_key is None:
        actions: list[Action] = [store.batch_put(known.model_copy(update={"file_key": key}), known)]
        ctx.db.transact(actions)
