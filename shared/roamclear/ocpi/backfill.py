"""CDRs from a file: CSV, XLSX or NDJSON through the same intake as a push, with a result per row (product.md row 15).

A file is dropped as ``cdrs/<issuer>/<credential or partner>/<name>``. The result stands beside it, named by the
file's bytes: the same bytes again change nothing.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from roamclear.cdrs.model import Receipt
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput, NotFound
from roamclear.kernel.time import format_instant
from roamclear.ocpi.intake import receive_cdr
from roamclear.ocpi.model import Differs, Message, Refused
from roamclear.partners import service as partners
from roamclear.partners.model import Credential, CredentialStatus

FOLDER = "cdrs/"
RESULT = ".result.csv"
MAX_BYTES = 20_000_000
MAX_ROWS = 20_000
MAX_COLUMNS = 200
HEADER = ("row", "cdr_id", "outcome", "field", "message")
#: A cell as a sheet gives it.
Cell = str | int | Decimal | bool | datetime | None
#: Reads the first sheet of an XLSX file row by row; only one function knows how.
ReadSheet = Callable[[bytes], Iterator[list[Cell]]]
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,60}(\.[a-z][a-z0-9_]{0,60}){0,3}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,20}([.,]\d{1,20})?", re.ASCII)
_NUMBERS = frozenset({"total_energy", "total_time", "total_parking_time"})
_PRICES = frozenset({"excl_vat", "incl_vat", "before_taxes"})
_FLAGS = frozenset({"credit", "home_charging_compensation"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: NEW, REPEAT, DIFFERS or REFUSED."""

    row: int
    cdr_id: str
    outcome: str
    field: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Backfilled:
    """A file that was worked through, now or before (``outcomes`` is empty then)."""

    result_key: str
    outcomes: tuple[Outcome, ...] = ()


def is_file(object_key: str) -> bool:
    """Whether an object of the inbox is a file of CDRs, and no result of one.

    >>> is_file("cdrs/acme/p/a.csv"), is_file("cdrs/acme/p/a.csv.0123.result.csv"), is_file("camt.xml")
    (True, False, False)
    """
    return object_key.startswith(FOLDER) and not object_key.endswith((RESULT, "/"))


def waiting(object_keys: Iterable[str]) -> list[str]:
    """The files of a listing that have no result yet.

    >>> waiting(["cdrs/a/p/x.csv", "cdrs/a/p/y.csv", "cdrs/a/p/y.csv.0123.result.csv"])
    ['cdrs/a/p/x.csv']
    """
    found = list(object_keys)
    done = {key.removesuffix(RESULT).rpartition(".")[0] for key in found if key.endswith(RESULT)}
    return [key for key in found if is_file(key) and key not in done]


def import_file(ctx: Context, object_key: str, read_sheet: ReadSheet) -> Backfilled:
    """Take in every row of a file and write the result beside it.

    A file that cannot be read as a whole takes in nothing; its result says why in row 0. ``NotFound`` without one.
    """
    data = ctx.objects.get("inbox", object_key)
    if data is None:
        raise NotFound("no such file in the inbox")
    result_key = f"{object_key}.{hashlib.sha256(data).hexdigest()[:12]}{RESULT}"
    if ctx.objects.get("inbox", result_key) is not None:
        return Backfilled(result_key)
    try:
        credential = _owner(ctx, object_key)
        rows = _rows(object_key, data, read_sheet)
        outcomes = tuple(_take(ctx, credential, object_key, number, row) for number, row in rows)
    except InvalidInput as error:
        outcomes = (Outcome(0, "", "REFUSED", error.field, error.message),)
    ctx.objects.put("inbox", result_key, _written(outcomes), "text/csv; charset=utf-8")
    return Backfilled(result_key, outcomes)


def _owner(ctx: Context, object_key: str) -> Credential:
    """The credential a file speaks for, by its own id or as the only writing one of its partner."""
    parts = object_key.split("/")
    if len(parts) < 4:
        raise InvalidInput("a file lies in cdrs/<issuer>/<credential or partner>/", field="file")
    issuer_id, name = parts[1], parts[2]
    try:
        found = [partners.credential(ctx, issuer_id, name)]
    except NotFound:
        found = [c for c in partners.of_partner(ctx, issuer_id, name) if c.cpo_parties and not c.sandbox]
    alive = [c for c in found if c.status is not CredentialStatus.REVOKED]
    if not alive:
        raise InvalidInput("no such credential or partner", field="file")
    if alive[0].sandbox:
        raise InvalidInput("a sandbox takes pushes, no files", field="file")
    if len(alive) > 1:
        raise InvalidInput("the partner has several credentials: name one of them", field="file")
    return alive[0]


def _take(ctx: Context, credential: Credential, object_key: str, number: int, row: bytes | InvalidInput) -> Outcome:
    if isinstance(row, InvalidInput):
        return Outcome(number, "", "REFUSED", row.field, row.message)
    message = Message(version=credential.ocpi_version, body=row, path=object_key)
    try:
        outcome = receive_cdr(ctx, credential, message, source="file")
    except InvalidInput as error:
        outcome = Refused(error.message, error.field)
    if isinstance(outcome, Refused):
        name = "DIFFERS" if isinstance(outcome, Differs) else "REFUSED"
        return Outcome(number, _id_of(row), name, outcome.field, outcome.reason)
    return Outcome(number, outcome.cdr_id, "NEW" if outcome.receipt is Receipt.NEW else "REPEAT")


def _id_of(row: bytes) -> str:
    try:
        value = numbers_json.loads(row)
    except InvalidInput:
        return ""
    return str(value.get("id", ""))[:39] if isinstance(value, dict) else ""


