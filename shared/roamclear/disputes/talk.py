"""The way of a dispute before it ends: review, questions, words of both sides, and the one escalation."""

from __future__ import annotations

import hashlib
from typing import Any

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.adjustments import is_ours
from roamclear.cdrs.model import DisputeState, Session
from roamclear.disputes import parts, store, withheld
from roamclear.disputes.deadlines import Deadlines
from roamclear.disputes.filing import each
from roamclear.disputes.model import Dispute, Entry, Escalation, Outcome, Side, State
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right, Scope
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action

#: How long the eMSP has for what was asked of it (rules.md 6).
INFO_WORKING_DAYS = 5
#: How often the CPO may stop its own clock by a question.
MAX_ROUNDS = 3
_BEING_READ = (State.OPEN, State.UNDER_REVIEW, State.ESCALATED)


def review(ctx: Context, actor: Actor, issuer_id: str, number: str) -> Dispute:
    """The CPO takes a dispute in hand; the clock goes on. Again by the same person it is the same."""
    scope = parts.as_side(ctx, actor, issuer_id, number, Side.CPO)

    def attempt() -> Dispute:
        known = parts.pending(ctx, scope, issuer_id, number)
        if known.assignee == actor.actor_id:
            return known
        state = State.UNDER_REVIEW if known.state is State.OPEN else known.state
        made = parts.moved(known, state=state, assignee=actor.actor_id)
        return _save(ctx, actor, Side.CPO, made, known, "UNDER_REVIEW")

    return again_on_race(attempt, tables=parts.RACES)


def review_many(ctx: Context, actor: Actor, issuer_id: str, numbers: list[str]) -> list[Outcome]:
    """Take up to 100 disputes in hand; each has its own result (product.md row 37)."""
    authorise(actor, Right.DISPUTE_RESOLVE, issuer_id)
    return each(numbers, lambda number: review(ctx, actor, issuer_id, number))


def request_info(ctx: Context, actor: Actor, issuer_id: str, number: str, *, text: str) -> Dispute:
    """The CPO asks; from now the eMSP has five working days, then the claim is EXPIRED and the session billed."""
    scope = parts.as_side(ctx, actor, issuer_id, number, Side.CPO)
    parts.worded(text, "text")

    def attempt() -> Dispute:
        known = parts.pending(ctx, scope, issuer_id, number)
        if known.state not in _BEING_READ:
            raise Conflict("the eMSP was asked already", state=known.state.value)
        if known.info_rounds >= MAX_ROUNDS:
            raise Conflict(f"the eMSP is asked at most {MAX_ROUNDS} times", rule="ASKED_ENOUGH")
        terms = parts.terms_of(ctx, issuer_id, known.contract_id)
        due = Deadlines(ctx, issuer_id).from_now(terms, Side.EMSP, INFO_WORKING_DAYS)
        made = parts.moved(
            known,
            state=State.INFO_REQUESTED,
            assignee=actor.actor_id,
            info_due_utc=due.at,
            counted_by=due.counted_by,
            info_rounds=known.info_rounds + 1,
        )
        return _save(ctx, actor, Side.CPO, made, known, "INFO_REQUESTED", text)

    return again_on_race(attempt, tables=parts.RACES)


def give_info(ctx: Context, actor: Actor, issuer_id: str, number: str, *, text: str) -> Dispute:
    """The eMSP answers a question; the CPO has its working days again, counted from the answer or from the close."""
    scope = parts.as_side(ctx, actor, issuer_id, number, Side.EMSP)
    parts.worded(text, "text")

    def attempt() -> Dispute:
        known = parts.pending(ctx, scope, issuer_id, number)
        if known.state is not State.INFO_REQUESTED or known.info_due_utc is None:
            raise Conflict("nothing was asked", state=known.state.value)
        if known.info_due_utc <= ctx.now():
            raise Conflict("the time to answer is over", rule="EXPIRED", due_utc=known.info_due_utc)
        made = parts.moved(
            known,
            state=State.ESCALATED if known.escalation else State.UNDER_REVIEW,
            info_due_utc=None,
            **_answer_due(ctx, known),
        )
        return _save(ctx, actor, Side.EMSP, made, known, "INFO_GIVEN", text)

    return again_on_race(attempt, tables=parts.RACES)


