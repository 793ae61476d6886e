"""Reading a posted file of disputes: each row is filed by itself and has its own result (product.md row 48).

Only the function that reads the file imports this: it draws in what reads and writes sheets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from roamclear.audit import service as audit
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.disputes import filing, lists, store
from roamclear.disputes.model import Claim, ClaimList, Outcome
from roamclear.documents import tables
from roamclear.documents.tables import Cell
from roamclear.identity import service as identity
from roamclear.identity.model import Actor
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvalidInput, NotFound, RoamclearError
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race

MAX_ROWS = 5_000
_COLUMNS = ("cdr_id", "reason", "claimed_amount", "comment")
#: The column that holds a field of a claim.
_COLUMN_OF = {"cdr_ref": "cdr_id", "text": "comment", "claimed": "claimed_amount", "claimed.currency": "claimed_amount"}
_TITLES = ("row", "cdr_id", "result", "dispute", "state", "field", "message")
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CHUNK = 500

Row = dict[str, Cell]


def take(ctx: Context, object_key: str) -> ClaimList:
    """File every row of a posted file under the person who announced it, and write the result beside.

    A file that cannot be read as a whole files nothing; its result says why in row 0. A file is read once; the rows
    of the same file posted again under another name find what they filed.

    Raises:
        NotFound: nobody announced such a file, or nothing was posted.
    """
    known = lists.of_key(ctx, object_key)
    if known is None:
        raise NotFound("no such list was announced")
    if known.state != "PENDING":
        return known
    data = ctx.objects.get("inbox", object_key)
    if data is None:
        raise NotFound("nothing was posted")
    try:
        actor = identity.signed_in(ctx, known.actor_id)
        outcomes = _file(ctx, actor, known.issuer_id, list(_rows(data)), _batch(actor, data))
    except RoamclearError as error:
        outcomes = [filing.refused(0, "", error)]
    return _done(ctx, known, data, outcomes)


def _batch(actor: Actor, data: bytes) -> str:
    return f"L-{hashlib.sha256(actor.actor_id.encode() + b'#' + data).hexdigest()[:16].upper()}"


# ---- reading -------------------------------------------------------------------------------------------------------
def _rows(data: bytes) -> Iterator[tuple[int, Row]]:
    """(number in the sheet, cells by column) of every row that says anything."""
    if len(data) > lists.MAX_BYTES:
        raise InvalidInput(f"the file has more than {lists.MAX_BYTES} bytes", field="file")
    sheet = tables.read_xlsx(data, max_rows=MAX_ROWS + 1, max_columns=len(_COLUMNS))
    titles = [str(cell or "").strip().lower() for cell in next(sheet, [])]
    while titles and not titles[-1]:
        titles.pop()
    if len(set(titles)) != len(titles) or not {"cdr_id", "reason"} <= set(titles) <= set(_COLUMNS):
        raise InvalidInput(f"the first row names the columns {', '.join(_COLUMNS)}", field="file")
    found = 0
    for number, cells in enumerate(sheet, start=2):
        if any(cell not in (None, "") for cell in cells):
            found += 1
            if found > MAX_ROWS:
                raise InvalidInput(f"the file has more than {MAX_ROWS} rows", field="file")
            yield number, dict(zip(titles, cells, strict=False))
    if not found:
        raise InvalidInput("the file has no rows", field="file")


def _file(ctx: Context, actor: Actor, issuer_id: str, rows: list[tuple[int, Row]], batch: str) -> list[Outcome]:
    refused: list[Outcome] = []
    claims: list[tuple[int, Claim]] = []
    parties = identity.issuer(ctx, issuer_id).parties
    for at in range(0, len(rows), _CHUNK):
        chunk = rows[at : at + _CHUNK]
        wanted = {ref for _, row in chunk for ref in _candidates(row, parties)}
        sessions = cdrs.sessions(ctx, issuer_id, sorted(wanted))
        for number, row in chunk:
            try:
                claims.append((number, _claim(row, _named(row, parties, sessions))))
            except RoamclearError as error:
                refused.append(filing.refused(number, _text(row.get("cdr_id")), error))
    filed = filing.file_rows(ctx, actor, issuer_id, claims, batch) if claims else []
    named = [one.model_copy(update={"field": _COLUMN_OF.get(one.field, one.field)}) for one in filed]
    return sorted([*refused, *named], key=lambda one: one.row)


def _candidates(row: Row, parties: Iterable[str]) -> list[str]:
    """What a CDR id may mean: the reference with its party, or the id alone of one of the issuer's parties."""
    name = _text(row.get("cdr_id")).upper()
    return [name, *(f"{party}*{name}" for party in parties)] if 0 < len(name) <= 64 else []


def _named(row: Row, parties: Iterable[str], sessions: dict[str, Session]) -> Session:
    found = [sessions[ref] for ref in _candidates(row, parties) if ref in sessions]
    if len(found) > 1:
        raise InvalidInput("several parties have this CDR: write party*id", field="cdr_id")
    if not found:
        raise NotFound("no such object", field="cdr_id")
    return found[0]


def _claim(row: Row, session: Session) -> Claim:
    value: dict[str, Any] = {
        "cdr_ref": session.cdr_ref,
        "reason": _text(row.get("reason")).upper(),
        "text": _text(row.get("comment")),
    }
    amount = _amount(row.get("claimed_amount"))
    if amount is not None:
        try:
            value["claimed"] = Money.exact(amount, session.currency)
        except InvalidInput as error:
            raise InvalidInput(error.message, field="claimed_amount") from error
    try:
        return filing.claim_of(value)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=_COLUMN_OF.get(error.field, error.field)) from error


def _amount(cell: Cell) -> Decimal | None:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    try:
        value = Decimal(str(cell).strip().replace(",", ".")) if not isinstance(cell, bool) else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite() or abs(value) >= 10**12:
        raise InvalidInput("claimed_amount is no amount", field="claimed_amount")
    return value


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).strip()


# ---- writing -------------------------------------------------------------------------------------------------------
def _done(ctx: Context, known: ClaimList, data: bytes, outcomes: list[Outcome]) -> ClaimList:
    digest = hashlib.sha256(data).hexdigest()
    key = f"disputes/{known.issuer_id}/lists/{known.list_id}.{digest[:12]}.result.xlsx"
    rows = [(o.row, o.subject, o.code, o.dispute_id, o.state and o.state.value, o.field, o.message) for o in outcomes]
    ctx.objects.put("exports", key, tables.write_xlsx("Result", _TITLES, rows, created=known.at_utc), _XLSX)
    filed = sum(o.dispute_id is not None for o in outcomes)
    made = known.model_copy(
        update={
            "state": "DONE",
            "rows": sum(o.row > 0 for o in outcomes),
            "filed": filed,
            "refused": len(outcomes) - filed,
            "sha256": digest,
            "result_key": key,
            "done_at_utc": ctx.now(),
        }
    )

    def attempt() -> ClaimList:
        log = audit.entry(
            ctx,
            issuer_id=known.issuer_id,
            kind="DISPUTE_LIST",
            object_id=known.list_id,
            actor_id=known.actor_id,
            action="READ",
            details={"sha256": digest, "rows": made.rows, "filed": made.filed, "refused": made.refused},
        )
        try:
            ctx.db.transact([store.list_done(made), log])
        except ConditionFailed as lost:
            if lost.index != 0:
                raise
            return store.claim_list(ctx.db, known.issuer_id, known.list_id) or made  # another worker was first
        return made

    return again_on_race(attempt)
