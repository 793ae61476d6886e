"""Asking for rehearsals and reading what they found (product.md rows 55, 69, 70; B3).

A function of its own does the work (``working.py``); nothing that it writes on the way is kept but the result.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any

from pydantic import Field

from roamclear.audit import service as audit
from roamclear.billing import drafts
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.identity.model import Actor, Right, Scope
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, NotFound
from roamclear.kernel.record import Record
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import sort_instant
from roamclear.kernel.writes import Table
from roamclear.rehearsal import store
from roamclear.rehearsal.acting import OVER
from roamclear.rehearsal.model import DraftView, Rehearsal, Result, RunPreview, State

#: A request in the inbox, and a result in the exports.
FOLDER = "rehearse/"
PREVIEWS = "preview/"
BUCKET = "exports"
_REQUEST = re.compile(FOLDER + r"([a-z0-9][a-z0-9-]{1,30})/(H-[0-9A-F]{16})\.json", re.ASCII)
#: A link of the console lives an hour (product.md row 64).
_LINK_SECONDS = 3600
_LISTED = 20
#: What an eMSP sees of its open window: the pro-forma and its list, nothing that only we check.
_PARTNER_FILES = (".pdf", ".xlsx", ".csv")
#: Runs that a person at the issuer may rehearse; a correction has no window, but a draft.
_REHEARSABLE = frozenset(RunState) - frozenset(OVER) - {RunState.FAILED}


class Request(Record):
    """What is to be rehearsed of all contracts: a period by its label, or all that is not invoiced yet.

    ``files`` False leaves out the drawing: sums and blockers alone.
    """

    period: str | None = Field(None, pattern=r"^[0-9A-Z-]{7,10}$")
    files: bool = True


def rehearse_run(ctx: Context, actor: Actor, issuer_id: str, run_id: str) -> Rehearsal:
    """Rehearse a run; asked again within the same minute it is the same rehearsal.

    An eMSP gets the pro-forma of its open window (row 69); a run that waits for approval its drafts (row 55).

    Raises:
        NotFound: there is no such run of the actor's contracts.
        Conflict: the run is over, or, for an eMSP, its window is not open.
    """
    scope = authorise(actor, Right.RUN_REHEARSE, issuer_id)
    run = _run(ctx, scope, issuer_id, run_id)
    if scope.contract_ids is not None and run.state is not RunState.WINDOW:
        raise Conflict("the control window of this run is not open", state=run.state.value)
    if run.state not in _REHEARSABLE:
        raise Conflict("this run is over; its documents are the answer", state=run.state.value)
    return _ask(ctx, actor.actor_id, _of_run(run, actor.actor_id, ctx.now(), f"{ctx.now():%Y%m%dT%H%M}"))


def rehearse_all(ctx: Context, actor: Actor, issuer_id: str, request: Request) -> Rehearsal:
    """Rehearse the closes of all contracts; asked again within the same minute it is the same rehearsal."""
    scope = authorise(actor, Right.RUN_REHEARSE, issuer_id)
    if scope.contract_ids is not None:
        raise NotFound("no such object")
    made = Rehearsal(
        issuer_id=issuer_id,
        rehearsal_id="",
        period=request.period,
        files=request.files,
        asked_by=actor.actor_id,
        asked_at_utc=ctx.now(),
    )
    return _ask(ctx, actor.actor_id, _named(made, f"{ctx.now():%Y%m%dT%H%M}#{request.files}"))


def draft(ctx: Context, issuer_id: str, run_id: str) -> None:
    """Draw the drafts of a run that waits for approval, once per content (product.md row 55); again is the same."""
    run = billing.run(ctx, issuer_id, run_id)
    if run.approved_by is None and (run.state is RunState.AWAITING_APPROVAL or run.approval_lapsed):
        _ask(ctx, "system:close", _draft(ctx, run, drafts.content_hash(ctx, run)))


def draft_of(ctx: Context, actor: Actor, issuer_id: str, run_id: str) -> DraftView:
    """The draft that would be approved now, with the rehearsal that drew exactly this content, where one did."""
    found = drafts.draft(ctx, actor, issuer_id, run_id)
    wanted = _draft(ctx, billing.run(ctx, issuer_id, run_id), found.content_hash)
    drawn = store.find(ctx.db, issuer_id, wanted.rehearsal_id)
    known = {"rehearsal_id": drawn.rehearsal_id, "drawn": drawn.state is State.DONE} if drawn is not None else {}
    return DraftView.model_validate({**dict(found), **known})


def _draft(ctx: Context, run: Run, content_hash: str) -> Rehearsal:
    return _of_run(run, "system:close", ctx.now(), f"DRAFT#{content_hash}")


def _of_run(run: Run, asked_by: str, at: datetime, once: str) -> Rehearsal:
    made = Rehearsal(
        issuer_id=run.issuer_id,
        rehearsal_id="",
        run_id=run.run_id,
        contract_id=run.contract_id,
        asked_by=asked_by,
        asked_at_utc=at,
    )
    return _named(made, once)


def _named(made: Rehearsal, once: str) -> Rehearsal:
    """The rehearsal under its business key: its subject and what it is made once for."""
    said = hashlib.sha256(f"{made.issuer_id}#{made.subject}#{once}".encode()).hexdigest()
    return made.model_copy(update={"rehearsal_id": f"H-{said[:16].upper()}"})


def _ask(ctx: Context, actor_id: str, made: Rehearsal) -> Rehearsal:
    def attempt() -> Rehearsal:
        known = store.find(ctx.db, made.issuer_id, made.rehearsal_id)
        if known is not None:
            return known
        log = audit.entry(
            ctx,
            issuer_id=made.issuer_id,
            kind="REHEARSAL",
            object_id=made.rehearsal_id,
            actor_id=actor_id,
            action="REHEARSED",
            details={"subject": made.subject, "files": made.files},
        )
        try:
            ctx.db.transact([store.create(made), log])
        except ConditionFailed as lost:
            known = store.find(ctx.db, made.issuer_id, made.rehearsal_id)
            if lost.index == 0 and known is not None:
                return known
            raise
        return made

    return again_on_race(attempt, tables=(Table.AUDIT,))


def wake(ctx: Context, known: Rehearsal) -> None:
    """Let the worker begin at once; without this the schedule finds the rehearsal within five minutes."""
    if known.state is State.WAITING:
        ctx.objects.put("inbox", request_key(known), b"{}", "application/json")


def request_key(known: Rehearsal) -> str:
    """The request in the inbox."""
    return f"{FOLDER}{known.issuer_id}/{known.rehearsal_id}.json"


def wanted(object_key: str) -> tuple[str, str] | None:
    """Issuer and rehearsal that an object of the inbox names, or None.

    >>> wanted("rehearse/acme/H-0123456789ABCDEF.json")
    ('acme', 'H-0123456789ABCDEF')
    """
    found = _REQUEST.fullmatch(object_key)
    return (found[1], found[2]) if found else None


# ---- reading -------------------------------------------------------------------------------------------------------
def rehearsal(ctx: Context, actor: Actor, issuer_id: str, rehearsal_id: str) -> dict[str, Any]:
    """One rehearsal with what it found and signed links for an hour; an eMSP sees those that it may ask for."""
    scope = authorise(actor, Right.RUN_VIEW, issuer_id)
    known = store.find(ctx.db, issuer_id, rehearsal_id)
    if known is None or not _theirs(scope, actor, known):
        raise NotFound("no such object")
    return _told(ctx, known, partner=scope.contract_ids is not None)


def rehearsals(ctx: Context, actor: Actor, issuer_id: str, run_id: str | None = None) -> list[Rehearsal]:
    """The last rehearsals of a run, or of everything, the newest first."""
    scope = authorise(actor, Right.RUN_VIEW, issuer_id)
    if run_id is None and scope.contract_ids is not None:
        raise NotFound("no such object")
    subject = _run(ctx, scope, issuer_id, run_id).run_id if run_id is not None else "ALL"
    return [one for one in store.latest(ctx.db, issuer_id, subject, _LISTED) if _theirs(scope, actor, one)]


def blockers(ctx: Context, actor: Actor, issuer_id: str) -> dict[str, Any]:
    """If we closed now: what would be invoiced and what would not, by reason, as the last rehearsal of all found it.

    Raises:
        NotFound: nothing was rehearsed in the last 30 days; ``POST /v1/rehearsals`` does it.
    """
    scope = authorise(actor, Right.RUN_VIEW, issuer_id)
    done = [one for one in store.latest(ctx.db, issuer_id, "ALL", _LISTED) if one.state is State.DONE]
    if scope.contract_ids is not None or not done:
        raise NotFound("nothing was rehearsed yet; ask for a rehearsal without a period")
    told = _result(ctx, done[0])
    return {
        "rehearsal_id": done[0].rehearsal_id,
        "as_of_utc": told.as_of_utc,
        "contracts": list(told.board),
        "runs": [run for run in told.runs if run.blocked is not None or run.documents],
    }


def _told(ctx: Context, known: Rehearsal, *, partner: bool) -> dict[str, Any]:
    shown = known.dump()
    shown.pop("folder", None)
    if partner:
        shown.pop("failure", None)
        shown.pop("asked_by", None)
    if known.state is not State.DONE:
        return shown
    found = _result(ctx, known)
    runs = [_for_partner(run) for run in found.runs] if partner else list(found.runs)
    files = [key for run in runs for each in run.documents for key in each.files]
    shown |= {"runs": runs, "files": [_link(ctx, key) for key in files]}
    return shown if partner else shown | {"board": list(found.board)}


def _for_partner(run: RunPreview) -> RunPreview:
    """What the eMSP would be invoiced, and nothing of why not."""
    documents = tuple(
        each.model_copy(update={"files": tuple(key for key in each.files if key.endswith(_PARTNER_FILES))})
        for each in run.documents
    )
    hidden = {"blocked": None, "message": None, "faults": (), "documents": documents}
    return run.model_copy(update=hidden)


def _link(ctx: Context, key: str) -> dict[str, str]:
    name = key.rsplit("/", 1)[1]
    return {"name": name, "link": ctx.objects.link(BUCKET, key, seconds=_LINK_SECONDS, filename=name)}


def _result(ctx: Context, known: Rehearsal) -> Result:
    kept = ctx.objects.get(BUCKET, result_key(known))
    if kept is None:
        raise NotFound("this rehearsal was forgotten; ask for another one")
    return Result.load(numbers_json.loads(kept))


def result_key(known: Rehearsal) -> str:
    """Where the result of a rehearsal is kept."""
    return f"{known.folder}/result.json"


def folder_of(known: Rehearsal, at: datetime) -> str:
    """The folder of a rehearsal's files: ``preview/<issuer>/<rehearsal>/<instant>``."""
    return f"{PREVIEWS}{known.issuer_id}/{known.rehearsal_id}/{sort_instant(at)[:19].replace(':', '')}Z"


def _theirs(scope: Scope, actor: Actor, known: Rehearsal) -> bool:
    """An eMSP sees the pro-formas that somebody of its own contract asked for, not the drafts of the issuer."""
    if scope.contract_ids is None:
        return True
    return known.contract_id in scope.contract_ids and known.asked_by == actor.actor_id


def _run(ctx: Context, scope: Scope, issuer_id: str, run_id: str) -> Run:
    try:
        found = billing.run(ctx, issuer_id, run_id)
    except NotFound:
        raise NotFound("no such object") from None
    require_contract(scope, found.contract_id)
    return found
