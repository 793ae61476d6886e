"""A partner's list as rows: whatever its spreadsheet calls, parts, and writes its columns, numbers and times.

What cannot be read is left out and named in the row's ``faults``; the row itself is never lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from itertools import islice
from typing import TypeVar

from roamclear.compare.columns import places, plain, unknown
from roamclear.compare.model import MAX_ROWS, Options, Theirs
from roamclear.documents.tables import Cell
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.ids import evse_id as evse_ids
from roamclear.kernel.money import HALF_UP, Money
from roamclear.kernel.time import zone as zone_of

T = TypeVar("T")
#: Titles stand in one of the first rows; above them there may be a heading.
_HEADINGS = 20
_LONGEST = 200
#: What a line of totals calls itself where an id would stand.
_TOTALS = frozenset({"total", "totals", "sum", "summe", "gesamt", "gesamtsumme", "somme", "totaal", "som"})
_NUMBERS = ("energy", "energy_wh", "amount")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_YEARS = range(2000, 2100)
_SIGNS = {"€": "EUR", "£": "GBP", "$": "USD"}
_NUMBER = re.compile(r"(?:([A-Z]{3}|[€£$])\s*)?([+-]?\d[\d.,']{0,24})(?:\s*([A-Za-z]{2,3}|[€£$]))?", re.ASCII)
_DAYS = re.compile(
    r"(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})(?:[,T\s]+(\d{1,2})[:.h](\d{2})(?:[:.](\d{2}))?\d*)?", re.ASCII
)
_BLANKS = re.compile(r"[\s\u00a0\u202f]+")
_FAR = Decimal(10) ** 10
_PLACES = Decimal("0.000001")


class List:
    """The rows of a partner's list. ``passed_over`` counts those that name no session at all, like a line of totals."""

    def __init__(self, rows: list[Theirs], passed_over: int) -> None:
        self.rows = rows
        self.passed_over = passed_over


def read(table: Iterable[list[Cell]], options: Options, *, zone: str, currency: str, mark: str = "") -> List:
    """The rows of a table. ``zone`` and ``currency`` are the run's own, for what the list does not say.

    ``mark`` is what parts the cells of a CSV: where commas do, a lone comma in a number parts thousands.

    Raises:
        InvalidInput: no titles are found, there are too many rows, or a named column is not known.
    """
    strange = unknown(options.columns)
    if strange is not None:
        raise InvalidInput(f"there is no column {strange!r}", field="options.columns")
    source = iter(table)
    columns, above = _titles(source, options)
    body = list(islice(source, MAX_ROWS + 1))
    if len(body) > MAX_ROWS:
        raise InvalidInput(f"the list has more than {MAX_ROWS} rows", field="file")
    points = {k: _decimal_point(body, at, mark) for k, at in columns.items() if k in _NUMBERS}
    reader = _Reader(columns, options, zone, currency, points)
    rows, passed_over = [], 0
    for number, cells in enumerate(body, start=above + 1):
        if all(cell is None or cell == "" for cell in cells):
            continue
        row = reader.row(number, cells)
        if _is_session(row):
            rows.append(row)
        else:
            passed_over += 1
    return List(rows, passed_over)


def _is_session(row: Theirs) -> bool:
    """Whether a row names a session, or tries to; a line of totals does not."""
    if row.evse or row.starts or any(fault.startswith("start") for fault in row.faults):
        return True
    named = row.cdr_id or row.session_id
    return bool(named) and plain(named) not in _TOTALS


def _titles(source: Iterator[list[Cell]], options: Options) -> tuple[dict[str, int], int]:
    """The columns and the number of the row that names them."""
    first: Sequence[Cell] = ()
    for number, cells in enumerate(islice(source, _HEADINGS), start=1):
        found = places([str(cell or "") for cell in cells], options.columns)
        if found:
            return found, number
        first = first or [cell for cell in cells if cell]
    seen = ", ".join(str(cell)[:30] for cell in list(first)[:10])
    raise InvalidInput(
        "no row names a CDR id, a session id, or an EVSE id with a start; name your titles in options.columns"
        + (f" (found: {seen})" if seen else ""),
        field="file",
    )


