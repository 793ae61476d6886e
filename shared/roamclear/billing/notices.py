"""The opening notice: without it, or other proof that the eMSP knew, a window does not close (rules.md 6)."""

from __future__ import annotations

from datetime import timedelta

from roamclear.audit import service as audit
from roamclear.billing import mails, store
from roamclear.billing.model import Run, RunState
from roamclear.contracts import rules as calendar
from roamclear.contracts import service as contracts
from roamclear.deliveries import service as deliveries
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput, NotFound, Unavailable
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table

#: A notice this long after the opening is a late one: the window starts again from it.
PUNCTUAL = timedelta(hours=1)
_CAME_BACK = "the opening notice came back; the lock waits"


def given(run: Run) -> bool:
    """Whether the eMSP was told, accepted its list, or a person recorded other proof."""
    return bool(run.notice_ids) or run.notice_proof is not None or run.accepted_at_utc is not None


def announce(ctx: Context, run: Run) -> Run:
    """Mail the opening once; a notice that only goes out late restarts the window, so that whole days remain."""
    if run.state is not RunState.WINDOW or given(run):
        return run
    renewed = _renewed(ctx, run)
    ids = mails.window_opened(ctx, renewed)
    if not ids:
        _tell(ctx, run, "the opening notice was not taken by the mail service; the lock waits")
        return run
    if all(deliveries.failed(ctx, message_id) for message_id in ids):
        # Saying it again to the same contacts tells nobody.
        _tell(ctx, run, _CAME_BACK)
        return run
    return _told(ctx, run, renewed, ids)


def bounced(ctx: Context, issuer_id: str, run_id: str, message_id: str) -> None:
    """Take back a notice that reached nobody: the lock waits for another contact or other proof (rules.md 6)."""

    def attempt() -> None:
        run = store.run(ctx.db, issuer_id, run_id)
        if run is None or run.state is not RunState.WINDOW or message_id not in run.notice_ids:
            return
        left = tuple(known for known in run.notice_ids if known != message_id)
        update = store.run_update(run, (RunState.WINDOW,), notice_ids=left)
        ctx.db.write(store.while_it_is(update, "notice_ids", run.notice_ids))

    if not deliveries.failed(ctx, message_id):
        return
    again_on_race(attempt, tables=(Table.CLEARING,))
    run = store.run(ctx.db, issuer_id, run_id)
    # Asked of the run, not of this call: a crash may lie between taking back and telling.
    if run is not None and run.state is RunState.WINDOW and not given(run):
        _tell(ctx, run, _CAME_BACK)


def _tell(ctx: Context, run: Run, message: str) -> None:
    journal.raise_once(
        ctx,
        run.issuer_id,
        ExceptionType.WINDOW_NOTICE_FAILED,
        run.run_id,
        message,
        severity="HIGH",
        partner=run.contract_id,
        next_action="notify another contact or record other proof",
    )


def notify_other(ctx: Context, actor: Actor, issuer_id: str, run_id: str, contacts: tuple[str, ...]) -> Run:
    """Tell other contacts of the open window; its whole days start again from now."""
    authorise(actor, Right.RUN_PREPARE, issuer_id)
    if not 1 <= len(contacts) <= 10 or any("@" not in c or " " in c or not c.isascii() for c in contacts):
        raise InvalidInput("name 1 to 10 e-mail addresses", field="contacts")
    run = _in_window(ctx, issuer_id, run_id)
    renewed = _renewed(ctx, run)
    ids = mails.window_opened(ctx, renewed, contacts)
    if not ids:
        raise Unavailable("the mail service did not take the notice")
    _log(ctx, actor, run, "NOTIFIED", {"contacts": len(contacts)})
    return _told(ctx, run, renewed, ids)


def record_proof(ctx: Context, actor: Actor, issuer_id: str, run_id: str, proof: str) -> Run:
    """A person states how the eMSP was told otherwise; the window keeps its close."""
    authorise(actor, Right.RUN_PREPARE, issuer_id)
    if not 10 <= len(proof.strip()) <= 1000:
        raise InvalidInput("say in 10 to 1,000 characters how the eMSP was told", field="proof")
    run = _in_window(ctx, issuer_id, run_id)
    _log(ctx, actor, run, "NOTICE_PROVED", {"proof": proof})
    ctx.db.write(store.run_update(run, (RunState.WINDOW,), notice_proof=proof))
    _settle(ctx, run, actor.actor_id)
    return _read(ctx, issuer_id, run_id)


def _renewed(ctx: Context, run: Run) -> Run:
    """The run with the close that a notice of now leads to: whole days from now where the notice is late."""
    if run.opened_at_utc is not None and ctx.now() < run.opened_at_utc + PUNCTUAL:
        return run
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
    return run.model_copy(update={"closes_at_utc": calendar.closing(ctx.now(), terms.window_days, run.zone)})


def _told(ctx: Context, read: Run, run: Run, ids: tuple[str, ...]) -> Run:
    """Keep the notice over exactly the close that was read, so that a slow worker never shortens a window."""
    columns: dict[str, object] = {"notice_ids": ids, "closes_at_utc": run.closes_at_utc}
    update = store.run_update(run, (RunState.WINDOW,), **columns)
    try:
        held = store.while_it_is(update, "closes_at_utc", read.closes_at_utc)
        ctx.db.write(store.only_once(held, "accepted_at_utc"))
    except ConditionFailed:
        return _read(ctx, run.issuer_id, run.run_id)  # the run went on, or another notice restarted its window
    _settle(ctx, run, "system:mail")
    return _read(ctx, run.issuer_id, run.run_id)


def _settle(ctx: Context, run: Run, by: str) -> None:
    kind = ExceptionType.WINDOW_NOTICE_FAILED
    journal.resolve(ctx, run.issuer_id, kind, run.run_id, by=by, reason="the eMSP was told")


def _in_window(ctx: Context, issuer_id: str, run_id: str) -> Run:
    run = _read(ctx, issuer_id, run_id)
    if run.state is not RunState.WINDOW or run.accepted_at_utc is not None:
        raise Conflict("this run has no open window", state=run.state.value)
    return run


def _read(ctx: Context, issuer_id: str, run_id: str) -> Run:
    found = store.run(ctx.db, issuer_id, run_id)
    if found is None:
        raise NotFound("no such run")
    return found


def _log(ctx: Context, actor: Actor, run: Run, action: str, details: dict[str, object]) -> None:
    def attempt() -> None:
        ctx.db.write(
            audit.entry(
                ctx,
                issuer_id=run.issuer_id,
                kind="RUN",
                object_id=run.run_id,
                actor_id=actor.actor_id,
                action=action,
                details=details,
            )
        )

    again_on_race(attempt)
