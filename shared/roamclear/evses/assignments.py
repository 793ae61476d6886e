"""Who is paid for which EVSE from when on (product.md rows 95-104); the history is only ever added to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from roamclear.audit import service as audit
from roamclear.evses import rules, store
from roamclear.evses.model import Assignment, AssignmentRequest, Evse, PayoutAccount, Policy, RequestState
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, authorise_either, different_person, require_account
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Action, Table

#: Four actions per EVSE (row, history, fact, audit) and the account's check stay within one transaction.
_CHUNK = 20
_RACES = (Table.AUDIT, Table.CLEARING)


def payee(ctx: Context, issuer_id: str, evse_id: str, stop: datetime) -> str | None:
    """Whom a session is paid to: the account assigned at its stop, else the first active one afterwards.

    None while there is none; an assignment to an inactive account reads as unassigned (rules.md 6).
    """
    history = store.history(ctx.db, issuer_id, evse_ids.compact(evse_id))
    named = {entry.account_id for entry in history if entry.account_id is not None}
    if not named:
        return None
    heads = store.account_heads(ctx.db, issuer_id, sorted(named))
    return rules.payee(history, {each for each, head in heads.items() if head.active}, stop)


def assign(
    ctx: Context,
    actor: Actor,
    issuer_id: str,
    evse_ids_given: Iterable[str],
    account_id: str,
    effective_from: datetime | None = None,
    *,
    moved: Iterable[Money] = (),
) -> AssignmentRequest:
    """Assign EVSEs to an active account from an instant on (now when absent; never in the future).

    ``moved`` is what the held sessions of the EVSEs are worth, per currency (``payouts.service.held``). The answer is
    APPLIED, or PENDING when a second person must agree: a young account, many EVSEs, or more money than the limit
    (rules.md 10).
    """
    authorise(actor, Right.EVSE_ASSIGN, issuer_id)
    now = ctx.now()
    ids = _known(ctx, issuer_id, evse_ids_given)
    account = _active(ctx, issuer_id, account_id)
    worth = tuple(moved)
    reasons = rules.second_person(store.policy(ctx.db, issuer_id), account, len(ids), worth, now)
    since = _instant(effective_from, now)
    asked = AssignmentRequest(
        issuer_id=issuer_id,
        request_id=_request_id(ids, account_id, since, actor.actor_id),
        state=RequestState.PENDING if reasons else RequestState.APPLIED,
        evse_ids=tuple(ids),
        account_id=account_id,
        from_utc=since,
        maker=actor.actor_id,
        asked_at_utc=now,
        reasons=reasons,
        moved=worth,
    )
    if reasons:
        return _ask(ctx, asked)
    _apply(ctx, issuer_id, ids, account_id, since, actor.actor_id, None)
    return asked


def approve_assignment(ctx: Context, checker: Actor, issuer_id: str, request_id: str) -> AssignmentRequest:
    """A second person agrees to an assignment; it then holds from the instant that was asked for."""
    known = _decidable(ctx, checker, issuer_id, request_id)
    if known.state is RequestState.APPLIED:
        return known
    _active(ctx, issuer_id, known.account_id)
    _apply(ctx, issuer_id, known.evse_ids, known.account_id, known.from_utc, known.maker, checker.actor_id)
    return _decide(ctx, checker, known, RequestState.APPLIED)


def refuse_assignment(ctx: Context, checker: Actor, issuer_id: str, request_id: str) -> AssignmentRequest:
    """A second person refuses an assignment."""
    known = _decidable(ctx, checker, issuer_id, request_id)
    if known.state is RequestState.APPLIED:
        raise Conflict("this assignment holds already")
    return _decide(ctx, checker, known, RequestState.REFUSED)


def assignment_requests(ctx: Context, actor: Actor, issuer_id: str, state: RequestState) -> list[AssignmentRequest]:
    """Requests of a state, oldest first."""
    scope = authorise(actor, Right.EVSE_VIEW, issuer_id)
    found = store.requests(ctx.db, issuer_id, state.value)
    return [each for each in found if scope.account_ids is None or each.account_id in scope.account_ids]


def unassign(
    ctx: Context, actor: Actor, issuer_id: str, evse_ids_given: Iterable[str], effective_from: datetime | None = None
) -> int:
    """Take EVSEs from their accounts from an instant on; later sessions are held. Returns how many changed."""
    authorise(actor, Right.EVSE_ASSIGN, issuer_id)
    ids = _known(ctx, issuer_id, evse_ids_given)
    return _apply(ctx, issuer_id, ids, None, _instant(effective_from, ctx.now()), actor.actor_id, None)


def follow_deactivation(ctx: Context, issuer_id: str, account_id: str) -> int:
    """Let the rows of a deactivated account's EVSEs follow (they read as unassigned already); any number of times."""
    head = store.account(ctx.db, issuer_id, account_id)
    if head is None or head.active:
        return 0
    ids = list(store.ids_of_accounts(ctx.db, issuer_id, [account_id], None))
    return _apply(ctx, issuer_id, ids, None, ctx.now(), "system:account.deactivated", None, only=account_id)


