"""Reading a partner's file, comparing it with the run, and keeping the result. Only the function that does it imports
this: it draws in what reads and writes sheets."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from roamclear.billing import service as billing
from roamclear.billing.model import Run
from roamclear.cdrs.model import DisputeState, Session
from roamclear.compare import reading, rules, store
from roamclear.compare.model import (
    MAX_BYTES,
    MAX_COLUMNS,
    MAX_ROWS,
    PAGE,
    Comparison,
    Match,
    Ours,
    Pair,
    State,
)
from roamclear.compare.service import FOLDER, TYPES, page_key
from roamclear.documents import tables
from roamclear.documents.tables import Cell
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvalidInput, NotFound
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.money import Money
from roamclear.kernel.record import plain
from roamclear.kernel.time import format_instant

_KEY = re.compile(FOLDER + r"([a-z0-9][a-z0-9-]{1,30})/(M-[0-9A-F]{16})\.(csv|xlsx)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TITLES = (
    "Class", "Joined by", "Differences", "Row", "CDR id", "CDR id (yours)", "Session id", "Session id (yours)",
    "EVSE id", "EVSE id (yours)", "Start (UTC)", "Start (UTC, yours)", "kWh", "kWh (yours)", "Net", "Net (yours)",
    "Difference", "Currency", "Currency (yours)", "Not readable", "Claim", "Claimed",
)  # fmt: skip


def is_file(object_key: str) -> bool:
    """Whether an object of the inbox is the file of a comparison.

    >>> is_file("compare/acme/M-0123456789ABCDEF.csv"), is_file("compare/acme/other.csv")
    (True, False)
    """
    return _KEY.fullmatch(object_key) is not None


def work(ctx: Context, object_key: str) -> Comparison:
    """Compare an uploaded file with its run; what is DONE or REFUSED stays as it is.

    A file that cannot be read as a whole, or is not the one that was announced, is REFUSED with its fault.

    Raises:
        NotFound: there is no such file, or nobody asked for this comparison.
    """
    found = _KEY.fullmatch(object_key)
    known = store.find(ctx.db, found.group(1), found.group(2)) if found else None
    if known is None:
        raise NotFound("nobody asked for this comparison")
    if known.state is not State.WAITING:
        return known
    data = ctx.objects.get("inbox", object_key)
    if data is None:
        raise NotFound("no such file in the inbox")
    try:
        made = _compared(ctx, known, data)
    except InvalidInput as error:
        made = known.model_copy(update={"state": State.REFUSED, "fault": error.message, "fault_field": error.field})
    made = made.model_copy(update={"done_at_utc": ctx.now()})
    try:
        ctx.db.write(store.conclude(made))
    except ConditionFailed:
        pass  # another worker was faster; its result stands
    return store.find(ctx.db, known.issuer_id, known.comparison_id) or made


def waiting(ctx: Context) -> list[str]:
    """The files of the inbox whose comparison has no result yet: what an event lost."""
    found = []
    for key in ctx.objects.keys("inbox", FOLDER):
        named = _KEY.fullmatch(key)
        known = store.find(ctx.db, named.group(1), named.group(2)) if named else None
        if known is not None and known.state is State.WAITING:
            found.append(key)
    return found


def _compared(ctx: Context, known: Comparison, data: bytes) -> Comparison:
    run = billing.run(ctx, known.issuer_id, known.run_id)
    if hashlib.sha256(data).hexdigest() != known.sha256:
        raise InvalidInput("this is not the file that was announced", field="sha256")
    listed = read(data, known, run)
    sessions = {session.cdr_ref: session for session, _ in billing.members(ctx, run)}
    pairs = rules.compared([of(s) for s in sessions.values()], listed.rows, known.options.tolerance)
    lines = [line(pair, sessions) for pair in pairs]
    folder, claims = _keep(ctx, known, pairs, lines), sum("claim" in each for each in lines)
    return known.model_copy(
        update={
            "state": State.DONE,
            "rows_there": len(listed.rows),
            "rows_passed_over": listed.passed_over,
            "rows_here": len(sessions),
            "claims": claims,
            "sums": rules.sums(pairs, run.currency),
            "folder": folder,
        }
    )


def read(data: bytes, known: Comparison, run: Run) -> reading.List:
    """The rows of the partner's file."""
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"the file has more than {MAX_BYTES} bytes", field="file")
    if known.format == "xlsx":
        # The titles and a heading above them come on top of the rows.
        mark, table = "", tables.read_xlsx(data, max_rows=MAX_ROWS + 20, max_columns=MAX_COLUMNS)
    else:
        mark, table = tables.read_csv(data)
    return reading.read(table, known.options, zone=run.zone, currency=run.currency, mark=mark)


