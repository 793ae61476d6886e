"""Pricing many sessions again, in pieces that survive everything (product.md rows 29 and 31).

A job is a row; each piece of its walk ends with one write of where it stands, together with the fact that asks for the
next piece. What was done with a CDR is a row of its own, written once: a piece that runs twice, or two workers in the
same piece, find it and pass on. What the chain of facts loses, the sweep goes on with.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from roamclear.audit import service as audit
from roamclear.cdrs import adjustments, impact, processing, rerating, selection, store
from roamclear.cdrs.impact import RETROACTIVE, Action, Book
from roamclear.cdrs.jobs import store as job_store
from roamclear.cdrs.jobs.model import Item, Job, JobKind, JobState, Result, sums_of
from roamclear.cdrs.model import Adjusted, Billing, Original, Session
from roamclear.cdrs.selection import Filter
from roamclear.contracts import backdated
from roamclear.contracts.proposals import Seen, as_version
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import (
    Busy,
    ConditionFailed,
    Conflict,
    Forbidden,
    Locked,
    NotAuthenticated,
    NotFound,
)
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table

#: Sessions of one piece: some seconds of work, far below every time-out.
_PIECE = 50
#: Rows of one answer.
_PAGE = 500
#: How long one call of the sweep works on jobs; it has other things to do.
_SWEEP = timedelta(seconds=60)
#: A session that was priced by the old version while the new one came in force is written by then.
_SETTLE = timedelta(minutes=5)
_FIXED = (Billing.LOCKED, Billing.INVOICED)


def preview(ctx: Context, actor: Actor, issuer_id: str, wanted: Filter) -> impact.Impact:
    """What re-rating the sessions of a filter would change; nothing is written."""
    require_contract(authorise(actor, Right.CDR_CORRECT, issuer_id), wanted.contract_id)
    return impact.preview(ctx, issuer_id, Book(ctx, issuer_id), wanted, ctx.now(), None)


def order(ctx: Context, actor: Actor, issuer_id: str, job_id: str, wanted: Filter, reason: str) -> Job:
    """Re-rate the sessions of a filter that are known now; the same id once more is the job that stands.

    Raises:
        Conflict: the id belongs to another job.
    """
    require_contract(authorise(actor, Right.CDR_CORRECT, issuer_id), wanted.contract_id)
    rerating.reasoned(reason)
    made = Job(
        issuer_id=issuer_id,
        job_id=job_id,
        kind=JobKind.RERATE,
        filter=wanted,
        author=actor.actor_id,
        reason=reason,
        made_at_utc=ctx.now(),
        until_utc=ctx.now(),
        pass_began_utc=ctx.now(),
    )
    return begin(ctx, made)


def begin(ctx: Context, made: Job) -> Job:
    """Keep a job and ask for its first piece, once."""

    def attempt() -> Job:
        known = job_store.job(ctx.db, made.issuer_id, made.job_id)
        if known is not None:
            if (known.kind, known.filter, known.reason, known.author) != (
                made.kind, made.filter, made.reason, made.author
            ):  # fmt: skip
                raise Conflict("this job id belongs to another job", job_id=made.job_id)
            return known
        log = audit.entry(
            ctx, issuer_id=made.issuer_id, kind="CDR_JOB", object_id=made.job_id, actor_id=made.author,
            action="ORDERED", details={"kind": made.kind, "filter": made.filter, "reason": made.reason},
        )  # fmt: skip
        ctx.db.transact([job_store.job_put(made, None), job_store.step_fact(made, ctx.now()), log])
        return made

    return again_on_race(attempt, tables=(Table.AUDIT, Table.CLEARING))


def job(
    ctx: Context, actor: Actor, issuer_id: str, job_id: str, *, after: str = ""
) -> tuple[Job, list[Item], str | None]:
    """A job with a page of what it did, by reference, and the cursor of the next page."""
    scope = authorise(actor, Right.CDR_CORRECT, issuer_id)
    found = job_store.job(ctx.db, issuer_id, job_id)
    if found is None:
        raise NotFound("no such object")
    require_contract(scope, found.filter.contract_id)
    page = list(islice(job_store.items(ctx.db, issuer_id, job_id, after=after), _PAGE + 1))
    return found, page[:_PAGE], page[_PAGE - 1].cdr_ref if len(page) > _PAGE else None


def jobs(ctx: Context, actor: Actor, issuer_id: str) -> list[Job]:
    """Every job of an issuer, the latest first."""
    scope = authorise(actor, Right.CDR_CORRECT, issuer_id)
    found = job_store.jobs(ctx.db, issuer_id)
    return [j for j in found if scope.contract_ids is None or j.filter.contract_id in scope.contract_ids]


def sweep_jobs(ctx: Context, issuer_id: str) -> int:
    """Go on with every job that is not done; returns how many pieces were worked."""
    worked = 0
    until = ctx.now() + _SWEEP
    for job_id in job_store.running(ctx.db, issuer_id):
        known = job_store.job(ctx.db, issuer_id, job_id)
        while known is not None and _due(ctx, known) and ctx.now() < until:
            known = advance(ctx, issuer_id, job_id)
            worked += 1
    return worked


def advance(ctx: Context, issuer_id: str, job_id: str) -> Job:
    """Work one piece of a job and write where it stands; any number of times, by any number of workers."""
    known = job_store.job(ctx.db, issuer_id, job_id)
    if known is None:
        raise NotFound("no such object")
    if known.state is JobState.DONE or not _due(ctx, known):
        return known
    began = known.pass_began_utc if known.cursor else ctx.now()
    until = known.until_utc or ctx.now()
    piece = next(selection.walk(ctx, issuer_id, known.filter, until, _PIECE, cursor=known.cursor), None)
    postponed = known.postponed
    if piece is not None:
        done = job_store.done(ctx.db, issuer_id, job_id, piece[1])
        postponed += _piece(ctx, known, [ref for ref in piece[1] if ref not in done])
    made = _after(ctx, known, piece[0] if piece else None, began, postponed)
    if made.state is JobState.DONE and made.checker is not None:
        _confirm(ctx, made)  # before the job is over, so that no crash loses the approval; again is harmless
    try:
        follow = [] if made.state is JobState.DONE or not made.cursor else [job_store.step_fact(made, ctx.now())]
        ctx.db.transact([job_store.job_put(made, known), *follow])
    except ConditionFailed:
        pass  # another worker wrote the same piece
    return job_store.job(ctx.db, issuer_id, job_id) or made


def _confirm(ctx: Context, made: Job) -> None:
    """Let an approval count whose preview came out the same again; another one lapses, and the person looks anew."""
    if made.impact is None or made.impact.digest != made.digest or made.until_utc is None:
        return
    seen = Seen(as_of_utc=made.until_utc, digest=made.impact.digest)
    contract_id, proposal_id = made.filter.contract_id or "", made.proposal_id or ""
    try:
        checker = identity.signed_in(ctx, made.checker or "")
        backdated.approve(ctx, checker, made.issuer_id, contract_id, proposal_id, seen, made.impact.delta)
    except (Conflict, Forbidden, NotAuthenticated, NotFound) as refused:
        if isinstance(refused, ConditionFailed):
            raise
        return  # decided meanwhile, or the person may no longer


def _due(ctx: Context, known: Job) -> bool:
    """A further pass waits until late writers have settled; what is in the middle of one goes on at once."""
    if known.state is JobState.DONE:
        return False
    return bool(known.cursor) or known.passes == 0 or ctx.now() >= known.pass_began_utc + _SETTLE


def _after(ctx: Context, known: Job, cursor: str | None, began: datetime, postponed: int) -> Job:
    if cursor is not None:
        return known.model_copy(update={"cursor": cursor, "pass_began_utc": began, "postponed": postponed})
    settled = known.kind is not JobKind.BACKDATED or began >= known.made_at_utc + _SETTLE
    over = settled and postponed == 0
    update = {"cursor": "", "pass_began_utc": began, "passes": known.passes + 1, "postponed": 0}
    if over:
        items = list(job_store.items(ctx.db, known.issuer_id, known.job_id))
        update |= {"state": JobState.DONE, "done_at_utc": ctx.now(), "results": sums_of(items)}
        if known.kind is JobKind.PREVIEW and known.until_utc is not None:
            update["impact"] = impact.summed([i.outcome for i in items if i.outcome], known.until_utc)
    return known.model_copy(update=update)


def _piece(ctx: Context, known: Job, refs: list[str]) -> int:
    """Work some sessions; returns how many must be looked at again in the next pass."""
    if known.kind is JobKind.PREVIEW:
        _look(ctx, known, refs)
        return 0
    book = Book(ctx, known.issuer_id)
    found = store.sessions(ctx.db, known.issuer_id, refs).values()
    return sum(not _work(ctx, known, book, each) for each in found if selection.fits(known.filter, each))


def _look(ctx: Context, known: Job, refs: list[str]) -> None:
    """Row 31 before anybody decides: note what a proposed version would do with each session."""
    proposal = backdated.proposal(ctx, known.issuer_id, known.filter.contract_id or "", known.proposal_id or "")
    proposed = as_version(proposal)
    book = Book(ctx, known.issuer_id, proposed)
    for each in impact.outcomes(ctx, known.issuer_id, book, refs, known.filter):
        if impact.meant(each, proposed.version):
            _put(ctx, _item(ctx, known, each.cdr_ref, Result.LOOKED, outcome=each))


def follow_one(ctx: Context, known: Job, cdr_ref: str) -> None:
    """Do for one session what a back-dated version asks, where its job had to pass it by; once per job id.

    Raises:
        Busy: the session is being changed, or its members flagged; the caller comes again.
    """
    if cdr_ref in job_store.done(ctx.db, known.issuer_id, known.job_id, [cdr_ref]):
        return
    session = store.session(ctx.db, known.issuer_id, cdr_ref)
    if session is not None and not _work(ctx, known, Book(ctx, known.issuer_id), session):
        raise Busy("the session is being changed; try again", cdr_ref=cdr_ref)


# ---- one session ---------------------------------------------------------------------------------------------------
def _work(ctx: Context, known: Job, book: Book, session: Session) -> bool:
    """Do with one session what the job is for; False when it must be looked at again in the next pass."""
    try:
        if known.kind is JobKind.RERATE:
            _rerate(ctx, known, book, session)
            return True
        return _follow(ctx, known, book, session)
    except (Busy, ConditionFailed):
        return False  # somebody changed it at this moment


def _rerate(ctx: Context, known: Job, book: Book, session: Session) -> None:
    """Row 29: what is open is rated anew; what is locked is told, for only an adjustment corrects it."""
    if session.billing in _FIXED:
        _keep(ctx, known, session, Result.REFUSED, reason="LOCKED", before=session.net, after=session.net)
        return
    look = impact.look(ctx, book, session, _body(ctx, session))
    if look.action is Action.REFUSED:
        _keep(ctx, known, session, Result.REFUSED, reason=look.reason)
    elif look.action is Action.NONE:
        _keep(ctx, known, session, Result.UNCHANGED, before=session.net, after=session.net)
    elif look.action is Action.RETRY:
        made = processing.process(ctx, known.issuer_id, session.cdr_ref)
        reason = made.reasons[0] if made.reasons else None
        _keep(ctx, known, made, Result.RETRIED, reason=reason, before=session.net, after=made.net)
    else:
        try:
            _reprice(ctx, known, session)
        except Locked:
            _keep(ctx, known, session, Result.REFUSED, reason="LOCKED", before=session.net, after=session.net)
        except Conflict as refused:
            if isinstance(refused, ConditionFailed):
                raise
            _keep(ctx, known, session, Result.REFUSED, reason=refused.code, before=session.net, after=session.net)


def _follow(ctx: Context, known: Job, book: Book, session: Session) -> bool:
    """Row 31: a session that the back-dated version prices is rated anew, or corrected beside its lock."""
    match = book.match(session)
    by = (match.terms.contract_id, match.terms.version) if match.terms else None
    if by != (known.filter.contract_id, known.version) or session.credit_of is not None:
        return True
    billed = adjustments.current(ctx, session) if session.billing in _FIXED else session
    sums = _sums(ctx, billed)
    row = f"{billed.cdr_ref}~{_key(known)}"
    if sums is not None and row in sums.refs:
        corrected = store.session(ctx.db, known.issuer_id, row)
        after = impact.price_now(ctx, billed, sums)
        if corrected is not None and corrected.net is not None:
            _keep(ctx, known, session, Result.ADJUSTED, before=after - corrected.net, after=after, row=row)
        return True
    look = impact.look(ctx, book, billed, _body(ctx, billed), sums)
    if look.action is Action.RETRY:
        return True  # the fact of the version's publication processes what waits
    if look.action is Action.REFUSED:
        if look.reason == "CREDITED_AFTER_LOCK" and adjustments.returns(ctx, billed):
            return False  # between its cancellation and its return: priced as what bills it anew, in the next pass
        if look.reason not in impact.NOT_BILLED:
            _refuse(ctx, known, session, look.reason or "", look.before)
        return True
    if look.action is Action.NONE:
        _keep(ctx, known, session, Result.UNCHANGED, before=look.before, after=look.before)
        return True
    if look.action is Action.ADJUST:
        return _adjust(ctx, known, book, session, billed, sums)
    try:
        _reprice(ctx, known, billed, of=session)
    except Locked:
        return False  # its members are being flagged: corrected beside the lock in the next pass
    return True


def _adjust(ctx: Context, known: Job, book: Book, session: Session, billed: Session, sums: Adjusted | None) -> bool:
    """``sums`` are those of the look, so that workers at once come to the same row."""
    priced, _ = book.price(billed, _body(ctx, billed))
    lines = impact.difference(ctx, billed, sums, priced)
    before = impact.price_now(ctx, billed, sums)
    try:
        made = adjustments.adjust(
            ctx, billed, key=_key(known), lines=lines, kind=RETROACTIVE, reason=known.reason, author=known.author
        )
    except Conflict as refused:
        if isinstance(refused, ConditionFailed):
            raise
        _refuse(ctx, known, session, refused.code, before)
        return True
    _keep(ctx, known, session, Result.ADJUSTED, before=before, after=priced.net, row=made.cdr_ref)
    return True


def _refuse(ctx: Context, known: Job, session: Session, reason: str, price: Money | None) -> None:
    """A session that keeps a price its version does not give needs a person: one row of the journal."""
    journal.raise_once(
        ctx,
        known.issuer_id,
        ExceptionType.PRICE_VARIANCE,
        f"{session.cdr_ref}#V{known.version}",
        f"{reason}: version {known.version} of the contract could not be applied to a session of past days",
        partner=session.emsp_party,
        received=price,
        next_action="decide what it costs: rate it anew, or credit a part",
        details={"cdr_ref": session.cdr_ref, "job_id": known.job_id},
    )
    _keep(ctx, known, session, Result.REFUSED, reason=reason, before=price, after=price)


def _reprice(ctx: Context, known: Job, session: Session, of: Session | None = None) -> None:
    named = (of or session).cdr_ref
    rerating.reprice(
        ctx,
        known.issuer_id,
        session.cdr_ref,
        author=known.author,
        reason=known.reason,
        beside=lambda before, after: job_store.item_put(
            _item(ctx, known, named, Result.RERATED, before=before.net, after=after.net)
        ),
    )


def _keep(ctx: Context, known: Job, session: Session, result: Result, **told: object) -> None:
    _put(ctx, _item(ctx, known, session.cdr_ref, result, **told))


def _put(ctx: Context, made: Item) -> None:
    try:
        ctx.db.write(job_store.item_put(made))
    except ConditionFailed:
        pass  # another worker told it


def _item(ctx: Context, known: Job, cdr_ref: str, result: Result, **told: object) -> Item:
    base = {"issuer_id": known.issuer_id, "job_id": known.job_id, "cdr_ref": cdr_ref, "result": result}
    return Item.model_validate(base | {"at_utc": ctx.now()} | told)


def _key(known: Job) -> str:
    return f"v{known.version}"


def _body(ctx: Context, session: Session) -> Original | None:
    return store.original(ctx.db, session.issuer_id, adjustments.body_ref(session))


def _sums(ctx: Context, session: Session) -> Adjusted | None:
    return store.adjusted(ctx.db, session.issuer_id, session.cdr_ref) if session.billing in _FIXED else None
