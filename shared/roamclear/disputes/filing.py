"""Filing disputes, one or many: what is filed in time always lands and nothing lands after (rules.md 6)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.adjustments import WITHHELD, is_ours
from roamclear.cdrs.model import DisputeState, Session
from roamclear.contracts.model import Terms
from roamclear.disputes import parts, rules, store
from roamclear.disputes.deadlines import Deadlines
from roamclear.disputes.model import Claim, Dispute, Outcome, Side, Window
from roamclear.identity.model import Actor, Right, Scope
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound, RoamclearError
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action

#: How many disputes one request may file.
MAX_ROWS = 500
#: How many disputes one request may review or answer.
MAX_AT_ONCE = 100
#: How many rows of a list are read ahead.
_CHUNK = 100


def dispute_id(cdr_ref: str) -> str:
    """A session's one dispute has one id, so filing it twice is filing it once.

    >>> dispute_id("DEABC*CDR-1")
    'D-90692B4FD5DD'
    """
    return f"D-{hashlib.sha256(cdr_ref.encode()).hexdigest()[:12].upper()}"


def file(ctx: Context, actor: Actor, issuer_id: str, claim: Claim, *, key: str | None = None) -> Dispute:
    """Dispute a session within its window; the same claim again returns the dispute that stands.

    ``key`` is the caller's Idempotency-Key: for ever it stands for this claim.

    Raises:
        WindowClosed: with the closing instant, when the window is over.
        NotFound: the session is not one of the actor's contracts.
        Forbidden: the actor is not of the eMSP: under REVERSE that is the house itself.
        Conflict: the session is in no window, or was disputed before with another claim, or the key stood for another.
    """
    _, scope = parts.speaker(actor, issuer_id)
    return _file(ctx, actor, scope, claim, key=key)[0]


def create_many(ctx: Context, actor: Actor, issuer_id: str, rows: Sequence[Claim]) -> list[Outcome]:
    """File up to 500 disputes; each row has its own result, in the order given (product.md row 48).

    The same rows again find what they filed: CREATED becomes KNOWN. One mail tells of all of them.
    """
    if not 1 <= len(rows) <= MAX_ROWS:
        raise InvalidInput(f"a list has 1 to {MAX_ROWS} rows", field="rows")
    return file_rows(ctx, actor, issuer_id, list(enumerate(rows, start=1)), batch_of(actor, rows))


def create_rows(ctx: Context, actor: Actor, issuer_id: str, rows: Sequence[dict[str, Any]]) -> list[Outcome]:
    """Like ``create_many`` for rows as they came: one that is no claim has its own result too."""
    if not 1 <= len(rows) <= MAX_ROWS:
        raise InvalidInput(f"a list has 1 to {MAX_ROWS} rows", field="rows")
    authorise(actor, Right.DISPUTE_CREATE, issuer_id)
    claims: list[tuple[int, Claim]] = []
    outcomes: list[Outcome] = []
    for number, row in enumerate(rows, start=1):
        try:
            claims.append((number, claim_of(row)))
        except InvalidInput as error:
            outcomes.append(refused(number, str(row.get("cdr_ref", ""))[:64], error))
    if claims:
        outcomes += file_rows(ctx, actor, issuer_id, claims, batch_of(actor, [claim for _, claim in claims]))
    return sorted(outcomes, key=lambda one: one.row)


def claim_of(value: dict[str, Any]) -> Claim:
    """Plain values as a claim; ``InvalidInput`` names the first field at fault."""
    try:
        return Claim.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "row"
        raise InvalidInput(f"{name}: {first['msg']}", field=name) from error


def batch_of(actor: Actor, rows: Iterable[Claim]) -> str:
    """The name of a list: equal lists of one actor have one name."""
    text = numbers_json.dumps([actor.actor_id, [row.dump() for row in rows]], sort_keys=True)
    return f"L-{hashlib.sha256(text.encode()).hexdigest()[:16].upper()}"


def file_rows(
    ctx: Context, actor: Actor, issuer_id: str, rows: Sequence[tuple[int, Claim]], batch: str
) -> list[Outcome]:
    """File numbered rows of a list and leave the one fact that tells of them."""
    scope = authorise(actor, Right.DISPUTE_CREATE, issuer_id)
    outcomes, filed = [], []
    read = _Read()
    for place, (number, claim) in enumerate(rows):
        if place % _CHUNK == 0:
            _read_ahead(ctx, issuer_id, [c.cdr_ref for _, c in rows[place : place + _CHUNK]], read)
        try:
            made, new = _file(ctx, actor, scope, claim, batch=batch, read=read)
        except RoamclearError as error:
            outcomes.append(refused(number, claim.cdr_ref, error))
            continue
        if made.batch == batch:
            filed.append(made)
        code = "CREATED" if new else "KNOWN"
        outcomes.append(
            Outcome(row=number, subject=claim.cdr_ref, code=code, dispute_id=made.dispute_id, state=made.state)
        )
    for contract_id in sorted({made.contract_id for made in filed}):
        # Made again after a crash or a repeat it is the same mail: the batch is its business key.
        store.tell_list(ctx.db, issuer_id, ctx.now(), batch, [d for d in filed if d.contract_id == contract_id])
    return outcomes


def each(numbers: Sequence[str], work: Callable[[str], Dispute]) -> list[Outcome]:
    """Do one thing to up to 100 disputes; one that refuses stops no other."""
    if not 1 <= len(numbers) <= MAX_AT_ONCE:
        raise InvalidInput(f"a list has 1 to {MAX_AT_ONCE} disputes", field="items")
    found = []
    for row, number in enumerate(numbers, start=1):
        try:
            made = work(number)
        except RoamclearError as error:
            found.append(refused(row, number, error))
            continue
        found.append(Outcome(row=row, subject=number, code="DONE", dispute_id=made.dispute_id, state=made.state))
    return found


def refused(number: int, subject: str, error: RoamclearError) -> Outcome:
    """The result of a row that was not taken."""
    field = str(error.details.get("field", ""))
    return Outcome(row=number, subject=subject, code=error.code, field=field, message=error.message)


# ---- parts ---------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Read:
    """What was read ahead for the rows of a list. What is stale loses its condition, and the row reads again."""

    sessions: dict[str, Session] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    terms: dict[str, Terms] = field(default_factory=dict)
    deadlines: Deadlines | None = None
    bought: dict[str, bool] = field(default_factory=dict)


def _read_ahead(ctx: Context, issuer_id: str, refs: list[str], read: _Read) -> None:
    """Sessions and their disputes in two reads for all rows, instead of two for each."""
    read.sessions = cdrs.sessions(ctx, issuer_id, refs)
    read.disputes = store.find_many(ctx.db, issuer_id, [dispute_id(ref) for ref in read.sessions])


def _file(
    ctx: Context,
    actor: Actor,
    scope: Scope,
    claim: Claim,
    *,
    key: str | None = None,
    batch: str | None = None,
    read: _Read | None = None,
) -> tuple[Dispute, bool]:
    """The dispute of a claim, and whether it is a new one."""
    if claim.reason == "OTHER" and not claim.text.strip():
        raise InvalidInput("the reason OTHER needs a text", field="text")
    ahead = _Read() if read is None else read
    issuer_id, digest = scope.issuer_id, hashlib.sha256(numbers_json.dumps(claim.dump()).encode()).hexdigest()

    def attempt() -> tuple[Dispute, bool]:
        before = parts.remembered(ctx, actor, issuer_id, key, digest)
        if before is not None:
            return parts.found(ctx, scope, issuer_id, before["subject"]), False
        session, known = _standing(ctx, actor, scope, claim.cdr_ref, ahead)
        if known is not None:
            return _same(known, claim), False
        if session.adjustment == WITHHELD:
            raise Conflict("this is what a dispute left to pay; a session is disputed once", rule="FINAL")
        if _was_disputed(ctx, session):
            raise Conflict("this session was disputed before its document was cancelled", rule="FINAL")
        window = parts.open_window(ctx, session, ahead.windows)
        made = _made(ctx, actor, session, window, claim, ahead)
        made, words = parts.said(ctx, actor, Side.EMSP, made.model_copy(update={"batch": batch}), "CLAIM", claim.text)
        _, moved = cdrs.changed(session, dispute=DisputeState.OPEN, dispute_id=made.dispute_id)
        actions: list[Action] = [moved, store.still_open(issuer_id, made.run_id, ctx.now()), *store.create(made)]
        actions += [*words, *parts.remember(actor, issuer_id, key, digest, made.dispute_id)]
        told = {"reason": made.reason, "claimed": made.claimed, "text": made.text}
        parts.commit(ctx, [*actions, parts.log(ctx, actor, made, "FILED", told)], window, check_at=1)
        return made, True

    return again_on_race(attempt, tables=parts.RACES)


def _standing(ctx: Context, actor: Actor, scope: Scope, cdr_ref: str, ahead: _Read) -> tuple[Session, Dispute | None]:
    """A session of the actor's contracts with its dispute; what was read ahead counts for the first try only."""
    session = ahead.sessions.pop(cdr_ref, None)
    fresh = session is None
    if session is None:
        ahead.windows.clear()
        session = cdrs.session(ctx, scope.issuer_id, cdr_ref)
    if session is None or session.contract_id is None:
        raise NotFound("no such object")
    require_contract(scope, session.contract_id)
    parts.may_file(ctx, actor, scope.issuer_id, session.contract_id, ahead.bought)
    number = dispute_id(session.cdr_ref)
    known = store.find(ctx.db, scope.issuer_id, number) if fresh else ahead.disputes.get(number)
    return session, known


