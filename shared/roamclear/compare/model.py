"""Two lists, how their rows were joined, and what a comparison says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field, field_validator

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record
from roamclear.kernel.time import zone as zone_of

#: The largest file and list that is taken.
MAX_BYTES = 20_000_000
MAX_ROWS = 50_000
MAX_COLUMNS = 200
#: Rows of one page of a result.
PAGE = 500


class Match(StrEnum):
    """What became of a row. *Here* is our list, *there* the partner's own; every row of either is in exactly one.

    EXACT: joined, and everything the partner states agrees. PARTIAL: joined, the amounts agree or none is stated, and
    something else differs. AMOUNT_DIFFERS: joined, and the amounts differ by more than the tolerance. MISSING_HERE: a
    row of the partner that we do not have. MISSING_THERE: a session of ours that the partner does not have.
    """

    EXACT = "EXACT"
    PARTIAL = "PARTIAL"
    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    MISSING_HERE = "MISSING_HERE"
    MISSING_THERE = "MISSING_THERE"


class Join(StrEnum):
    """By what two rows were joined."""

    CDR_ID = "CDR_ID"
    SESSION_ID = "SESSION_ID"
    EVSE_START_ENERGY = "EVSE_START_ENERGY"


class Difference(StrEnum):
    """What differs in a joined pair, or is said of a row that stands alone."""

    AMOUNT = "AMOUNT"
    CURRENCY = "CURRENCY"
    AMOUNT_NOT_STATED = "AMOUNT_NOT_STATED"
    ENERGY = "ENERGY"
    START = "START"
    EVSE = "EVSE"
    DUPLICATE = "DUPLICATE"
    NOTHING_TO_JOIN = "NOTHING_TO_JOIN"


class Tolerance(Record):
    """Up to where two values are the same: minor units, kWh, seconds."""

    amount_minor: int = Field(2, ge=0, le=10_000)
    energy_kwh: Decimal = Field(Decimal("0.05"), ge=0, le=100)
    start_s: int = Field(120, ge=0, le=3_600)


class Options(Record):
    """How a file is read. ``zone`` is that of times without an offset; ``columns`` names titles nobody guesses."""

    zone: str | None = Field(None, max_length=64)
    day_first: bool = True
    columns: dict[str, Annotated[str, Field(max_length=100)]] = Field(default_factory=dict, max_length=10)
    tolerance: Tolerance = Field(default_factory=Tolerance)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        return zone_of(name).key if name is not None else None


def folded(text: str) -> str:
    """An id as it is compared: OCPI ids are equal without regard to case, spreadsheets add blanks.

    >>> folded(" Cdr-1 ") == folded("CDR-1")
    True
    """
    return text.strip().casefold()


@dataclass(frozen=True, slots=True)
class Ours:
    """A session of the run. ``evse`` is folded for comparing, ``start`` in seconds since 1970.

    The keys are its ids folded: once here, for they are asked for in every step of a comparison.
    """

    cdr_ref: str
    cdr_id: str
    session_id: str
    evse: str
    start: int
    energy_kwh: Decimal
    amount_minor: int
    currency: str
    disputed: bool = False
    cdr_key: str = field(init=False, repr=False, compare=False)
    session_key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Fold the ids."""
        object.__setattr__(self, "cdr_key", folded(self.cdr_id))
        object.__setattr__(self, "session_key", folded(self.session_id))


@dataclass(frozen=True, slots=True)
class Theirs:
    """A row of the partner's list; what it does not state is empty.

    ``starts`` has two instants where a local time occurs twice. ``faults`` names the cells that could not be read.
    """

    row: int
    cdr_id: str = ""
    session_id: str = ""
    evse: str = ""
    starts: tuple[int, ...] = ()
    energy_kwh: Decimal | None = None
    amount_minor: int | None = None
    currency: str = ""
    faults: tuple[str, ...] = ()
    cdr_key: str = field(init=False, repr=False, compare=False)
    session_key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Fold the ids."""
        object.__setattr__(self, "cdr_key", folded(self.cdr_id))
        object.__setattr__(self, "session_key", folded(self.session_id))


class Pair(NamedTuple):
    """One line of a result: both rows, or one that stands alone."""

    match: Match
    here: Ours | None
    there: Theirs | None
    join: Join | None = None
    differences: tuple[Difference, ...] = ()


class ClassSum(Record):
    """A class in sums, each side by itself; ``net_there`` by currency, of the rows that state an amount."""

    match: Match
    rows_here: int = 0
    rows_there: int = 0
    net_here: Money
    net_there: tuple[Money, ...] = ()
    energy_kwh_here: Decimal = Decimal(0)
    energy_kwh_there: Decimal = Decimal(0)


class State(StrEnum):
    """WAITING for its file or for being worked through, then DONE or REFUSED with the fault of the whole file."""

    WAITING = "WAITING"
    DONE = "DONE"
    REFUSED = "REFUSED"


class Comparison(Record):
    """One file against one run. Its id comes from the run, the file's bytes and the options: the same is the same."""

    issuer_id: str
    comparison_id: str
    run_id: str
    contract_id: str
    format: str
    sha256: str
    options: Options
    asked_by: str
    asked_at_utc: datetime
    state: State = State.WAITING
    done_at_utc: datetime | None = None
    fault: str | None = None
    fault_field: str | None = None
    rows_there: int = 0
    rows_passed_over: int = 0
    rows_here: int = 0
    claims: int = 0
    sums: tuple[ClassSum, ...] = ()
    folder: str | None = None
