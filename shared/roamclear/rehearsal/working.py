"""Doing a rehearsal: contract by contract on a shadow of its own, then the result and the files, and nothing else."""

from __future__ import annotations

from datetime import timedelta

from roamclear.billing import service as billing
from roamclear.billing.model import Document, Run, RunRequest, RunState
from roamclear.contracts import checks
from roamclear.contracts import service as contracts
from roamclear.documents.model import Purpose
from roamclear.identity import service as identity
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.time import local_date
from roamclear.mode import service as mode
from roamclear.packages import previews
from roamclear.packages.service import proof
from roamclear.rehearsal import service, store
from roamclear.rehearsal.acting import Ending, act, targets
from roamclear.rehearsal.board import board, unbilled
from roamclear.rehearsal.doors import Shadow, shadow
from roamclear.rehearsal.model import ContractBoard, DocumentPreview, Rehearsal, Result, RunPreview, State
from roamclear.rehearsal.overlay import TooLarge

_TYPES = {
    "pdf": "application/pdf",
    "xml": "application/xml",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}
_AT_ONCE = 10
#: A rehearsal that could not be done for this long is given up; whoever still wants it asks again.
_PATIENCE = timedelta(hours=2)


def work(ctx: Context, object_key: str) -> Rehearsal:
    """Do the rehearsal that an object of the inbox names, once.

    Raises:
        NotFound: the object names none.
    """
    named = service.wanted(object_key)
    known = store.find(ctx.db, *named) if named else None
    if known is None:
        raise NotFound("this asks for no rehearsal")
    return do(ctx, known) if known.state is State.WAITING else known


def waiting(ctx: Context) -> list[str]:
    """Requests that nobody has done yet, of every issuer: what an event lost, and the drafts that the close wants."""
    found = [one for issuer_id in identity.issuer_ids(ctx) for one in store.waiting(ctx.db, issuer_id, _AT_ONCE)]
    return [service.request_key(one) for one in found]


def do(ctx: Context, known: Rehearsal) -> Rehearsal:
    """Rehearse and keep the result; nothing else is written. Two workers at once keep one result.

    Raises:
        InRecovery: a restored stage rehearses nothing: its tables may be older than its documents.
    """
    at = ctx.now()
    if at > known.asked_at_utc + _PATIENCE:
        return _conclude(
            ctx, known.model_copy(update={"state": State.FAILED, "failure": "it could not be done in time"})
        )
    mode.require_normal(ctx)
    folder = service.folder_of(known, at)
    try:
        result = _of_run(ctx, known, folder) if known.run_id is not None else _of_all(ctx, known, folder)
    except TooLarge as error:
        return _conclude(ctx, known.model_copy(update={"state": State.FAILED, "failure": error.message}))
    made = known.model_copy(update={"state": State.DONE, "as_of_utc": at, "folder": folder})
    body = numbers_json.dumps(result.dump(), sort_keys=True).encode()
    ctx.objects.put(service.BUCKET, service.result_key(made), body, "application/json")
    return _conclude(ctx, made)


def _conclude(ctx: Context, made: Rehearsal) -> Rehearsal:
    try:
        ctx.db.write(store.conclude(made))
    except ConditionFailed:
        pass  # another worker was faster; its result stands
    return store.find(ctx.db, made.issuer_id, made.rehearsal_id) or made


def _of_run(ctx: Context, known: Rehearsal, folder: str) -> Result:
    """One run, behind the older ones of its contract that are not over: they decide what is carried or held."""
    run = billing.run(ctx, known.issuer_id, str(known.run_id))
    made = shadow(ctx)
    endings = [act(made, request, proof(made.ctx)) for request in _before(ctx, run)]
    purpose = Purpose.DRAFT if run.locked_at_utc is not None else Purpose.PROFORMA
    return Result(as_of_utc=ctx.now(), runs=(_preview(ctx, made, endings[-1], folder, purpose, known.files),))


def _before(ctx: Context, run: Run) -> list[RunRequest]:
    """A run and the older closes of its contract that are not over, the oldest first."""
    if run.kind != "CLOSE":
        return [run.request]
    runs = {each.run_id: each for each in billing.every_run(ctx, run.issuer_id)}
    head = contracts.head(ctx, run.issuer_id, run.contract_id)
    older = [one for one in targets(ctx, head, runs, None) if one.run_id in runs and runs[one.run_id].end <= run.first]
    return [*(one for one in older if one.kind == "CLOSE"), run.request]