def history(
    ctx: Context, actor: Actor, issuer_id: str, evse_id: str, as_of: datetime | None = None
) -> list[Assignment]:
    """Everything that was recorded about who is paid for an EVSE until an instant (until now), oldest first."""
    scope = authorise(actor, Right.EVSE_VIEW, issuer_id)
    found = store.evse(ctx.db, issuer_id, evse_ids.compact(evse_id))
    if found is None:
        raise NotFound("no such EVSE")
    require_account(scope, found.account_id)
    entries = [
        e for e in store.history(ctx.db, issuer_id, found.evse_id) if as_of is None or e.recorded_at_utc <= as_of
    ]
    return [e for e in entries if scope.account_ids is None or e.account_id in scope.account_ids]


def set_policy(ctx: Context, actor: Actor, issuer_id: str, policy: Policy) -> Policy:
    """From where on assignments of an issuer need a second person; set by who approves."""
    authorise(actor, Right.ACCOUNT_APPROVE, issuer_id)

    def attempt() -> Policy:
        before = store.policy(ctx.db, issuer_id)
        log = audit.entry(
            ctx, issuer_id=issuer_id, kind="ASSIGNMENT_POLICY", object_id=issuer_id, actor_id=actor.actor_id,
            action="CHANGED", details={"before": before, "after": policy},
        )  # fmt: skip
        ctx.db.transact([store.policy_put(issuer_id, policy), log])
        return policy

    return again_on_race(attempt)


# ---- inside --------------------------------------------------------------------------------------------------------
def _known(ctx: Context, issuer_id: str, given: Iterable[str]) -> list[str]:
    ids = sorted({evse_ids.validate(each) for each in given})
    if not 1 <= len(ids) <= rules.MAX_EVSES:
        raise InvalidInput(f"1 to {rules.MAX_EVSES} EVSEs at a time", field="evse_ids")
    missing = set(ids) - set(store.evses(ctx.db, issuer_id, ids))
    if missing:
        raise NotFound("an EVSE is not in the register", evse_id=min(missing))
    return ids


def _active(ctx: Context, issuer_id: str, account_id: str) -> PayoutAccount:
    account = store.account(ctx.db, issuer_id, account_id)
    if account is None:
        raise NotFound("no such payout account")
    if not account.active:
        raise Conflict("the payout account is not active", rule="ACCOUNT_INACTIVE")
    return account


def _instant(given: datetime | None, now: datetime) -> datetime:
    if given is not None and (given.tzinfo is None or given > now):
        raise InvalidInput("an assignment begins now or earlier", field="effective_from")
    return given or now


def _request_id(ids: list[str], account_id: str, since: datetime, maker: str) -> str:
    text = "|".join([account_id, sort_instant(since), maker, *ids])
    return "AR-" + hashlib.sha256(text.encode()).hexdigest()[:20]


def _ask(ctx: Context, asked: AssignmentRequest) -> AssignmentRequest:
    """Keep a request; the same one again is the one that waits or still holds, else it is asked anew."""

    def attempt() -> AssignmentRequest:
        known = store.request(ctx.db, asked.issuer_id, asked.request_id)
        if known is not None and (known.state is RequestState.PENDING or _holds(ctx, known)):
            return known
        made = asked
        if known is not None:
            again = f"{asked.maker}|{sort_instant(asked.asked_at_utc)}"
            request_id = _request_id(list(asked.evse_ids), asked.account_id, asked.from_utc, again)
            made = asked.model_copy(update={"request_id": request_id})
        log = audit.entry(
            ctx, issuer_id=made.issuer_id, kind="ASSIGNMENT_REQUEST", object_id=made.request_id,
            actor_id=made.maker, action="ASKED", details=made.dump(),
        )  # fmt: skip
        ctx.db.transact([store.request_put(made, None), log])
        return made

    return again_on_race(attempt, tables=_RACES)