def _decimal_point(body: Iterable[list[Cell]], place: int, mark: str) -> str:
    """Comma or point, by the numbers of one column themselves.

    Raises:
        InvalidInput: some numbers have a decimal comma and others a decimal point.
    """
    seen = set()
    for cells in body:
        text = cells[place] if place < len(cells) else None
        if isinstance(text, str) and ("," in text or "." in text):
            seen.add(_evidence(text))
    seen.discard("")
    if len(seen) > 1:
        raise InvalidInput("some numbers have a decimal comma and others a decimal point", field="file")
    return seen.pop() if seen else ("." if mark == "," else "")


def _evidence(text: str) -> str:
    """What a number tells of its decimal mark; nothing where 1.234 may be either.

    >>> _evidence("1.234,56"), _evidence("1,234.56"), _evidence("1.234.567"), _evidence("1,234"), _evidence("12,5")
    (',', '.', ',', '', ',')
    """
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    last, other = (",", ".") if comma >= 0 else (".", ",")
    if text.count(last) > 1:
        return other
    tail = re.match(r"\d*", text[max(comma, point) + 1 :])
    head = re.search(r"\d*$", text[: max(comma, point)])
    thousands = tail is not None and len(tail.group()) == 3 and head is not None and head.group() not in ("", "0")
    return "" if thousands else last


class _Reader:
    """Reads rows with the columns of one list."""

    def __init__(
        self, columns: dict[str, int], options: Options, zone: str, currency: str, points: dict[str, str]
    ) -> None:
        self.columns = columns
        self.zone = options.zone or zone
        self.currency = currency
        self.points = points
        self.faults: list[str] = []
        self.instants = lru_cache(maxsize=8192)(partial(instants, day_first=options.day_first))
        self.evses = lru_cache(maxsize=8192)(evse_ids.alike)

    def row(self, number: int, cells: list[Cell]) -> Theirs:
        """One row; what it does not state or nobody can read is empty."""
        self.faults = []
        values = {key: cells[at] for key, at in self.columns.items() if at < len(cells)}
        energy, _ = self._number(values, "energy")
        if energy is None:
            wh, _ = self._number(values, "energy_wh")
            energy = wh / 1000 if wh is not None else None
        amount, sign = self._number(values, "amount")
        currency = _text(values.get("currency")).upper() or sign or self.currency
        return Theirs(
            row=number,
            cdr_id=_text(values.get("cdr_id")),
            session_id=_text(values.get("session_id")),
            evse=self.evses(_text(values.get("evse_id"))),
            starts=self._starts(values),
            energy_kwh=_micro(energy),
            amount_minor=self._minor(amount, currency),
            currency=currency if amount is not None else "",
            faults=tuple(self.faults),
        )

    def _number(self, values: dict[str, Cell], key: str) -> tuple[Decimal | None, str]:
        return self._read(key, values, partial(number, point=self.points.get(key, ""))) or (None, "")

    def _starts(self, values: dict[str, Cell]) -> tuple[int, ...]:
        start = values.get("start")
        zone = _text(values.get("zone")) or self.zone
        if start is None or start == "":
            day, clock = values.get("date"), values.get("time")
            start = f"{_day(day)} {_text(clock)}" if clock is not None and day is not None else day
        if start is None or start == "":
            return ()
        return self._read("start", {"start": start}, lambda cell: self.instants(cell, zone)) or ()

    def _minor(self, amount: Decimal | None, currency: str) -> int | None:
        if amount is None:
            return None
        return self._read("currency", {"currency": currency}, lambda _: _rounded(amount, currency))

    def _read(self, key: str, values: dict[str, Cell], reader: Callable[[Cell], T]) -> T | None:
        value = values.get(key)
        if value is None or value == "":
            return None
        try:
            return reader(value)
        except InvalidInput as error:
            self.faults.append(f"{key}: {error.message}")
            return None