def _was_disputed(ctx: Context, session: Session) -> bool:
    """Whether a row bills anew what was disputed: a session is disputed once, whatever bills it."""
    row: Session | None = session
    while row is not None and is_ours(row) and row.replaces is not None:
        row = cdrs.session(ctx, session.issuer_id, row.replaces)
        if row is not None and (row.dispute is not DisputeState.NONE or row.adjustment == WITHHELD):
            return True
    return False


def _same(known: Dispute, claim: Claim) -> Dispute:
    claimed = claim.claimed or known.original
    if (known.reason, known.text, known.claimed) != (claim.reason, claim.text, claimed):
        raise Conflict("this session was disputed before", dispute_id=known.dispute_id)
    return known


def _made(ctx: Context, actor: Actor, session: Session, window: Window, claim: Claim, ahead: _Read) -> Dispute:
    assert session.net is not None
    assert session.contract_id is not None
    assert window.closes_at_utc is not None
    if session.contract_id not in ahead.terms:
        ahead.terms[session.contract_id] = parts.terms_of(ctx, session.issuer_id, session.contract_id)
    ahead.deadlines = ahead.deadlines or Deadlines(ctx, session.issuer_id)
    due = ahead.deadlines.after_close(ahead.terms[session.contract_id], window.closes_at_utc)
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
        answer_due_utc=due.at,
        counted_by=due.counted_by,
    )
