"""What filing, answering and talking share: reading for an actor, the next state, and the commit under the window."""

from __future__ import annotations

import hashlib
from typing import Any

from roamclear.audit import service as audit
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Terms
from roamclear.disputes import store
from roamclear.disputes.model import PENDING, Dispute, Entry, Side, Window
from roamclear.identity.model import Actor, Right, Scope
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, Forbidden, InvalidInput, NotFound, WindowClosed
from roamclear.kernel.time import format_instant
from roamclear.kernel.writes import Action, Put, Table

#: Races that a fresh read settles: the audit chain, the dispute's row and its session.
RACES = (Table.AUDIT, Table.CLEARING)
#: What a thread holds at most; a longer one is no longer read by anybody.
MAX_ENTRIES = 200
#: Details of an act that are a person's own words.
_WORDS = frozenset({"text", "answer", "name"})


def found(ctx: Context, scope: Scope, issuer_id: str, number: str) -> Dispute:
    """One dispute within what an actor may see; any other is not there."""
    known = store.find(ctx.db, issuer_id, number)
    if known is None:
        raise NotFound("no such object")
    require_contract(scope, known.contract_id)
    return known


def pending(ctx: Context, scope: Scope, issuer_id: str, number: str) -> Dispute:
    """One dispute that is not decided yet."""
    known = found(ctx, scope, issuer_id, number)
    if known.state not in PENDING:
        raise Conflict(f"the dispute ended as {known.state.value}", state=known.state.value)
    return known


def speaker(actor: Actor, issuer_id: str) -> tuple[Side, Scope]:
    """Whether an actor speaks for the house (CPO) or its partner (EMSP), and of which contracts."""
    try:
        return Side.CPO, authorise(actor, Right.DISPUTE_RESOLVE, issuer_id)
    except Forbidden:
        return Side.EMSP, authorise(actor, Right.DISPUTE_CREATE, issuer_id)


def bought(ctx: Context, issuer_id: str, contract_id: str) -> bool:
    """Whether we are the eMSP of a contract (direction REVERSE): the house claims and its partner, the CPO, answers.

    A contract never changes its direction, so its first version tells it.
    """
    return contracts.version(ctx, issuer_id, contract_id, 1).terms.is_reverse


def as_side(ctx: Context, actor: Actor, issuer_id: str, number: str, side: Side) -> Scope:
    """What an actor may see who speaks on a side of a dispute; ``Forbidden`` for the other side.

    The house answers and its partner claims, and the other way round where the house buys (row 134).
    """
    _, seen = speaker(actor, issuer_id)
    known = store.find(ctx.db, issuer_id, number)
    # A dispute that the actor may not see is none to it: it decides nothing about the answer.
    own = known is not None and (seen.contract_ids is None or known.contract_id in seen.contract_ids)
    swapped = own and known is not None and bought(ctx, issuer_id, known.contract_id)
    return authorise(actor, _right(side, swapped=swapped), issuer_id)


def may_file(ctx: Context, actor: Actor, issuer_id: str, contract_id: str, known: dict[str, bool]) -> None:
    """Refuse a claim by who is not the eMSP of a contract; ``known`` keeps directions between the rows of a list."""
    if contract_id not in known:
        known[contract_id] = bought(ctx, issuer_id, contract_id)
    authorise(actor, _right(Side.EMSP, swapped=known[contract_id]), issuer_id)


def side_in(ctx: Context, side: Side, known: Dispute) -> Side:
    """The side on which the house (CPO) or its partner (EMSP) stands in one dispute."""
    if not bought(ctx, known.issuer_id, known.contract_id):
        return side
    return Side.EMSP if side is Side.CPO else Side.CPO


def _right(side: Side, *, swapped: bool) -> Right:
    return Right.DISPUTE_RESOLVE if (side is Side.CPO) is not swapped else Right.DISPUTE_CREATE


def terms_of(ctx: Context, issuer_id: str, contract_id: str) -> Terms:
    """The terms of a contract in force today: who answers how fast, in which zone and language."""
    return contracts.terms_now(ctx, issuer_id, contract_id)


def moved(known: Dispute, **update: Any) -> Dispute:
    """The next state of a dispute."""
    return known.model_copy(update=update | {"changed": known.changed + 1})


def said(ctx: Context, actor: Actor, side: Side, made: Dispute, kind: str, text: str) -> tuple[Dispute, list[Action]]:
    """A dispute with one more word in its thread, and the write of that word; nothing was said by no text."""
    if not text.strip():
        return made, []
    if made.entries >= MAX_ENTRIES:
        raise Conflict(f"a thread holds at most {MAX_ENTRIES} entries", rule="THREAD_FULL")
    told = made.model_copy(update={"entries": made.entries + 1})
    entry = Entry(
        issuer_id=made.issuer_id,
        dispute_id=made.dispute_id,
        number=told.entries,
        kind=kind,
        side=side,
        by=actor.actor_id,
        at_utc=ctx.now(),
        text=text,
    )
    return told, [store.entry_put(entry)]


