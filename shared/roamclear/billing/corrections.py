"""Credits of issued documents: one person prepares, another approves (product.md rows 66-67, E.8).

Nothing issued is changed or deleted: an approved correction becomes a run of its own (kind ``CORR``, ``crediting``)
that takes the way of every run from its lock on: number, ledger, files, mail, payouts, proof.
"""

from __future__ import annotations

from roamclear.audit import service as audit
from roamclear.billing import chain, credit_plan, store
from roamclear.billing.correction_runs import name_of, request_of
from roamclear.billing.model import (
    INVOICED_STATES,
    Correction,
    CorrectionKind,
    CorrectionState,
    Document,
    DocumentState,
)
from roamclear.cdrs import service as cdrs
from roamclear.contracts import service as contracts
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, different_person
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound
from roamclear.kernel.money import Money, total
from roamclear.kernel.record import Record, plain
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action, Put, Table

#: Sessions of one correction; more is a cancellation or an amount.
MOST_CDRS = 500
_RACES = (Table.AUDIT, Table.CLEARING)


class Wanted(Record):
    """What is to be credited of a document: named sessions, a net amount, or (neither of both) all that is left."""

    number: str
    cdr_refs: tuple[str, ...] = ()
    amount: Money | None = None
    bill_again: bool = False
    at_once: bool = False
    reason: str

    @property
    def kind(self) -> CorrectionKind:
        """How much that is."""
        if self.cdr_refs:
            return CorrectionKind.CDRS
        return CorrectionKind.AMOUNT if self.amount is not None else CorrectionKind.CANCEL


def prepare(ctx: Context, actor: Actor, issuer_id: str, wanted: Wanted, key: str = "") -> Correction:
    """Prepare a correction; the same again under the same ``Idempotency-Key`` (or none) is the same correction.

    Raises:
        NotFound: no such document, or a session that does not stand on it.
        InvalidInput: the field that is at fault.
        Conflict: more than is left would be credited, or the key stood for something else.
    """
    authorise(actor, Right.RUN_PREPARE, issuer_id)
    _check(wanted, key)
    name = _name(issuer_id, actor, wanted, key)
    header = _document(ctx, issuer_id, wanted.number)
    made = Correction(
        issuer_id=issuer_id,
        correction_id=name,
        number=header.number,
        contract_id=header.contract_id,
        kind=wanted.kind,
        cdr_refs=wanted.cdr_refs,
        amount=wanted.amount,
        bill_again=wanted.bill_again,
        at_once=wanted.at_once,
        reason=wanted.reason,
        prepared_by=actor.actor_id,
        prepared_at_utc=ctx.now(),
        run_id=request_of(issuer_id, header.contract_id, name).run_id,
    )

    def attempt() -> Correction:
        known = store.correction(ctx.db, issuer_id, name)
        if known is not None:
            return _same(known, made)
        _refuse_impossible(ctx, made, header)
        details = {"number": made.number, "kind": made.kind, "amount": made.amount, "reason": made.reason}
        log = _log(ctx, made, actor.actor_id, "PREPARED", details | {"cdr_refs": list(made.cdr_refs)})
        ctx.db.transact([store.correction_put(made, None), log])
        return made

    return again_on_race(attempt, tables=_RACES)


def approve(ctx: Context, actor: Actor, issuer_id: str, correction_id: str) -> Correction:
    """A second person lets a correction happen; from here on no other correction of its document begins before it ends.

    Raises:
        Forbidden: the person prepared it.
        Conflict: it was rejected, is no longer possible, or another correction of the document is under way.
    """
    authorise(actor, Right.RUN_APPROVE, issuer_id)

    def attempt() -> Correction:
        known = _known(ctx, issuer_id, correction_id)
        different_person(known.prepared_by, actor)
        if known.state in (CorrectionState.APPROVED, CorrectionState.ISSUED):
            return known
        if known.state is not CorrectionState.PREPARED:
            raise Conflict("this correction was rejected", state=known.state.value)
        header = _document(ctx, issuer_id, known.number)
        _refuse_impossible(ctx, known, header)
        if header.correcting is not None:
            raise Conflict("another correction of this document is under way", correction=header.correcting)
        made = _decided(ctx, known, actor.actor_id, CorrectionState.APPROVED)
        claimed = header.model_copy(update={"correcting": correction_id})
        actions: list[Action] = [
            store.correction_put(made, known),
            store.document_replace(claimed, header),
            store.correction_fact(made, ctx.now(), "correction.approved"),
            _log(ctx, made, actor.actor_id, "APPROVED", {"number": made.number}),
        ]
        ctx.db.transact(actions)
        return made

    return again_on_race(attempt, tables=_RACES)


