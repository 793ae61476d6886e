"""Asking for a comparison, reading its result, and disputing what it found.

The file is read by a function of its own (``working.py``): it comes by a presigned form, or as a short text.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from pydantic import Field

from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.compare import store
from roamclear.compare.model import MAX_BYTES, PAGE, Comparison, Match, Options, State
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Outcome
from roamclear.identity.model import Actor, Right, Scope
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context, UploadForm
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput, InvariantBroken, NotFound
from roamclear.kernel.record import Record
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table

#: A comparison's file in the inbox: ``compare/<issuer>/<comparison>.<format>``.
FOLDER = "compare/"
#: Files of one run that may be compared, over all its life.
MOST_OF_A_RUN = 200
#: Claims that one request files.
CLAIMS_AT_ONCE = 200
#: Characters of a list that is sent as text.
MAX_TEXT = 500_000
_FORM_SECONDS = 900
_LINK_SECONDS = 3600
TYPES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
_CURSOR = re.compile(r"([A-Z_]{5,14})-(\d{1,4})", re.ASCII)


class Request(Record):
    """What is asked for: a file announced by its SHA-256, or a short CSV as ``text``."""

    run_id: str = Field(min_length=1, max_length=80)
    format: str = Field("csv", pattern=r"^(csv|xlsx)$")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    text: str | None = Field(None, min_length=1, max_length=MAX_TEXT)
    options: Options = Field(default_factory=Options)


def ask(ctx: Context, actor: Actor, issuer_id: str, request: Request) -> tuple[Comparison, UploadForm | None]:
    """A comparison and, while its file is not there, the form to post it with. The same file again is the same one.

    Raises:
        InvalidInput: neither or both of ``text`` and ``sha256`` are given.
        NotFound: the run is not one of the actor's contracts.
        Conflict: the run has no members yet, or too many comparisons.
    """
    scope = authorise(actor, Right.RUN_COMPARE, issuer_id)
    if (request.text is None) is (request.sha256 is None):
        raise InvalidInput("give either the text of a list or the sha256 of its file", field="sha256")
    if request.text is not None and request.format != "csv":
        raise InvalidInput("a text is CSV", field="format")
    body = request.text.encode() if request.text is not None else None
    sha256 = hashlib.sha256(body).hexdigest() if body is not None else str(request.sha256)
    run = _run(ctx, scope, issuer_id, request.run_id)
    if run.state is RunState.GRACE:
        raise Conflict("the control window of this run is not open yet", state=run.state.value)
    made = Comparison(
        issuer_id=issuer_id,
        comparison_id=comparison_id(run.run_id, sha256, request),
        run_id=run.run_id,
        contract_id=run.contract_id,
        format=request.format,
        sha256=sha256,
        options=request.options,
        asked_by=actor.actor_id,
        asked_at_utc=ctx.now(),
    )
    known = again_on_race(lambda: _create(ctx, actor, made), tables=(Table.AUDIT,))
    if known.state is not State.WAITING:
        return known, None
    if body is not None:
        ctx.objects.put("inbox", file_key(known), body, TYPES["csv"])
        return known, None
    form = ctx.objects.upload(
        "inbox", file_key(known), seconds=_FORM_SECONDS, max_bytes=MAX_BYTES, content_type=TYPES[known.format]
    )
    return known, form


def _run(ctx: Context, scope: Scope, issuer_id: str, run_id: str) -> Run:
    """A run the actor may see; one of another contract is told like none."""
    try:
        found = billing.run(ctx, issuer_id, run_id)
    except NotFound:
        raise NotFound("no such object") from None
    require_contract(scope, found.contract_id)
    return found


def comparison_id(run_id: str, sha256: str, request: Request) -> str:
    """One name for one file, run and way of reading."""
    said = numbers_json.dumps([run_id, sha256, request.format, request.options.dump()], sort_keys=True)
    return f"M-{hashlib.sha256(said.encode()).hexdigest()[:16].upper()}"


def file_key(known: Comparison) -> str:
    """Where the file of a comparison is expected."""
    return f"{FOLDER}{known.issuer_id}/{known.comparison_id}.{known.format}"


def _create(ctx: Context, actor: Actor, made: Comparison) -> Comparison:
    known = store.find(ctx.db, made.issuer_id, made.comparison_id)
    if known is not None:
        return known
    if len(store.of_run(ctx.db, made.issuer_id, made.run_id)) >= MOST_OF_A_RUN:
        raise Conflict(f"a run takes {MOST_OF_A_RUN} comparisons", run_id=made.run_id)
    log = audit.entry(
        ctx,
        issuer_id=made.issuer_id,
        kind="COMPARISON",
        object_id=made.comparison_id,
        actor_id=actor.actor_id,
        action="ASKED",
        details={"run_id": made.run_id, "sha256": made.sha256, "format": made.format},
    )
    try:
        ctx.db.transact([store.create(made), log])
    except ConditionFailed as lost:
        known = store.find(ctx.db, made.issuer_id, made.comparison_id)
        if lost.index == 0 and known is not None:
            return known  # the same file by two requests at once
        raise
    return made


def comparison(ctx: Context, actor: Actor, issuer_id: str, number: str) -> Comparison:
    """One comparison for who may see its contract."""
    scope = authorise(actor, Right.RUN_COMPARE, issuer_id)
    found = store.find(ctx.db, issuer_id, number)
    if found is None:
        raise NotFound("no such object")
    require_contract(scope, found.contract_id)
    return found


def comparisons(ctx: Context, actor: Actor, issuer_id: str, run_id: str) -> list[Comparison]:
    """The comparisons of a run, oldest first."""
    _run(ctx, authorise(actor, Right.RUN_COMPARE, issuer_id), issuer_id, run_id)
    return store.of_run(ctx.db, issuer_id, run_id)


def links(ctx: Context, known: Comparison) -> list[dict[str, str]]:
    """Signed addresses of the result files, for an hour."""
    if known.folder is None:
        return []
    found = []
    for ending in ("csv", "xlsx"):
        name = f"{known.comparison_id}.{ending}"
        address = ctx.objects.link("exports", f"{known.folder}/result.{ending}", seconds=_LINK_SECONDS, filename=name)
        found.append({"name": name, "link": address})
    return found


# ---- rows ----------------------------------------------------------------------------------------------------------
def rows(
    ctx: Context, actor: Actor, issuer_id: str, number: str, *, match: Match | None = None, cursor: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of a result, of one class or of all, money first, and the cursor of the next page."""
    known = _done(comparison(ctx, actor, issuer_id, number))
    places = [
        (each.match, page)
        for each in known.sums
        if match in (None, each.match)
        for page in range(-(-_size(each.rows_here, each.rows_there, each.match) // PAGE))
    ]
    at = _place(places, cursor)
    if not places:
        return [], None
    following = places[at + 1] if at + 1 < len(places) else None
    return _page(ctx, known, *places[at]), f"{following[0].value}-{following[1]}" if following else None


def page_key(folder: str, match: Match, page: int) -> str:
    """Where a page of a result is kept."""
    return f"{folder}/{match.value}-{page:04d}.json"


def _size(rows_here: int, rows_there: int, match: Match) -> int:
    """Lines of a class: a pair is one line."""
    return rows_there if match is Match.MISSING_HERE else rows_here


def _place(places: list[tuple[Match, int]], cursor: str | None) -> int:
    if cursor is None:
        return 0
    found = _CURSOR.fullmatch(cursor)
    known = {f"{match.value}-{page}": at for at, (match, page) in enumerate(places)}
    if found is None or cursor not in known:
        raise InvalidInput("this cursor is of another list", field="cursor")
    return known[cursor]


def _page(ctx: Context, known: Comparison, match: Match, page: int) -> list[dict[str, Any]]:
    assert known.folder is not None
    kept = ctx.objects.get("exports", page_key(known.folder, match, page))
    if kept is None:
        raise InvariantBroken("a page of a comparison is gone", comparison_id=known.comparison_id)
    found: list[dict[str, Any]] = numbers_json.loads(kept)
    return found


def _done(known: Comparison) -> Comparison:
    if known.state is not State.DONE:
        raise Conflict(f"the comparison is {known.state.value}", state=known.state.value, fault=known.fault)
    return known


# ---- claims --------------------------------------------------------------------------------------------------------
def dispute(
    ctx: Context, actor: Actor, issuer_id: str, number: str, *, matches: frozenset[Match], cursor: int = 0
) -> tuple[list[Outcome], int | None]:
    """File the prepared claims of some classes within the window, 200 at a time; the same again finds what it filed.

    Returns the outcome per claim and the place of the next claim, None after the last.
    """
    known = _done(comparison(ctx, actor, issuer_id, number))
    authorise(actor, Right.DISPUTE_CREATE, issuer_id)
    wanted = claims(ctx, known, matches)
    some = wanted[cursor : cursor + CLAIMS_AT_ONCE]
    if not some:
        return [], None
    following = cursor + len(some)
    return disputes.create_many(ctx, actor, issuer_id, some), following if following < len(wanted) else None


def claims(ctx: Context, known: Comparison, matches: frozenset[Match]) -> list[Claim]:
    """The claims that a result prepared, in the order of its lines."""
    if known.claims == 0:
        return []
    found = []
    for each in known.sums:
        if each.match in matches:
            for page in range(-(-_size(each.rows_here, each.rows_there, each.match) // PAGE)):
                lines = _page(ctx, known, each.match, page)
                found += [Claim.model_validate(line["claim"]) for line in lines if "claim" in line]
    return found