def comment(ctx: Context, actor: Actor, issuer_id: str, number: str, *, text: str, key: str | None = None) -> Entry:
    """A word of either side, at any time; ``key`` (Idempotency-Key) makes a repeat the same word."""
    side, scope = parts.speaker(actor, issuer_id)
    parts.worded(text, "text")
    digest = hashlib.sha256(f"{number}#{text}".encode()).hexdigest()

    def attempt() -> int:
        known = parts.found(ctx, scope, issuer_id, number)
        before = parts.remembered(ctx, actor, issuer_id, key, digest)
        if before is not None:
            return int(before["subject"])
        made, words = parts.said(ctx, actor, parts.side_in(ctx, side, known), parts.moved(known), "COMMENT", text)
        actions: list[Action] = [*store.replace(made, known, ctx.now(), "commented"), *words]
        actions += parts.remember(actor, issuer_id, key, digest, str(made.entries))
        ctx.db.transact([*actions, parts.log(ctx, actor, made, "COMMENTED", {"entry": made.entries, "text": text})])
        return made.entries

    place = again_on_race(attempt, tables=parts.RACES)
    return next(e for e in store.entries(ctx.db, issuer_id, number) if e.number == place)


def escalate(
    ctx: Context, actor: Actor, issuer_id: str, number: str, *, contacts: tuple[str, ...], text: str
) -> Dispute:
    """The eMSP takes a rejection to commercial contacts, once; the outcome that follows is final (rules.md 6).

    It is taken while the session is not locked. A session that was held by this dispute before is not held again: it
    is billed unless the final answer comes before its lock. Where a part of it was withheld, that goes for the row
    that bills the part.

    Raises:
        WindowClosed: the window of the run that bills the session is over.
        Conflict: the dispute was not rejected, was escalated before, or the session is out of billing.
    """
    scope = parts.as_side(ctx, actor, issuer_id, number, Side.EMSP)
    parts.worded(text, "text")
    if not 1 <= len(contacts) <= 5 or any(not c.strip() or len(c) > 120 for c in contacts):
        raise InvalidInput("name 1 to 5 commercial contacts", field="contacts")

    def attempt() -> Dispute:
        known = _rejected(ctx, scope, issuer_id, number)
        session = parts.disputed(ctx, known)
        if parts.gone(session):
            raise Conflict("the session is out of billing", billing=session.billing.value)
        issuer = identity.issuer(ctx, issuer_id)
        escalation = Escalation(
            by=actor.actor_id,
            at_utc=ctx.now(),
            contacts=contacts,
            cpo_contact=issuer.brand.contact_name,
            rejected_by=known.resolved_by or "",
            rejected_at_utc=known.resolved_at_utc or ctx.now(),
            first_answer=known.answer or "",
        )
        made = parts.moved(
            known,
            state=State.ESCALATED,
            escalation=escalation,
            resolved_by=None,
            resolved_at_utc=None,
            answer=None,
            **_answer_due(ctx, known),
        )
        billed = withheld.rest(ctx, session) if session.withheld is not None else session
        return _save(ctx, actor, Side.EMSP, made, known, "ESCALATED", text, session=billed)

    return again_on_race(attempt, tables=parts.RACES)


# ---- parts ---------------------------------------------------------------------------------------------------------
def _rejected(ctx: Context, scope: Scope, issuer_id: str, number: str) -> Dispute:
    known = parts.found(ctx, scope, issuer_id, number)
    if known.escalation is not None:
        raise Conflict("a dispute is escalated once; its outcome is final", rule="FINAL", state=known.state.value)
    if known.state is not State.REJECTED:
        raise Conflict("only a rejection is escalated", state=known.state.value)
    return known


def _answer_due(ctx: Context, known: Dispute) -> dict[str, Any]:
    """Working days from now, never less than what the CPO had."""
    terms = parts.terms_of(ctx, known.issuer_id, known.contract_id)
    due = Deadlines(ctx, known.issuer_id).from_now(terms, Side.CPO, terms.answer_working_days)
    if due.at <= known.answer_due_utc:
        return {}
    return {"answer_due_utc": due.at, "counted_by": due.counted_by}


def _save(
    ctx: Context,
    actor: Actor,
    side: Side,
    made: Dispute,
    known: Dispute,
    action: str,
    text: str = "",
    *,
    session: Session | None = None,
) -> Dispute:
    """Write a step; ``session`` is the member that counts as disputed again, under the condition of its window."""
    told, words = parts.said(ctx, actor, side, made, action, text)
    actions: list[Action] = [*store.replace(told, known, ctx.now(), "updated"), *words]
    actions.append(parts.log(ctx, actor, told, action, {"state": told.state, "text": text}))
    if session is None or session.run_id is None:
        ctx.db.transact(actions)
        return told
    window = parts.open_window(ctx, session)
    check = store.still_open(session.issuer_id, session.run_id, ctx.now())
    if not _was_held(session, known):
        actions.append(cdrs.changed(session, dispute=DisputeState.OPEN)[1])
    parts.commit(ctx, [check, *actions], window, check_at=0)
    return told


def _was_held(session: Session, known: Dispute) -> bool:
    """Whether the lock of the dispute's own run let the session out, or a part of it: a dispute holds it once."""
    return is_ours(session) or (session.left_run_id == known.run_id and session.run_id != known.run_id)