def disputed(ctx: Context, known: Dispute) -> Session:
    """The session of a dispute as it is now."""
    session = cdrs.session(ctx, known.issuer_id, known.cdr_ref)
    if session is None:
        raise NotFound("no such session")
    return session


def gone(session: Session) -> bool:
    """Out of billing for good: credited, or dropped at the lock."""
    return session.run_id is None and session.billing in (Billing.CREDITED, Billing.INVALIDATED)


def locked(ctx: Context, session: Session) -> bool:
    """Billed by a run; while that run is LOCKING this is not settled yet."""
    if session.run_id is None:
        return False
    window = store.window(ctx.db, session.issuer_id, session.run_id)
    return window is not None and window.state not in ("WINDOW", "LOCKING")


def open_window(ctx: Context, session: Session, known: dict[str, Window] | None = None) -> Window:
    """The open window of a session's run; ``WindowClosed`` with the closing instant once it is over.

    ``known`` keeps windows between the rows of a list; the write still asks the run itself.
    """
    if session.run_id is None or session.net is None:
        raise Conflict("this session is in no control window", billing=session.billing.value)
    windows = {} if known is None else known
    window = windows.get(session.run_id) or store.window(ctx.db, session.issuer_id, session.run_id)
    if window is not None:
        windows[session.run_id] = window
    if window is None or window.closes_at_utc is None:
        raise Conflict("this session is in no control window", billing=session.billing.value)
    if window.state != "WINDOW" or window.closes_at_utc <= ctx.now():
        raise closed(window)
    return window


def closed(window: Window) -> WindowClosed:
    """The error of what comes after the close (product.md row 36)."""
    at = format_instant(window.closes_at_utc) if window.closes_at_utc else ""
    return WindowClosed(f"the control window closed at {at}", closed_at_utc=at, run_id=window.run_id)


def commit(ctx: Context, actions: list[Action], window: Window, *, check_at: int) -> None:
    """All or nothing under the window's condition; any other lost race is the caller's to run again."""
    try:
        ctx.db.transact(actions)
    except ConditionFailed as lost:
        if lost.index == check_at:
            raise closed(window) from lost
        raise


def log(ctx: Context, actor: Actor, made: Dispute, action: str, details: dict[str, Any]) -> Put:
    """The audit entry of an act; it goes into the transaction of the change.

    What people wrote stands there as its hash: the thread holds the words and gives them up after their term, an audit
    entry and its locked copy never go.
    """
    return audit.entry(
        ctx,
        issuer_id=made.issuer_id,
        kind="DISPUTE",
        object_id=made.dispute_id,
        actor_id=actor.actor_id,
        action=action,
        details=dict(_hashed(name, value) for name, value in details.items()),
    )


def _hashed(name: str, value: Any) -> tuple[str, Any]:
    if name in _WORDS and isinstance(value, str) and value:
        return f"{name}_sha256", hashlib.sha256(value.encode()).hexdigest()
    return name, value


def worded(text: str, field: str, *, most: int = 4000) -> str:
    """A text that says something, within its limit."""
    if not text.strip():
        raise InvalidInput(f"{field} says something", field=field)
    if len(text) > most:
        raise InvalidInput(f"{field} has at most {most} characters", field=field)
    return text


def remembered(ctx: Context, actor: Actor, issuer_id: str, key: str | None, digest: str) -> dict[str, Any] | None:
    """What an Idempotency-Key stood for; ``Conflict`` where it stood for something else."""
    if key is None:
        return None
    if not 1 <= len(key) <= 128 or not key.isascii() or not key.isprintable():
        raise InvalidInput("an Idempotency-Key has 1 to 128 printable ASCII characters", field="Idempotency-Key")
    known = store.request(ctx.db, issuer_id, actor.actor_id, key)
    if known is not None and known["digest"] != digest:
        raise Conflict("this Idempotency-Key stood for another request", rule="IDEMPOTENCY_KEY_REUSED")
    return known


def remember(actor: Actor, issuer_id: str, key: str | None, digest: str, subject: str) -> list[Action]:
    """The write that keeps what an Idempotency-Key stands for."""
    if key is None:
        return []
    item = {"issuer_id": issuer_id, "digest": digest, "subject": subject}
    return [store.request_put(issuer_id, actor.actor_id, key, item)]