def _micro(energy: Decimal | None) -> Decimal | None:
    """At most six places: sums of both sides stay exact."""
    if energy is None:
        return None
    return energy.quantize(_PLACES, rounding=HALF_UP) if energy != energy.quantize(_PLACES) else energy


def _rounded(amount: Decimal, currency: str) -> int:
    return Money.from_decimal(amount, currency, rounding=HALF_UP).amount_minor


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return format(cell, "f").removesuffix(".0")
    return str(cell).strip()[:_LONGEST]


def _day(cell: Cell) -> str:
    return cell.date().isoformat() if isinstance(cell, datetime) else _text(cell)


def number(cell: Cell, *, point: str = "") -> tuple[Decimal, str]:
    """A number and the currency written at it. ``point`` is the decimal mark, where it is known.

    >>> number("1.234,56 €", point=","), number("CHF 1'234.50"), number("-0,5", point=",")
    ((Decimal('1234.56'), 'EUR'), (Decimal('1234.50'), 'CHF'), (Decimal('-0.5'), ''))
    """
    if cell is None or isinstance(cell, bool | datetime):
        raise InvalidInput("this is no number", field="number")
    if isinstance(cell, int | Decimal):
        value, sign = Decimal(cell), ""
    else:
        found = _NUMBER.fullmatch(_BLANKS.sub("", cell) if len(cell) <= _LONGEST else "")
        if found is None:
            raise InvalidInput("this is no number", field="number")
        before, digits, after = found.groups()
        digits = digits.replace("'", "")
        if point == "," or (not point and "," in digits and "." not in digits):
            digits = digits.replace(".", "").replace(",", ".")
        else:
            digits = digits.replace(",", "")
        if digits.count(".") > 1:
            raise InvalidInput("this is no number", field="number")
        value, sign = Decimal(digits), before or after or ""
        sign = _SIGNS.get(sign, sign if len(sign) == 3 and sign.isupper() else "")
    if not value.is_finite() or abs(value) >= _FAR:
        raise InvalidInput("this number is too large", field="number")
    return value, sign


def instants(cell: Cell, zone: str, *, day_first: bool = True) -> tuple[int, ...]:
    """Seconds since 1970: one instant, or two where a local time without offset occurs twice or never.

    >>> [datetime.fromtimestamp(at, UTC).isoformat() for at in instants("25.10.2026 02:30", "Europe/Berlin")]
    ['2026-10-25T00:30:00+00:00', '2026-10-25T01:30:00+00:00']
    """
    value = cell if isinstance(cell, datetime) else _written(str(cell), day_first)
    if value.year not in _YEARS:
        raise InvalidInput("this is no time of our days", field="start")
    if value.tzinfo is not None:
        return ((value - _EPOCH) // _SECOND,)
    place = zone_of(zone)
    return tuple(sorted({(value.replace(tzinfo=place, fold=f).astimezone(UTC) - _EPOCH) // _SECOND for f in (0, 1)}))


def _written(text: str, day_first: bool) -> datetime:
    text = text.strip()
    if len(text) >= 16 and text[4:5] == "-":
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # perhaps in another way
    found = _DAYS.fullmatch(text)
    if found is None or found.group(4) is None:
        raise InvalidInput("this is no date with a time", field="start")
    first, month, last, hour, minute, second = found.groups()
    if len(first) == 4:
        year, day = first, last
    elif day_first:
        day, year = first, last
    else:
        month, day, year = first, month, last
    try:
        whole = int(year) + (2000 if len(year) == 2 else 0)
        parts = (whole, int(month), int(day), int(hour), int(minute), int(second or 0))
        return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)
    except ValueError as error:
        raise InvalidInput("this is no date with a time", field="start") from error
