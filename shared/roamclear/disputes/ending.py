"""Ending disputes: granted, refused, taken back, or by silence. Every change of a member carries the condition that
its run is in its window."""

from __future__ import annotations

from functools import partial
from typing import Any

from roamclear.cdrs import adjustments
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState, Session
from roamclear.disputes import limits, parts, rules, store, withheld
from roamclear.disputes.filing import each
from roamclear.disputes.model import Answer, Dispute, Outcome, Side, State
from roamclear.identity.model import Actor, Right, Scope, system
from roamclear.identity.rules import authorise
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, Conflict, InvalidInput, Locked
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action


def accept(
    ctx: Context, actor: Actor, issuer_id: str, number: str, *, accepted: Money | None = None, answer: str = ""
) -> Dispute:
    """The CPO grants the claim, or a part of it; a session that then costs nothing is invalidated."""
    scope = parts.as_side(ctx, actor, issuer_id, number, Side.CPO)

    def attempt() -> Dispute:
        known = parts.pending(ctx, scope, issuer_id, number)
        limits.require(ctx, actor, known)
        state, amount = rules.granted_amount(known, accepted)
        return _grant(ctx, actor, Side.CPO, known, state, amount, answer)

    return again_on_race(attempt, tables=parts.RACES)


def reject(ctx: Context, actor: Actor, issuer_id: str, number: str, *, answer: str) -> Dispute:
    """The CPO refuses the claim with a reason; the session is billed."""
    scope = parts.as_side(ctx, actor, issuer_id, number, Side.CPO)
    if not answer.strip():
        raise InvalidInput("a rejection gives its reason", field="answer")

    def attempt() -> Dispute:
        known = parts.pending(ctx, scope, issuer_id, number)
        limits.require(ctx, actor, known)
        return _let_stand(ctx, actor, Side.CPO, known, State.REJECTED, answer)

    return again_on_race(attempt, tables=parts.RACES)


def answer_many(ctx: Context, actor: Actor, issuer_id: str, answers: list[Answer]) -> list[Outcome]:
    """Answer up to 100 disputes at once; each has its own result (product.md row 37)."""
    authorise(actor, Right.DISPUTE_RESOLVE, issuer_id)
    given = {one.dispute_id: one for one in answers}
    if len(given) != len(answers):
        raise InvalidInput("a list answers a dispute once", field="items")
    return each(list(given), lambda number: answer(ctx, actor, issuer_id, given[number]))


def answer(ctx: Context, actor: Actor, issuer_id: str, given: Answer) -> Dispute:
    """The CPO's answer as one word: ACCEPTED, PARTIAL with its amount, or REJECTED with its reason."""
    if given.outcome == "REJECTED":
        return reject(ctx, actor, issuer_id, given.dispute_id, answer=given.answer)
    if given.outcome == "PARTIAL" and given.accepted is None:
        raise InvalidInput("a partial acceptance states the accepted amount", field="accepted")
    accepted = given.accepted if given.outcome == "PARTIAL" else None
    return accept(ctx, actor, issuer_id, given.dispute_id, accepted=accepted, answer=given.answer)


def withdraw(ctx: Context, actor: Actor, issuer_id: str, number: str) -> Dispute:
    """The eMSP takes its claim back; the session is billed."""
    scope = parts.as_side(ctx, actor, issuer_id, number, Side.EMSP)

    def attempt() -> Dispute:
        known = parts.pending(ctx, scope, issuer_id, number)
        return _let_stand(ctx, actor, Side.EMSP, known, State.WITHDRAWN, "withdrawn")

    return again_on_race(attempt, tables=parts.RACES)


def settle_unanswered(ctx: Context, issuer_id: str) -> int:
    """End what waited too long for a word of either side (rules.md 6); returns how many ended.

    Silence of the CPO ends as the contract says; silence of the eMSP after INFO_REQUESTED is EXPIRED, which bills.
    """
    ended = 0
    for known in store.overdue(ctx.db, issuer_id, ctx.now()):
        try:
            ended += again_on_race(partial(_settle, ctx, issuer_id, known.dispute_id), tables=parts.RACES)
        except (Busy, Conflict):
            continue  # being locked or answered right now; the next sweep looks again
    return ended


def _settle(ctx: Context, issuer_id: str, number: str) -> bool:
    """One silence; of a session that was billed whole in spite of its dispute (policy BILL) it can only reject."""
    known = parts.found(ctx, Scope(issuer_id=issuer_id), issuer_id, number)
    due = rules.next_due(known)
    if due is None or due > ctx.now():
        return False  # somebody spoke meanwhile
    actor, session = system("disputes", issuer_id), parts.disputed(ctx, known)
    if parts.gone(session):
        _grant(ctx, actor, Side.DUE, known, State.ACCEPTED, known.claimed, "the CPO took the session out of billing")
    elif known.state is State.INFO_REQUESTED:
        _let_stand(ctx, actor, Side.DUE, known, State.EXPIRED, "the information was not given in time")
    else:
        policy = parts.terms_of(ctx, issuer_id, known.contract_id).on_cpo_silence
        if policy == "ACCEPT" and (session.withheld is not None or not parts.locked(ctx, session)):
            _grant(ctx, actor, Side.DUE, known, State.ACCEPTED, known.claimed, "not answered in time")
        else:
            _let_stand(ctx, actor, Side.DUE, known, State.REJECTED, "not answered in time")
    return True