def reject(ctx: Context, actor: Actor, issuer_id: str, correction_id: str, reason: str) -> Correction:
    """A correction that does not happen: refused by an approver, or taken back by who prepared it."""
    known = _known(ctx, issuer_id, correction_id)
    own = known.prepared_by == actor.actor_id
    authorise(actor, Right.RUN_PREPARE if own else Right.RUN_APPROVE, issuer_id)
    _reasoned(reason)

    def attempt() -> Correction:
        read = _known(ctx, issuer_id, correction_id)
        if read.state is CorrectionState.REJECTED:
            return read
        if read.state is not CorrectionState.PREPARED:
            raise Conflict("this correction was approved", state=read.state.value)
        made = _decided(ctx, read, actor.actor_id, CorrectionState.REJECTED, reason)
        log = _log(ctx, made, actor.actor_id, "REJECTED", {"reason": reason})
        ctx.db.transact([store.correction_put(made, read), log])
        return made

    return again_on_race(attempt, tables=_RACES)


def correction(ctx: Context, actor: Actor, issuer_id: str, correction_id: str) -> Correction:
    """One correction, for staff."""
    scope = authorise(actor, Right.RUN_VIEW, issuer_id)
    found = _known(ctx, issuer_id, correction_id)
    if scope.contract_ids is not None:
        raise NotFound("no such correction")  # the eMSP sees the credit note, not how it came about
    return found


def start(ctx: Context, issuer_id: str, correction_id: str) -> None:
    """Start the run of an approved correction, under a name that starts once; a consumer of ``correction.approved``."""
    known = _known(ctx, issuer_id, correction_id)
    request = request_of(issuer_id, known.contract_id, known.correction_id)
    ctx.workflows.start_close(f"{issuer_id}.{request.run_id}", request.dump())


def credit_at_once(ctx: Context, issuer_id: str, cdr_ref: str) -> Correction | None:
    """A credit CDR of an invoiced session becomes a credit note of its own where the contract says so (row 4).

    Where the original is locked and not yet invoiced, or the credit joined a run already, it stays with the next run.
    """
    credited = cdrs.session(ctx, issuer_id, cdr_ref)
    if credited is None or credited.contract_id is None or credited.credit_of is None or credited.run_id is not None:
        return None
    terms = contracts.terms_now(ctx, issuer_id, credited.contract_id)
    found = chain.documents_of(ctx, issuer_id, [credited.credit_of])
    if terms.credit_after_invoice != "CREDIT_NOTE" or credited.credit_of not in found:
        return None
    name = name_of(f"{issuer_id}#CREDIT#{cdr_ref}")
    known = store.correction(ctx.db, issuer_id, name)
    if known is None:
        by, now = "system:credit", ctx.now()
        known = Correction(
            issuer_id=issuer_id,
            correction_id=name,
            number=found[credited.credit_of].number,
            contract_id=credited.contract_id,
            kind=CorrectionKind.CREDIT_CDR,
            cdr_refs=(cdr_ref,),
            reason=f"credit CDR {credited.cdr_id}",
            state=CorrectionState.APPROVED,
            prepared_by=by,
            prepared_at_utc=now,
            decided_by=by,
            decided_at_utc=now,
            run_id=request_of(issuer_id, credited.contract_id, name).run_id,
        )
        log = _log(ctx, known, by, "APPROVED", {"number": known.number, "rule": "credit_after_invoice"})
        ctx.db.transact([store.correction_put(known, None), log])
    start(ctx, issuer_id, name)
    return known


