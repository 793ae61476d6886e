"""A rehearsal, what it found of each run, and the board of what could not be invoiced."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from roamclear.billing.model import Draft
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class State(StrEnum):
    """A rehearsal waits for its worker and ends once."""

    WAITING = "WAITING"
    DONE = "DONE"
    FAILED = "FAILED"


class Rehearsal(Record):
    """One rehearsal: of a run, of a period of all contracts, or (neither named) of all that is not invoiced yet.

    ``as_of_utc`` is the instant whose state was rehearsed; ``folder`` holds ``result.json`` and the drawn files in the
    ``exports``, which forget them after 30 days.
    """

    issuer_id: str
    rehearsal_id: str
    run_id: str | None = None
    contract_id: str | None = None
    period: str | None = None
    files: bool = True
    asked_by: str
    asked_at_utc: datetime
    state: State = State.WAITING
    as_of_utc: datetime | None = None
    folder: str | None = None
    failure: str | None = None

    @property
    def subject(self) -> str:
        """What is rehearsed, as lists name it."""
        return self.run_id or (f"PERIOD#{self.period}" if self.period else "ALL")


class DraftView(Draft):
    """A draft as it is shown: which rehearsal drew, or draws, exactly this content."""

    rehearsal_id: str | None = None
    drawn: bool = False


class DocumentPreview(Record):
    """One document as it would be issued; amounts carry the sign of the header (a credit note is negative)."""

    place: int
    type_code: str
    issue_date: date
    due_date: date
    net: Money
    tax: Money
    gross: Money
    fees: Money
    lines: int
    sessions: int
    files: tuple[str, ...] = ()


class RunPreview(Record):
    """What would become of a run.

    ``state`` is where it would end; ``blocked`` names what keeps it from its documents: CONTRACT_INCOMPLETE,
    NOTICE_FAILED, EINVOICE_INVALID, RUN_FAILED, APPROVAL_NEEDED (its documents are there as drafts), TOO_LARGE, or the
    code of the error. ``carried`` says why it stays below the smallest invoice.
    """

    run_id: str
    contract_id: str
    period: str
    currency: str | None = None
    state: str | None = None
    closes_at_utc: datetime | None = None
    members: int = 0
    locked: int = 0
    locked_net: Money | None = None
    fees: Money | None = None
    left: int = 0
    left_net: Money | None = None
    disputed: int = 0
    withheld: Money | None = None
    carries: tuple[str, ...] = ()
    carried: str | None = None
    blocked: str | None = None
    message: str | None = None
    faults: tuple[str, ...] = ()
    documents: tuple[DocumentPreview, ...] = ()


class Slice(Record):
    """Sessions of one currency that share a reason: ``net`` of what is priced, ``claimed`` by the CPO for the rest."""

    reason: str
    currency: str
    count: int
    net: Money
    claimed: Decimal = Decimal(0)


class ContractBoard(Record):
    """Every session of a contract (or of none) that is not invoiced yet is in exactly one slice.

    ``invoiced`` would be on documents now, ``blocked`` would not. ``unassigned`` is counted in the others too:
    sessions whose EVSE has no payout account.
    """

    contract_id: str | None = None
    invoiced: tuple[Slice, ...] = ()
    blocked: tuple[Slice, ...] = ()
    unassigned: tuple[Slice, ...] = ()
    unbilled: tuple[Slice, ...] = ()
    documents: int = 0
    missing_fields: tuple[str, ...] = ()


class Result(Record):
    """What a rehearsal found."""

    as_of_utc: datetime
    runs: tuple[RunPreview, ...] = ()
    board: tuple[ContractBoard, ...] = Field((), description="of rehearsals of all contracts without a period")