# ---- parts ---------------------------------------------------------------------------------------------------------
def _grant(ctx: Context, actor: Actor, side: Side, known: Dispute, state: State, amount: Money, text: str) -> Dispute:
    session = parts.disputed(ctx, known)
    made = _ended(ctx, actor, known, state, text, amount)
    if parts.gone(session):
        return _word(ctx, actor, side, known, made, session)  # nothing is left to lower
    if parts.locked(ctx, session):
        if session.withheld is None:
            raise Locked("the session was billed; only a credit of the CPO corrects it", run_id=session.run_id)
        return _word(ctx, actor, side, known, made, session)
    outcome = DisputeState(state.value)
    writes: list[Action] = []
    if adjustments.absorbed(ctx, session, amount):
        after, moved = cdrs.changed(session, dispute=outcome, **_freed(ctx, session))  # its credit stands beside it
    elif session.net is not None and amount == session.net:
        after, moved = cdrs.changed(
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
        after, moved = cdrs.changed(
            session, dispute=outcome, net=rating.net, rating_version=rating.version, **_freed(ctx, session)
        )
    writes += [moved, *cdrs.told(after, session, ctx.now()), *adjustments.lowered(ctx, session, after)]
    return _finish(ctx, actor, side, known, made, session, writes, member=session.run_id is not None)


def _let_stand(ctx: Context, actor: Actor, side: Side, known: Dispute, state: State, text: str) -> Dispute:
    session = parts.disputed(ctx, known)
    if parts.gone(session) and state is State.REJECTED:
        raise Conflict("the session was withdrawn by the CPO", billing=session.billing.value)
    made = _ended(ctx, actor, known, state, text, None)
    if parts.gone(session) or parts.locked(ctx, session):
        return _word(ctx, actor, side, known, made, session)
    after, moved = cdrs.changed(session, dispute=DisputeState(state.value), **_freed(ctx, session))
    writes: list[Action] = [moved, *cdrs.told(after, session, ctx.now())]
    return _finish(ctx, actor, side, known, made, session, writes, member=session.run_id is not None)


def _word(ctx: Context, actor: Actor, side: Side, known: Dispute, made: Dispute, session: Session) -> Dispute:
    """An end that moves nothing of its session; what the lock withheld of it follows the fact of the end."""
    if session.withheld is not None:
        withheld.require_billable(ctx, session)
    _, moved = cdrs.changed(session, dispute=DisputeState(made.state.value))
    return _finish(ctx, actor, side, known, made, session, [moved], member=False)


def _freed(ctx: Context, session: Session) -> dict[str, Any]:
    """A held session goes to the next run; a member just stays in its own, and so does one that waits for a run."""
    if session.run_id is not None or "DISPUTED" not in session.reasons:
        return {}
    return {"billing": Billing.VERIFIED, "reasons": (), "verified_at_utc": ctx.now()}


def _ended(ctx: Context, actor: Actor, known: Dispute, state: State, text: str, accepted: Money | None) -> Dispute:
    return parts.moved(
        known,
        state=state,
        accepted=accepted,
        resolved_by=actor.actor_id,
        resolved_at_utc=ctx.now(),
        answer=text,
    )


def _finish(
    ctx: Context,
    actor: Actor,
    side: Side,
    known: Dispute,
    made: Dispute,
    session: Session,
    writes: list[Action],
    *,
    member: bool,
) -> Dispute:
    """Write an end with all that it moves; that of a member only while its run is in its window."""
    told, words = parts.said(ctx, actor, side, made, made.state.value, made.answer or "")
    actions: list[Action] = [*writes, *store.replace(told, known, ctx.now(), "resolved"), *words]
    actions.append(parts.log(ctx, actor, told, told.state.value, {"accepted": told.accepted, "answer": told.answer}))
    if member and session.run_id is not None:
        window = store.window(ctx.db, session.issuer_id, session.run_id)
        if window is None or window.state != "WINDOW":
            raise Locked("the run is being locked; try again in a minute", run_id=session.run_id)
        check = cdrs.in_window(session.issuer_id, session.run_id)
        parts.commit(ctx, [*actions, check], window, check_at=len(actions))
    else:
        ctx.db.transact(actions)
    _answered(ctx, actor, told)
    return told


def _answered(ctx: Context, actor: Actor, made: Dispute) -> None:
    """What the lock told as unanswered has its answer."""
    subject = f"{made.run_id}#{made.cdr_ref}"
    reason = f"the dispute ended as {made.state.value}"
    journal.resolve(ctx, made.issuer_id, ExceptionType.UNANSWERED_DISPUTE, subject, by=actor.actor_id, reason=reason)