# ---- inside --------------------------------------------------------------------------------------------------------
def _check(wanted: Wanted, key: str) -> None:
    _reasoned(wanted.reason)
    if wanted.cdr_refs and wanted.amount is not None:
        raise InvalidInput("name sessions or an amount, not both", field="amount")
    if len(wanted.cdr_refs) > MOST_CDRS or len(set(wanted.cdr_refs)) != len(wanted.cdr_refs):
        raise InvalidInput(f"name each session once, at most {MOST_CDRS}", field="cdr_refs")
    if wanted.amount is not None and wanted.amount.amount_minor <= 0:
        raise InvalidInput("the amount to credit is more than nothing", field="amount")
    if wanted.bill_again and wanted.kind is not CorrectionKind.CANCEL:
        raise InvalidInput("only the sessions of a cancelled document are billed again", field="bill_again")
    if wanted.at_once and not wanted.bill_again:
        raise InvalidInput("only what is billed again may be so at once", field="at_once")
    if len(key) > 128 or not key.isascii():
        raise InvalidInput("an Idempotency-Key has at most 128 ASCII characters", field="Idempotency-Key")


def _reasoned(reason: str) -> None:
    if not 3 <= len(reason.strip()) <= 300:
        raise InvalidInput("give a reason of 3 to 300 characters; it is printed", field="reason")


def _refuse_impossible(ctx: Context, wanted: Correction, header: Document) -> None:
    """What cannot be credited: a credit note, a cancelled document, more than is left.

    A document of what we buy (389) is credited like an invoice, by a 261 that its supplier answers.
    """
    if header.type_code not in ("380", "384", "389"):
        raise Conflict("only an invoice is credited", type_code=header.type_code)
    if header.cancelled_by is not None or header.state in (DocumentState.CANCELLED, DocumentState.UNCOLLECTIBLE):
        raise Conflict("this document was cancelled or written off", state=header.state.value)
    run = store.run(ctx.db, header.issuer_id, header.run_id)
    if run is None or run.state not in INVOICED_STATES:
        raise Conflict("the run of this document is still being issued", run_id=header.run_id)
    if wanted.kind is CorrectionKind.CANCEL:
        return  # where nothing is left of it, its run ends without a document
    if wanted.amount is not None:
        if wanted.amount.currency != header.currency:
            raise InvalidInput(f"the document is in {header.currency}", field="amount")
        found = credit_plan.left_of(ctx, header, wanted.cdr_refs)
        rest = total((amount for _, amount in found if amount.amount_minor > 0), header.currency)
        if rest < wanted.amount:
            raise Conflict("more would be credited than is left of the document", left=rest)
    left = credit_plan.left_of(ctx, header, wanted.cdr_refs) if wanted.cdr_refs else ()
    named = {session.cdr_ref: amount for session, amount in left}
    for ref in wanted.cdr_refs:
        if ref not in named:
            raise NotFound("no such session on this document", cdr_ref=ref)
        if named[ref].amount_minor <= 0:
            raise Conflict("nothing is left to credit of a session", cdr_ref=ref)


def _decided(
    ctx: Context, known: Correction, by: str, state: CorrectionState, decision: str | None = None
) -> Correction:
    update = {"state": state, "decided_by": by, "decided_at_utc": ctx.now(), "decision": decision}
    return known.model_copy(update=update)


def _same(known: Correction, made: Correction) -> Correction:
    def content(each: Correction) -> tuple[object, ...]:
        return each.number, each.kind, each.cdr_refs, each.amount, each.bill_again, each.at_once, each.reason

    if content(known) != content(made):
        raise Conflict("this Idempotency-Key stood for another correction", rule="IDEMPOTENCY_KEY_REUSED")
    return known


def _name(issuer_id: str, actor: Actor, wanted: Wanted, key: str) -> str:
    said = key or numbers_json.dumps(plain(wanted.dump()), sort_keys=True)
    return name_of(f"{issuer_id}#{actor.actor_id}#{'KEY' if key else 'CONTENT'}#{said}")


def _document(ctx: Context, issuer_id: str, number: str) -> Document:
    found = store.document(ctx.db, issuer_id, number)
    if found is None:
        raise NotFound("no such document")
    return found


def _known(ctx: Context, issuer_id: str, correction_id: str) -> Correction:
    found = store.correction(ctx.db, issuer_id, correction_id)
    if found is None:
        raise NotFound("no such correction")
    return found


def _log(ctx: Context, made: Correction, by: str, action: str, details: dict[str, object]) -> Put:
    return audit.entry(
        ctx,
        issuer_id=made.issuer_id,
        kind="CORRECTION",
        object_id=made.correction_id,
        actor_id=by,
        action=action,
        details=details,
    )
