"""Filing, answering and ending disputes. Every change of a member carries the condition that its run is in its window:
what was filed in time always lands and nothing lands after (rules.md 6)."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from roamclear.audit import service as audit
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState, Session
from roamclear.contracts import service as contracts
from roamclear.disputes import rules, store
from roamclear.disputes.model import Claim, Dispute, State, Window
from roamclear.identity.model import Actor, Right, Scope, system
from roamclear.identity.rules import authorise, require_contract
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed, Conflict, InvalidInput, Locked, NotFound, WindowClosed
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import format_instant
from roamclear.kernel.writes import Action, Put, Table

_RACES = (Table.AUDIT,)


def dispute_id(cdr_ref: str) -> str:
    """A session's one dispute has one id, so filing it twice is filing it once.

    >>> dispute_id("DEABC*CDR-1")
    'D-90692B4FD5DD'
    """
    return f"D-{hashlib.sha256(cdr_ref.encode()).hexdigest()[:12].upper()}"


def file(ctx: Context, actor: Actor, issuer_id: str, claim: Claim) -> Dispute:
    """Dispute a session within its window; the same claim again returns the dispute that stands.

    Raises:
        WindowClosed: with the closing instant, when the window is over.
        NotFound: the session is not one of the actor's contracts.
        Conflict: the session is in no window, or was disputed before with another claim.
    """
    scope = authorise(actor, Right.DISPUTE_CREATE, issuer_id)
    if claim.reason == "OTHER" and not claim.text.strip():
        raise InvalidInput("the reason OTHER needs a text", field="text")

    def attempt() -> Dispute:
        session = _session(ctx, scope, issuer_id, claim.cdr_ref)
        known = store.find(ctx.db, issuer_id, dispute_id(session.cdr_ref))
        if known is not None:
            return _same(known, claim)
        window = _window(ctx, session)
        made = _made(ctx, actor, session, window, claim)
        _, moved = cdrs.changed(session, dispute=DisputeState.OPEN, dispute_id=made.dispute_id)
        actions: list[Action] = [moved, store.still_open(issuer_id, made.run_id, ctx.now()), *store.create(made)]
        log = _log(ctx, actor, made, "FILED", {"reason": made.reason, "claimed": made.claimed, "text": made.text})
        _commit(ctx, [*actions, log], window, check_at=1)
        return made

    return again_on_race(attempt, tables=_RACES)


def accept(
    ctx: Context, actor: Actor, issuer_id: str, number: str, *, accepted: Money | None = None, answer: str = ""
) -> Dispute:
    """The CPO grants the claim, or a part of it; a session that then costs nothing is invalidated."""
    authorise(actor, Right.DISPUTE_RESOLVE, issuer_id)

    def attempt() -> Dispute:
        known = _open(ctx, issuer_id, number)
        state, amount = rules.granted_amount(known, accepted)
        return _grant(ctx, actor, known, state, amount, answer)

    return again_on_race(attempt, tables=_RACES)


def reject(ctx: Context, actor: Actor, issuer_id: str, number: str, *, answer: str) -> Dispute:
    """The CPO refuses the claim with a reason; the session is billed."""
    authorise(actor, Right.DISPUTE_RESOLVE, issuer_id)
    if not answer.strip():
        raise InvalidInput("a rejection gives its reason", field="answer")
    return again_on_race(lambda: _let_stand(ctx, actor, _open(ctx, issuer_id, number), State.REJECTED, answer))


def withdraw(ctx: Context, actor: Actor, issuer_id: str, number: str) -> Dispute:
    """The eMSP takes its claim back; the session is billed."""
    scope = authorise(actor, Right.DISPUTE_CREATE, issuer_id)

    def attempt() -> Dispute:
        known = _open(ctx, issuer_id, number, scope)
        return _let_stand(ctx, actor, known, State.WITHDRAWN, "withdrawn")

    return again_on_race(attempt, tables=_RACES)


def settle_unanswered(ctx: Context, issuer_id: str) -> int:
    """What the CPO left unanswered past its time ends as the contract says (rules.md 6); returns how many ended."""
    ended = 0
    for known in store.unanswered(ctx.db, issuer_id, ctx.now()):
        try:
            again_on_race(partial(_settle, ctx, known), tables=_RACES)
        except (Busy, Conflict):
            continue  # being locked or answered right now; the next sweep looks again
        ended += 1
    return ended


def _settle(ctx: Context, known: Dispute) -> Dispute:
    """Silence of the CPO; a session that was billed in spite of its dispute (policy BILL) can only be rejected."""
    head = contracts.head(ctx, known.issuer_id, known.contract_id)
    policy = contracts.version(ctx, known.issuer_id, known.contract_id, head.version).terms.on_cpo_silence
    actor, session = system("disputes", known.issuer_id), _disputed(ctx, known)
    billed = not _gone(session) and _locked(ctx, session)
    if (policy == "ACCEPT" and not billed) or _gone(session):
        return _grant(ctx, actor, known, State.ACCEPTED, known.claimed, "not answered in time")
    return _let_stand(ctx, actor, known, State.REJECTED, "not answered in time")


def dispute(ctx: Context, actor: Actor, issuer_id: str, number: str) -> Dispute:
    """One dispute for who may see it."""
    scope = authorise(actor, Right.DISPUTE_VIEW, issuer_id)
    found = store.find(ctx.db, issuer_id, number)
    if found is None:
        raise NotFound("no such object")
    require_contract(scope, found.contract_id)
    return found


def disputes(ctx: Context, actor: Actor, issuer_id: str, contract_id: str) -> list[Dispute]:
    """The disputes of a contract, oldest first."""
    require_contract(authorise(actor, Right.DISPUTE_VIEW, issuer_id), contract_id)
    return store.of_contract(ctx.db, issuer_id, contract_id)


# ---- parts ---------------------------------------------------------------------------------------------------------
def _session(ctx: Context, scope: Scope, issuer_id: str, cdr_ref: str) -> Session:
    found = cdrs.session(ctx, issuer_id, cdr_ref)
    if found is None or found.contract_id is None:
        raise NotFound("no such object")
    require_contract(scope, found.contract_id)
    return found


def _same(known: Dispute, claim: Claim) -> Dispute:
    claimed = claim.claimed or known.original
    if (known.reason, known.text, known.claimed) != (claim.reason, claim.text, claimed):
        raise Conflict("this session was disputed before", dispute_id=known.dispute_id)
    return known


def _window(ctx: Context, session: Session) -> Window:
    if session.run_id is None or session.net is None:
        raise Conflict("this session is in no control window", billing=session.billing.value)
    window = store.window(ctx.db, session.issuer_id, session.run_id)
    if window is None or window.closes_at_utc is None:
        raise Conflict("this session is in no control window", billing=session.billing.value)
    if window.state != "WINDOW" or window.closes_at_utc <= ctx.now():
        raise _closed(window)
    return window


def _closed(window: Window) -> WindowClosed:
    closed = format_instant(window.closes_at_utc) if window.closes_at_utc else ""
    return WindowClosed(f"the control window closed at {closed}", closed_at_utc=closed, run_id=window.run_id)


def _made(ctx: Context, actor: Actor, session: Session, window: Window, claim: Claim) -> Dispute:
    assert session.net is not None
    assert session.contract_id is not None
    assert window.closes_at_utc is not None
    head = contracts.head(ctx, session.issuer_id, session.contract_id)
    terms = contracts.version(ctx, session.issuer_id, session.contract_id, head.version).terms
    return Dispute(
        issuer_id=session.issuer_id,
        dispute_id=dispute_id(session.cdr_ref),
        cdr_ref=session.cdr_ref,
        contract_id=session.contract_id,
        run_id=window.run_id,
        reason=claim.reason,
        text=claim.text,
        original=session.net,
        claimed=rules.claimed_amount(claim, session.net),
        filed_by=actor.actor_id,
        filed_at_utc=ctx.now(),
        closes_at_utc=window.closes_at_utc,
        answer_due_utc=rules.answer_due(window.closes_at_utc, terms.answer_working_days, terms.zone),
    )


def _open(ctx: Context, issuer_id: str, number: str, scope: Scope | None = None) -> Dispute:
    known = store.find(ctx.db, issuer_id, number)
    if known is None:
        raise NotFound("no such object")
    if scope is not None:
        require_contract(scope, known.contract_id)
    if known.state is not State.OPEN:
        raise Conflict(f"the dispute ended as {known.state.value}", state=known.state.value)
    return known


def _grant(ctx: Context, actor: Actor, known: Dispute, state: State, amount: Money, answer: str) -> Dispute:
    session = _disputed(ctx, known)
    made = _ended(ctx, actor, known, state, answer, amount)
    outcome = DisputeState(state.value)
    if _gone(session):
        # The CPO took the session out of billing meanwhile: nothing is left to lower.
        return _say(ctx, actor, session, made)
    if _locked(ctx, session):
        raise Locked("the session was billed; only a credit of the CPO corrects it", run_id=session.run_id)
    writes: list[Action] = []
    if session.net is not None and amount == session.net:
        _, moved = cdrs.changed(
            session,
            billing=Billing.INVALIDATED,
            dispute=outcome,
            run_id=None,
            left_run_id=session.run_id or session.left_run_id,
            reasons=("DISPUTE_ACCEPTED",),
        )
    else:
        rating, kept = cdrs.lowered(
            ctx, session, amount, author=actor.actor_id, reason=f"dispute {known.dispute_id} {state.value}"
        )
        writes.append(kept)
        _, moved = cdrs.changed(
            session, dispute=outcome, net=rating.net, rating_version=rating.version, **_freed(ctx, session)
        )
    return _finish(ctx, actor, session, made, [moved, *writes])


def _let_stand(ctx: Context, actor: Actor, known: Dispute, state: State, answer: str) -> Dispute:
    session = _disputed(ctx, known)
    if _gone(session) and state is State.REJECTED:
        raise Conflict("the session was withdrawn by the CPO", billing=session.billing.value)
    made = _ended(ctx, actor, known, state, answer, None)
    if _gone(session) or _locked(ctx, session):
        return _say(ctx, actor, session, made)
    _, moved = cdrs.changed(session, dispute=DisputeState(state.value), **_freed(ctx, session))
    return _finish(ctx, actor, session, made, [moved])


def _disputed(ctx: Context, known: Dispute) -> Session:
    session = cdrs.session(ctx, known.issuer_id, known.cdr_ref)
    if session is None:
        raise NotFound("no such session")
    return session


def _gone(session: Session) -> bool:
    """Out of billing for good: credited, or dropped at the lock."""
    return session.run_id is None and session.billing in (Billing.CREDITED, Billing.INVALIDATED)


def _locked(ctx: Context, session: Session) -> bool:
    """Billed by a run; while that run is LOCKING this is not settled yet."""
    if session.run_id is None:
        return False
    window = store.window(ctx.db, session.issuer_id, session.run_id)
    return window is not None and window.state not in ("WINDOW", "LOCKING")


def _say(ctx: Context, actor: Actor, session: Session, made: Dispute) -> Dispute:
    """End a dispute that no longer moves any money."""
    _, moved = cdrs.changed(session, dispute=DisputeState(made.state.value))
    details = {"accepted": made.accepted, "answer": made.answer}
    log = _log(ctx, actor, made, made.state.value, details)
    try:
        ctx.db.transact([moved, *store.conclude(made), log])
    except ConditionFailed as lost:
        if lost.table == Table.AUDIT:
            raise
        raise Busy("the session changed meanwhile; try again") from lost
    _answered(ctx, actor, made)
    return made


def _answered(ctx: Context, actor: Actor, made: Dispute) -> None:
    """What the lock told as unanswered has its answer."""
    subject = f"{made.run_id}#{made.cdr_ref}"
    reason = f"the dispute ended as {made.state.value}"
    journal.resolve(ctx, made.issuer_id, ExceptionType.UNANSWERED_DISPUTE, subject, by=actor.actor_id, reason=reason)


def _freed(ctx: Context, session: Session) -> dict[str, Any]:
    """A held session goes to the next run; a member just stays in its own."""
    if session.run_id is not None:
        return {}
    return {"billing": Billing.VERIFIED, "reasons": (), "verified_at_utc": ctx.now()}


def _ended(ctx: Context, actor: Actor, known: Dispute, state: State, answer: str, accepted: Money | None) -> Dispute:
    return known.model_copy(
        update={
            "state": state,
            "accepted": accepted,
            "resolved_by": actor.actor_id,
            "resolved_at_utc": ctx.now(),
            "answer": answer,
        }
    )


def _finish(ctx: Context, actor: Actor, session: Session, made: Dispute, writes: list[Action]) -> Dispute:
    actions: list[Action] = [*writes, *store.conclude(made)]
    details = {"accepted": made.accepted, "answer": made.answer}
    actions.append(_log(ctx, actor, made, made.state.value, details))
    if session.run_id is None:
        try:
            ctx.db.transact(actions)
        except ConditionFailed as lost:
            if lost.table == Table.AUDIT:
                raise
            raise Busy("the session changed meanwhile; try again") from lost
        _answered(ctx, actor, made)
        return made
    window = store.window(ctx.db, session.issuer_id, session.run_id)
    if window is None or window.state != "WINDOW":
        raise Locked("the run is being locked; try again in a minute", run_id=session.run_id)
    _commit(ctx, [*actions, cdrs.in_window(session.issuer_id, session.run_id)], window, check_at=len(actions))
    return made


def _commit(ctx: Context, actions: list[Action], window: Window, *, check_at: int) -> None:
    try:
        ctx.db.transact(actions)
    except ConditionFailed as lost:
        if lost.index == check_at:
            raise _closed(window) from lost
        if lost.table == Table.AUDIT:
            raise
        raise Busy("the session changed meanwhile; try again") from lost


def _log(ctx: Context, actor: Actor, made: Dispute, action: str, details: dict[str, Any]) -> Put:
    return audit.entry(
        ctx,
        issuer_id=made.issuer_id,
        kind="DISPUTE",
        object_id=made.dispute_id,
        actor_id=actor.actor_id,
        action=action,
        details=details,
    )