def _holds(ctx: Context, known: AssignmentRequest) -> bool:
    """Whether an applied request is still what the register says."""
    found = store.evses(ctx.db, known.issuer_id, known.evse_ids).values()
    applied = known.state is RequestState.APPLIED
    return applied and not any(_differs(evse, known.account_id, known.from_utc) for evse in found)


def _decidable(ctx: Context, checker: Actor, issuer_id: str, request_id: str) -> AssignmentRequest:
    authorise_either(checker, Right.ACCOUNT_APPROVE, Right.EVSE_ASSIGN, issuer_id)
    known = store.request(ctx.db, issuer_id, request_id)
    if known is None:
        raise NotFound("no such request")
    different_person(known.maker, checker)
    if known.state is RequestState.REFUSED:
        raise Conflict("this assignment was refused")
    return known


def _decide(ctx: Context, checker: Actor, known: AssignmentRequest, state: RequestState) -> AssignmentRequest:
    def attempt() -> AssignmentRequest:
        made = known.model_copy(
            update={"state": state, "checker": checker.actor_id, "decided_at_utc": ctx.now()},
        )
        log = audit.entry(
            ctx, issuer_id=known.issuer_id, kind="ASSIGNMENT_REQUEST", object_id=known.request_id,
            actor_id=checker.actor_id, action=state.value, details={"maker": known.maker},
        )  # fmt: skip
        ctx.db.transact([store.request_put(made, known), log])
        return made

    return again_on_race(attempt)


def _apply(
    ctx: Context,
    issuer_id: str,
    ids: Iterable[str],
    account_id: str | None,
    since: datetime,
    actor_id: str,
    approver_id: str | None,
    *,
    only: str | None = None,
) -> int:
    """Add an entry to each history, in transactions of some EVSEs; what says the same already is passed over."""
    wanted, changed = list(ids), 0
    for at in range(0, len(wanted), _CHUNK):
        part = wanted[at : at + _CHUNK]

        def attempt(part: list[str] = part) -> int:
            if account_id is not None:
                _active(ctx, issuer_id, account_id)
            known = store.evses(ctx.db, issuer_id, part)
            moving = [e for e in known.values() if _differs(e, account_id, since) and only in (None, e.account_id)]
            actions: list[Action] = []
            for evse in moving:
                actions += _entry(ctx, evse, account_id, since, actor_id, approver_id)
            if not actions:
                return 0
            if account_id is not None:
                actions.append(store.account_active(issuer_id, account_id))
            ctx.db.transact(actions)
            return len(moving)

        changed += again_on_race(attempt, tables=_RACES)
    return changed


def _differs(evse: Evse, account_id: str | None, since: datetime) -> bool:
    if evse.account_id != account_id:
        return True
    return account_id is not None and evse.assigned_from_utc is not None and since < evse.assigned_from_utc


def _entry(
    ctx: Context, evse: Evse, account_id: str | None, since: datetime, actor_id: str, approver_id: str | None
) -> list[Action]:
    now = ctx.now()
    made = Assignment(
        issuer_id=evse.issuer_id,
        evse_id=evse.evse_id,
        number=evse.assigned + 1,
        account_id=account_id,
        from_utc=since,
        recorded_at_utc=now,
        actor_id=actor_id,
        approver_id=approver_id,
    )
    row = evse.model_copy(
        update={
            "account_id": account_id,
            "assigned_from_utc": since,
            "assigned_by": actor_id,
            "assigned": made.number,
        }
    )
    payload = {"evse_id": evse.evse_id, "account_id": account_id, "before": evse.account_id, "from_utc": since}
    name = "evse.assigned" if account_id is not None else "evse.unassigned"
    log = audit.entry(
        ctx, issuer_id=evse.issuer_id, kind="EVSE", object_id=evse.evse_id, actor_id=actor_id,
        action="ASSIGNED" if account_id is not None else "UNASSIGNED", details={**payload, "approver": approver_id},
    )  # fmt: skip
    return [
        store.evse_put(row, evse),
        store.assignment_put(made),
        store.fact(evse.issuer_id, now, name, f"{evse.evse_id}#{made.number}", payload),
        log,
    ]