# ---- reading -------------------------------------------------------------------------------------------------------
def _rows(object_key: str, data: bytes, read_sheet: ReadSheet) -> list[tuple[int, bytes | InvalidInput]]:
    """(row number, JSON of its CDR or why there is none); all of the file or ``InvalidInput``."""
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"the file has more than {MAX_BYTES} bytes", field="file")
    kind = object_key.rpartition(".")[2].lower()
    if kind in ("ndjson", "jsonl"):
        return _lines(data)
    if kind == "csv":
        table, comma = _csv(data)
    elif kind == "xlsx":
        table, comma = read_sheet(data), False
    else:
        raise InvalidInput("a file is CSV, XLSX or NDJSON", field="file")
    return _table(table, comma=comma)


def _lines(data: bytes) -> list[tuple[int, bytes | InvalidInput]]:
    listed = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found: list[tuple[int, bytes | InvalidInput]] = [
        (number, line.strip()) for number, line in enumerate(listed, start=1) if line.strip()
    ]
    return _bounded(found)


def _csv(data: bytes) -> tuple[Iterator[list[Cell]], bool]:
    """The rows, and whether numbers may be written with a comma (they are where semicolons part the cells)."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("the file is no UTF-8", field="file") from error
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    return _cells(io.StringIO(text, newline=""), delimiter), delimiter != ","


def _cells(text: io.StringIO, delimiter: str) -> Iterator[list[Cell]]:
    for row in csv.reader(text, delimiter=delimiter):
        yield [*row]


def _table(table: Iterator[list[Cell]], *, comma: bool) -> list[tuple[int, bytes | InvalidInput]]:
    try:
        header = next(table, None)
        columns = _columns(header or [])
        found: list[tuple[int, bytes | InvalidInput]] = []
        for number, cells in enumerate(table, start=2):
            if any(cell not in (None, "") for cell in cells):
                found.append((number, _row(columns, cells, comma=comma)))
                _bounded(found)
    except csv.Error as error:
        raise InvalidInput(f"the file is no CSV: {error}", field="file") from error
    return _bounded(found)


def _bounded(found: list[tuple[int, bytes | InvalidInput]]) -> list[tuple[int, bytes | InvalidInput]]:
    if len(found) > MAX_ROWS:
        raise InvalidInput(f"the file has more than {MAX_ROWS} rows", field="file")
    return found


def _columns(header: list[Cell]) -> list[str]:
    """The names of the columns: fields of the CDR, inner ones with dots (``cdr_token.uid``)."""
    names = [str(cell or "").strip().lower() for cell in header]
    while names and not names[-1]:
        names.pop()
    if not names or len(names) > MAX_COLUMNS:
        raise InvalidInput(f"the first row names 1 to {MAX_COLUMNS} columns", field="file")
    for name in names:
        if not _COLUMN.fullmatch(name):
            raise InvalidInput(f"{name[:40]!r} is no field of a CDR", field="file")
        if names.count(name) > 1 or any(other.startswith(f"{name}.") for other in names):
            raise InvalidInput(f"the column {name} says the same as another one", field="file")
    return names


def _row(columns: list[str], cells: list[Cell], *, comma: bool) -> bytes | InvalidInput:
    if any(cell not in (None, "") for cell in cells[len(columns) :]):
        return InvalidInput("the row has more cells than there are columns", field="row")
    made: dict[str, Any] = {}
    try:
        for name, cell in zip(columns, cells, strict=False):
            value = _value(name, cell, comma=comma)
            if value is not None:
                _put(made, name.split("."), value)
        return numbers_json.dumps(_completed(made)).encode()
    except InvalidInput as error:
        return error
    except UnicodeEncodeError:
        return InvalidInput("a text is not valid Unicode", field="row")


def _put(made: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        made = made.setdefault(part, {})
    made[path[-1]] = value


def _value(name: str, cell: Cell, *, comma: bool) -> Any:
    """A cell as the JSON value of its field; what is no number stays a text, for the intake to judge."""
    if isinstance(cell, datetime):
        return format_instant(cell.replace(tzinfo=UTC) if cell.tzinfo is None else cell)
    if isinstance(cell, bool):
        return cell
    leaf = name.rpartition(".")[2]
    number = name in _NUMBERS or leaf in _PRICES or name == "total_cost"
    if isinstance(cell, int | Decimal):
        return cell if number else format(cell, "f")
    text = (cell or "").strip()
    if not text:
        return None
    if text[0] in "[{":
        try:
            return numbers_json.loads(text)
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error.message}", field=name) from error
    if number and _NUMBER.fullmatch(text) and (comma or "," not in text):
        return Decimal(text.replace(",", "."))
    if name in _FLAGS and text.lower() in ("true", "false", "1", "0"):
        return text.lower() in ("true", "1")
    return text


def _completed(made: dict[str, Any]) -> dict[str, Any]:
    """A table has no room for periods: without any, the session is one period of its energy and time."""
    end = made.get("end_date_time", made.get("stop_date_time"))
    if "charging_periods" not in made and "start_date_time" in made:
        volumes = {"ENERGY": made.get("total_energy"), "TIME": made.get("total_time")}
        dimensions = [{"type": kind, "volume": v} for kind, v in volumes.items() if v is not None]
        made["charging_periods"] = [{"start_date_time": made["start_date_time"], "dimensions": dimensions}]
    if "last_updated" not in made and end is not None:
        made["last_updated"] = end
    return made


# ---- writing -------------------------------------------------------------------------------------------------------
def _written(outcomes: Iterable[Outcome]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for one in outcomes:
        writer.writerow([one.row, _harmless(one.cdr_id), one.outcome, _harmless(one.field), _harmless(one.message)])
    return text.getvalue().encode()


def _harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula.

    >>> _harmless("=1+1"), _harmless("CDR-1")
    ("'=1+1", 'CDR-1')
    """
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
