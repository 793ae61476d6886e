"""A back-dated version over the sessions it prices: what it would change, and the change itself (row 31, B11).

What two persons agree to is one preview: the sessions known at an instant, and a digest of what becomes of each. When
one of them moved meanwhile the digest is another one, and the approval is refused together with a fresh preview.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from roamclear.cdrs import impact, store
from roamclear.cdrs.impact import Book, Impact
from roamclear.cdrs.jobs import service as jobs
from roamclear.cdrs.jobs import store as job_store
from roamclear.cdrs.jobs.model import Job, JobKind
from roamclear.cdrs.model import DisputeState
from roamclear.cdrs.selection import Filter
from roamclear.contracts import backdated
from roamclear.contracts import service as contracts
from roamclear.contracts.proposals import Proposal, ProposalState, Seen, as_version
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, different_person, require_contract
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.time import local_midnight

_LET_STAND = (DisputeState.REJECTED, DisputeState.WITHDRAWN, DisputeState.EXPIRED)
#: A preview older than this says too little of the sessions that came since.
FRESH = timedelta(hours=24)


def preview(
    ctx: Context, actor: Actor, issuer_id: str, contract_id: str, proposal_id: str, as_of: datetime | None = None
) -> tuple[Proposal, Impact | None, Job | None]:
    """A proposal with its impact while it is proposed, and with its job once it is in force.

    Without ``as_of`` it is the instant that the first approval looked at, as long as that is fresh, else now.
    """
    require_contract(authorise(actor, Right.AUDIT_VIEW, issuer_id), contract_id)
    found = backdated.proposal(ctx, issuer_id, contract_id, proposal_id)
    if found.state is ProposalState.IN_FORCE:
        return found, None, job_store.job(ctx.db, issuer_id, job_id(found))
    if found.state is not ProposalState.PROPOSED:
        return found, None, None
    at = as_of or next((a.seen.as_of_utc for a in found.approvals if _is_fresh(ctx, a.seen.as_of_utc)), ctx.now())
    return found, _impact(ctx, found, at), None


def approve(ctx: Context, checker: Actor, issuer_id: str, contract_id: str, proposal_id: str, seen: Seen) -> Proposal:
    """Agree to a proposal as a preview showed it; the second person puts it in force.

    The preview is made again first. One that a job made is made again by a job (``checking``): the approval counts when
    that came to the same, and lapses where sessions changed meanwhile.

    Raises:
        Conflict: ``PREVIEW_CHANGED`` with a fresh preview, ``PREVIEW_OLD``, or the proposal is decided.
    """
    require_contract(authorise(checker, Right.CONTRACT_APPROVE, issuer_id), contract_id)
    found = backdated.proposal(ctx, issuer_id, contract_id, proposal_id)
    delta: tuple[Money, ...] = ()
    if found.state is ProposalState.PROPOSED:
        if seen.as_of_utc.tzinfo is None or seen.as_of_utc > ctx.now():
            raise InvalidInput("a preview is of now or earlier", field="as_of_utc")
        if not _is_fresh(ctx, seen.as_of_utc):
            raise Conflict("this preview is too old; look again", rule="PREVIEW_OLD")
        fresh = _impact(ctx, found, seen.as_of_utc)
        if fresh.digest != seen.digest:
            raise Conflict("sessions changed since this preview; look again", rule="PREVIEW_CHANGED", impact=fresh)
        if job_store.job(ctx.db, issuer_id, _preview_id(found, seen.as_of_utc)) is not None:
            return _checked(ctx, checker, found, seen)
        delta = fresh.delta
    return backdated.approve(ctx, checker, issuer_id, contract_id, proposal_id, seen, delta)


def _checked(ctx: Context, checker: Actor, found: Proposal, seen: Seen) -> Proposal:
    """Have a large preview made again on behalf of who agrees to it."""
    different_person(found.author, checker)
    if any(each.actor_id == checker.actor_id and each.seen == seen for each in found.approvals):
        return found
    who = sha256(checker.actor_id.encode()).hexdigest()[:6]
    made = Job(
        issuer_id=found.issuer_id,
        job_id=f"confirm.{found.proposal_id}.{seen.as_of_utc:%Y%m%dT%H%M%S}.{ctx.now():%H%M%S}.{who}",
        kind=JobKind.PREVIEW,
        filter=_span(ctx, found),
        author=checker.actor_id,
        reason=found.reason,
        made_at_utc=ctx.now(),
        until_utc=seen.as_of_utc,
        proposal_id=found.proposal_id,
        checker=checker.actor_id,
        digest=seen.digest,
        pass_began_utc=ctx.now(),
    )
    return found.model_copy(update={"checking": jobs.begin(ctx, made).job_id})


def order_preview(ctx: Context, actor: Actor, issuer_id: str, contract_id: str, proposal_id: str) -> Job:
    """Make the preview of more sessions than one answer can price; it is read by the instant ``until_utc``.

    Who agrees then agrees to what was kept. What sessions do meanwhile shows in the job of the effect, which says what
    was ``expected``.
    """
    require_contract(authorise(actor, Right.AUDIT_VIEW, issuer_id), contract_id)
    found = backdated.proposal(ctx, issuer_id, contract_id, proposal_id)
    if found.state is not ProposalState.PROPOSED:
        raise Conflict("this proposal is decided", state=found.state.value)
    made = Job(
        issuer_id=issuer_id,
        job_id=_preview_id(found, ctx.now()),
        kind=JobKind.PREVIEW,
        filter=_span(ctx, found),
        author=actor.actor_id,
        reason=found.reason,
        made_at_utc=ctx.now(),
        until_utc=ctx.now(),
        proposal_id=proposal_id,
        pass_began_utc=ctx.now(),
    )
    return jobs.begin(ctx, made)


def follow(ctx: Context, issuer_id: str, contract_id: str, proposal_id: str) -> Job:
    """Begin to price by a version that came in force what it prices; once, however often it is asked."""
    found = backdated.proposal(ctx, issuer_id, contract_id, proposal_id)
    made = Job(
        issuer_id=issuer_id,
        job_id=job_id(found),
        kind=JobKind.BACKDATED,
        filter=_span(ctx, found),
        author=found.author,
        reason=found.reason,
        made_at_utc=ctx.now(),
        version=found.version,
        proposal_id=found.proposal_id,
        expected=found.approvals[-1].delta if found.approvals else (),
        pass_began_utc=ctx.now(),
    )
    return job_store.job(ctx.db, issuer_id, made.job_id) or jobs.begin(ctx, made)


def after_dispute(ctx: Context, issuer_id: str, cdr_ref: str) -> None:
    """A session whose dispute let its price stand is priced by the back-dated version that came in force meanwhile.

    The job of that version had to pass it by, and told a person. What a dispute granted stays what it granted. The
    consumer of an ended dispute; again changes nothing.
    """
    session = store.session(ctx.db, issuer_id, cdr_ref)
    if session is None or session.contract_id is None or session.dispute not in _LET_STAND:
        return
    terms = Book(ctx, issuer_id).match(session).terms
    if terms is None or (terms.contract_id, terms.version) == (session.contract_id, session.contract_version):
        return
    done = job_store.job(ctx.db, issuer_id, f"backdated.{terms.contract_id}.v{terms.version}")
    if done is None or terms.contract_id != session.contract_id:
        return  # not priced by a version of past days
    subject = f"{cdr_ref}#V{terms.version}"
    reason = "its dispute ended; the version is applied"
    journal.resolve(ctx, issuer_id, ExceptionType.PRICE_VARIANCE, subject, by="system:disputes", reason=reason)
    jobs.follow_one(ctx, done.model_copy(update={"job_id": f"{done.job_id}.D"}), cdr_ref)


def job_id(found: Proposal) -> str:
    """The one job of a version."""
    return f"backdated.{found.contract_id}.v{found.version}"


def _preview_id(found: Proposal, as_of: datetime) -> str:
    return f"preview.{found.proposal_id}.{as_of:%Y%m%dT%H%M%S.%f}"


def _impact(ctx: Context, found: Proposal, as_of: datetime) -> Impact:
    ordered = job_store.job(ctx.db, found.issuer_id, _preview_id(found, as_of))
    if ordered is not None:
        if ordered.impact is None:
            raise Conflict("this preview is being made", rule="PREVIEW_RUNNING")
        return ordered.impact
    proposed = as_version(found)
    book = Book(ctx, found.issuer_id, proposed)
    try:
        return impact.preview(ctx, found.issuer_id, book, _span(ctx, found), as_of, proposed.version)
    except InvalidInput as error:
        told = f"more than {impact.MOST} sessions: order the preview, and read it when it is made"
        raise Conflict(told, rule="PREVIEW_LARGE") from error


def _span(ctx: Context, found: Proposal) -> Filter:
    """Sessions that start from the version's first day until the day on which a later version takes over."""
    head = contracts.head(ctx, found.issuer_id, found.contract_id)
    starts = [v.valid_from for v in contracts.versions(ctx, found.issuer_id, found.contract_id)]
    later = min((day for day in starts if day > found.valid_from), default=None)
    return Filter(
        contract_id=found.contract_id,
        start_from_utc=local_midnight(found.valid_from, head.zone),
        start_until_utc=local_midnight(later, head.zone) if later else None,
    )


def _is_fresh(ctx: Context, at: datetime) -> bool:
    return ctx.now() - at <= FRESH