def _of_all(ctx: Context, known: Rehearsal, folder: str) -> Result:
    """Every contract on a shadow of its own; with a period its runs, without one the board too."""
    runs = {run.run_id: run for run in billing.every_run(ctx, known.issuer_id)}
    found: list[RunPreview] = []
    boards: list[ContractBoard] = []
    for head in contracts.heads(ctx, known.issuer_id):
        made = shadow(ctx)
        wanted = targets(ctx, head, runs, known.period)
        before = {} if known.period else unbilled(ctx, known.issuer_id, head.contract_id, runs.values())
        try:
            endings = [act(made, request, proof(made.ctx)) for request in wanted]
        except TooLarge as error:
            endings = [Ending(request, None, error.code, error.message) for request in wanted]
        if known.period is None:
            each = board(made.ctx, known.issuer_id, head.contract_id, before, endings)
            boards.append(each.model_copy(update={"missing_fields": _missing(ctx, head.issuer_id, head.contract_id)}))
        for ending in endings:
            if known.period is None or ending.request.period == known.period:
                purpose = Purpose.DRAFT if _was_locked(runs, ending) else Purpose.PROFORMA
                found.append(_preview(ctx, made, ending, folder, purpose, known.files))
    if known.period is None:
        nobody = unbilled(ctx, known.issuer_id, None, ())
        boards.append(board(shadow(ctx).ctx, known.issuer_id, None, nobody, []))
    return Result(as_of_utc=ctx.now(), runs=tuple(found), board=tuple(boards))


def _was_locked(runs: dict[str, Run], ending: Ending) -> bool:
    known = runs.get(ending.request.run_id)
    return known is not None and known.locked_at_utc is not None


def _missing(ctx: Context, issuer_id: str, contract_id: str) -> tuple[str, ...]:
    """Fields without which a contract's documents cannot be issued today (product.md row 17)."""
    try:
        head = contracts.head(ctx, issuer_id, contract_id)
        day = local_date(ctx.now(), head.zone)
        terms = contracts.terms_at(ctx, issuer_id, contract_id, day).terms
    except NotFound:
        return ()
    return tuple(checks.missing(terms, identity.issuer(ctx, issuer_id), day))


def _preview(
    ctx: Context, made: Shadow, ending: Ending, folder: str, purpose: Purpose, files: bool
) -> RunPreview:  # fmt: skip
    request, run = ending.request, ending.run
    said = {"blocked": ending.blocked, "message": ending.message, "faults": ending.faults}
    if run is None:
        names = {"run_id": request.run_id, "contract_id": request.contract_id, "period": request.period}
        return RunPreview.model_validate(names | said)
    run = billing.run(made.ctx, run.issuer_id, run.run_id)
    issued = run.state in (RunState.ISSUED, RunState.SENT)
    drawn = previews.draw(made.ctx, run, folder, purpose) if files and issued else {}
    for key in (key for keys in drawn.values() for key in keys):
        own = made.objects.kept[previews.BUCKET, key]
        ctx.objects.put_file(previews.BUCKET, key, own, _TYPES[key.rpartition(".")[2]])
        made.objects.forget(previews.BUCKET, key)
    headers = [billing.document(made.ctx, run.issuer_id, number) for number in run.numbers] if issued else []
    fees = billing.fees_by_place(made.ctx, run) if headers else []
    return RunPreview.model_validate(
        said
        | {
            "run_id": run.run_id,
            "contract_id": run.contract_id,
            "period": run.period,
            "currency": run.currency,
            "state": run.state.value,
            "closes_at_utc": run.closes_at_utc,
            "members": run.members,
            "locked": run.locked,
            "locked_net": run.locked_net,
            "fees": billing.fees_net(run.fees, run.currency),
            "left": run.left,
            "left_net": run.left_net,
            "disputed": run.disputed,
            "withheld": run.withheld,
            "carries": run.carries,
            "carried": run.carried_reason,
            "documents": tuple(
                _document(made.ctx, each, billing.fees_net(fees[each.place], run.currency), drawn.get(each.number, ()))
                for each in headers
            ),
        }
    )


def _document(ctx: Context, header: Document, fees: Money, files: tuple[str, ...]) -> DocumentPreview:
    return DocumentPreview(
        place=header.place,
        type_code=header.type_code,
        issue_date=header.issue_date,
        due_date=header.due_date,
        net=header.net,
        tax=header.tax,
        gross=header.gross,
        fees=fees,
        lines=len(billing.document_model(ctx, header).lines),
        sessions=header.sessions,
        files=files,
    )