def of(session: Session) -> Ours:
    """A member of the run as a row of our list."""
    return Ours(
        cdr_ref=session.cdr_ref,
        cdr_id=session.cdr_id,
        session_id=session.session_id or "",
        evse=evse_ids.alike(session.evse_id or ""),
        start=(session.start_utc - _EPOCH) // timedelta(seconds=1),
        energy_kwh=session.energy_kwh,
        amount_minor=session.net.amount_minor if session.net else 0,
        # Priced in the contract's currency, whatever the CDR's own is.
        currency=session.net.currency if session.net else session.currency,
        disputed=session.dispute is not DisputeState.NONE,
    )


# ---- the result ----------------------------------------------------------------------------------------------------
def line(pair: Pair, sessions: dict[str, Session]) -> dict[str, Any]:
    """A pair as the API tells it; what is not stated is left out."""
    o, t, claim = pair.here, pair.there, rules.claim(pair)
    told: dict[str, Any] = {"class": pair.match, "joined_by": pair.join, "differences": pair.differences or None}
    if o is not None:
        session = sessions[o.cdr_ref]
        told["here"] = {
            "cdr_ref": o.cdr_ref,
            "cdr_id": o.cdr_id,
            "session_id": session.session_id,
            "evse_id": evse_ids.format(session.evse_id) if session.evse_id else None,
            "start": format_instant(session.start_utc),
            "energy_kwh": o.energy_kwh,
            "net": Money(o.amount_minor, o.currency),
            "dispute": session.dispute,
        }
    if t is not None:
        told["row"] = t.row
        told["there"] = {
            "cdr_id": t.cdr_id or None,
            "session_id": t.session_id or None,
            "evse_id": t.evse or None,
            "start": [format_instant(_EPOCH + timedelta(seconds=at)) for at in t.starts] or None,
            "energy_kwh": t.energy_kwh,
            "net": Money(t.amount_minor, t.currency) if t.amount_minor is not None else None,
            "faults": t.faults or None,
        }
    told["claim"] = claim.dump() if claim else None
    shown: dict[str, Any] = plain(told)
    return shown


def _keep(ctx: Context, known: Comparison, pairs: list[Pair], lines: list[dict[str, Any]]) -> str:
    """Write the pages and the two files below a folder named by their content: two workers never mix theirs."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in lines:
        groups.setdefault(each["class"], []).append(each)
    digest = hashlib.sha256(numbers_json.dumps(lines, sort_keys=True).encode()).hexdigest()[:16]
    folder = f"{FOLDER}{known.issuer_id}/{known.comparison_id}/{digest}"
    for name, members in groups.items():
        for page, start in enumerate(range(0, len(members), PAGE)):
            body = numbers_json.dumps(members[start : start + PAGE]).encode()
            ctx.objects.put("exports", page_key(folder, Match(name), page), body, "application/json")
    cells = [_cells(pair, each) for pair, each in zip(pairs, lines, strict=True)]
    ctx.objects.put(
        "exports", f"{folder}/result.csv", tables.write_csv(TITLES, cells), f"{TYPES['csv']}; charset=utf-8"
    )
    sheet = tables.write_xlsx("Comparison", TITLES, cells, created=known.asked_at_utc)
    ctx.objects.put("exports", f"{folder}/result.xlsx", sheet, TYPES["xlsx"])
    return folder


def _cells(pair: Pair, told: dict[str, Any]) -> list[Cell]:
    """A pair as a row of the result files: what the partner says stands beside what we say."""
    here, there, claim = told.get("here", {}), told.get("there", {}), told.get("claim")
    o, t = pair.here, pair.there
    net = Money(o.amount_minor, o.currency).to_decimal() if o else None
    theirs = Money(t.amount_minor, t.currency).to_decimal() if t and t.amount_minor is not None else None
    same = o is not None and t is not None and o.currency == t.currency
    cells: list[Cell] = [pair.match.value, pair.join.value if pair.join else None, ", ".join(pair.differences)]
    cells.append(t.row if t else None)
    for key in ("cdr_id", "session_id", "evse_id"):
        cells += [here.get(key), there.get(key)]
    cells += [_instant(o.start) if o else None, _instant(t.starts[0]) if t and t.starts else None]
    cells += [o.energy_kwh if o else None, t.energy_kwh if t else None, net, theirs]
    cells.append(net - theirs if same and net is not None and theirs is not None else None)
    cells += [o.currency if o else None, t.currency if t else None, "; ".join(t.faults) if t else None]
    if claim is None:
        return [*cells, None, None]
    claimed = Money(**claim["claimed"]).to_decimal() if "claimed" in claim else net
    return [*cells, claim["reason"], claimed]


def _instant(at: int) -> datetime:
    return _EPOCH + timedelta(seconds=at)
