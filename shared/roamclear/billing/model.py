"""Runs, their members, and issued documents."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field, field_validator

from roamclear.cdrs.lists import RouteSum
from roamclear.contracts.fees import FeeCharge
from roamclear.contracts.vat import Standing
from roamclear.identity.issuer import Address
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record


class RunState(StrEnum):
    """States of a run (product.md, State machines); SETTLED without documents is a period without sessions.

    CARRIED: locked and below the smallest invoice of the contract; a later run of the contract bills it.
    """

    GRACE = "GRACE"
    WINDOW = "WINDOW"
    LOCKING = "LOCKING"
    LOCKED = "LOCKED"
    CARRIED = "CARRIED"
    FINALISING = "FINALISING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    ISSUED = "ISSUED"
    SENT = "SENT"
    SETTLED = "SETTLED"
    FAILED = "FAILED"


#: From LOCKING on a member is locked, whatever its own row still says.
LOCKED_STATES = (
    RunState.LOCKING,
    RunState.LOCKED,
    RunState.CARRIED,
    RunState.FINALISING,
    RunState.AWAITING_APPROVAL,
    RunState.ISSUED,
    RunState.SENT,
    RunState.SETTLED,
)
#: From ISSUED on a member is invoiced.
INVOICED_STATES = (RunState.ISSUED, RunState.SENT, RunState.SETTLED)


class RunRequest(Record):
    """What starts a close: the input of one execution."""

    issuer_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,30}$")
    contract_id: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,30}$")
    period: str = Field(pattern=r"^[0-9A-Z-]{7,10}$")
    kind: str = Field("CLOSE", pattern=r"^(CLOSE|CORR)$")

    @property
    def run_id(self) -> str:
        """The run's deterministic name, and its execution's; a correction stands in the place of the period."""
        return f"{self.contract_id}.{self.period}.{self.kind}"


class Recipient(Record):
    """To whom the documents of one run go; what is left out stays the contract's.

    ``buyer_reference`` is BT-10, ``order_reference`` BT-13 (the purchase order), ``note`` BT-22.
    """

    legal_name: str | None = Field(None, min_length=1, max_length=140)
    address: Address | None = None
    buyer_reference: str | None = Field(None, min_length=1, max_length=140)
    order_reference: str | None = Field(None, min_length=1, max_length=140)
    note: str | None = Field(None, min_length=1, max_length=500)
    contact_emails: tuple[str, ...] | None = Field(None, min_length=1, max_length=10)

    @field_validator("legal_name", "buyer_reference", "order_reference", "note")
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and not (value.isprintable() and value.strip()):
            raise ValueError("one line of printable characters")
        return value


class Run(Record):
    """One close of one contract and period, or (kind ``CORR``) one correction of a document of it, without a window.

    ``opens_at_utc`` is planned, ``opened_at_utc`` is what happened. ``corrects`` is the number of the document.
    ``accepted_at_utc``: the eMSP accepted its list and closed its window early. ``left_net`` is what its lock let out,
    ``withheld`` what it left out of sessions that stayed, until their disputes have an answer.
    """

    issuer_id: str
    run_id: str
    contract_id: str
    period: str
    kind: str
    state: RunState
    first: date
    end: date
    zone: str
    currency: str
    contract_version: int
    opens_at_utc: datetime
    opened_at_utc: datetime | None = None
    closes_at_utc: datetime | None = None
    members: int = 0
    proforma: Money | None = None
    notice_ids: tuple[str, ...] = ()
    notice_proof: str | None = None
    reviewed_at_utc: datetime | None = None
    reviewed_by: str | None = None
    accepted_at_utc: datetime | None = None
    accepted_by: str | None = None
    closing_notice_ids: tuple[str, ...] | None = None
    closed_notice_ids: tuple[str, ...] | None = None
    locking_at_utc: datetime | None = None
    locked_at_utc: datetime | None = None
    locked: int = 0
    locked_net: Money | None = None
    routes: tuple[RouteSum, ...] = ()
    left: int = 0
    left_net: Money | None = None
    disputed: int = 0
    withheld: Money | None = None
    manifest: str | None = None
    numbers: tuple[str, ...] = ()
    fees: tuple[FeeCharge, ...] = ()
    carries: tuple[str, ...] = ()
    carried_reason: str | None = None
    billed_by: str | None = None
    approval_token: str | None = None
    approved_by: str | None = None
    approved_hash: str | None = None
    approval_lapsed: bool | None = None
    recipient: Recipient | None = None
    recipient_by: str | None = None
    draft_changed: int = 0
    corrects: str | None = None
    reason: str | None = None
    resumed: int = 0
    failed_step: str | None = None
    failure: str | None = None

    @property
    def request(self) -> RunRequest:
        """What starts this run, and starts it again."""
        contract_id, period, kind = self.run_id.split(".")
        return RunRequest(issuer_id=self.issuer_id, contract_id=contract_id, period=period, kind=kind)


class Draft(Record):
    """What waits for an approval: ``content_hash`` names all that the documents would say; the rest is whom they go to.

    ``changed`` is what was said on the draft, by ``changed_by``, who may not approve it.
    """

    run_id: str
    state: RunState
    content_hash: str
    legal_name: str
    address: Address
    buyer_reference: str | None = None
    order_reference: str | None = None
    note: str | None = None
    contact_emails: tuple[str, ...]
    changed: Recipient | None = None
    changed_by: str | None = None


class Member(Record):
    """A session of a run, decided once (rules.md 6); it stays a member only while its session names the run."""

    issuer_id: str
    run_id: str
    cdr_ref: str
    stop_utc: datetime
    section: str = "PERIOD"


class Progress(Record):
    """How far a step of a run is that takes several calls: where its state lies, or what it came to.

    ``turn`` counts what was put aside: each is written over exactly the one before it.
    """

    turn: int = 0
    key: str | None = None
    result: str | None = None


class DocumentState(StrEnum):
    """States of an invoice; OVERDUE is derived, never stored."""

    ISSUED = "ISSUED"
    SENT = "SENT"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    PAID = "PAID"
    CANCELLED = "CANCELLED"
    UNCOLLECTIBLE = "UNCOLLECTIBLE"


class Acceptance(StrEnum):
    """What the supplier said of a self-billed document (Art. 224); silence may be consent (``accept_by_utc``)."""

    AWAITED = "AWAITED"
    ACCEPTED = "ACCEPTED"
    DEEMED = "DEEMED"
    OBJECTED = "OBJECTED"


class SelfBilled(Record):
    """Under which agreement a 389 or 261 was drawn up, whom it is paid to, and what its supplier said.

    Without ``accept_by_utc`` only an express word accepts it. ``payout_id`` is the payment that took its amount over.
    """

    agreement: str
    pay_to: str
    acceptance: Acceptance = Acceptance.AWAITED
    accept_by_utc: datetime | None = None
    answered_by: str | None = None
    answered_at_utc: datetime | None = None
    objection: str | None = None
    payout_id: str | None = None


class Document(Record):
    """The header of a numbered document. ``open_amount`` is what is still to be paid (negative for a credit note).

    Of a self-billed document (389, 261) it is what we owe and have not handed to a payout yet.

    The chain of corrections (product.md row 66): ``preceding`` is the document that this one corrects, which names this
    one in ``corrected_by`` or ``cancelled_by``; ``replaces`` and ``replaced_by`` join a cancelled document and those
    that bill its sessions again. ``correcting`` is the correction under way: one at a time.
    """

    issuer_id: str
    number: str
    type_code: str
    series: str
    contract_id: str
    run_id: str
    place: int
    partner_name: str
    issue_date: date
    due_date: date
    period: str
    currency: str
    net: Money
    tax: Money
    gross: Money
    open_amount: Money
    state: DocumentState = DocumentState.ISSUED
    sessions: int
    energy_kwh: Decimal
    reference: str
    preceding: str | None = None
    terms_version: int | None = None
    vat_proofs: tuple[Standing, ...] = ()
    categories: tuple[str, ...] = ()
    corrected_by: tuple[str, ...] = ()
    cancelled_by: str | None = None
    replaces: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()
    correcting: str | None = None
    self_billed: SelfBilled | None = None
    model_key: str
    issued_at_utc: datetime
    sent_at_utc: datetime | None = None
    paid_at_utc: datetime | None = None
    changed: int = 0


class Counter(Record):
    """Last number and last issue date of a series (rules.md 7)."""

    last: int
    last_date: date


class Returned(Record):
    """Flat fees of a document that was cancelled to be billed again; ``taken_by`` is the run that charges them."""

    issuer_id: str
    contract_id: str
    correction_id: str
    number: str
    charges: tuple[FeeCharge, ...]
    returned_at_utc: datetime
    taken_by: str | None = None


class CorrectionKind(StrEnum):
    """How much of a document is credited: named sessions, an amount, all of it, or what a credit CDR says.

    REISSUE follows a cancellation: the corrected invoice (384) of its sessions.
    """

    CDRS = "CDRS"
    AMOUNT = "AMOUNT"
    CANCEL = "CANCEL"
    CREDIT_CDR = "CREDIT_CDR"
    REISSUE = "REISSUE"


class CorrectionState(StrEnum):
    """States of a correction: one person prepares, another approves; ISSUED has its credit note."""

    PREPARED = "PREPARED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    ISSUED = "ISSUED"


class Correction(Record):
    """A credit of an issued document, wanted by a person or by the contract (product.md rows 4, 66, 67).

    ``amount`` is net, in the document's currency. ``bill_again`` returns the sessions of a cancelled document to the
    list to be invoiced; with ``at_once`` they do not wait for the next run. ``follows`` is the cancellation of a
    REISSUE. ``note`` is the number of the document that came of it, None where all had been credited before.
    """

    issuer_id: str
    correction_id: str
    number: str
    contract_id: str
    kind: CorrectionKind
    cdr_refs: tuple[str, ...] = ()
    amount: Money | None = None
    bill_again: bool = False
    at_once: bool = False
    follows: str | None = None
    reason: str
    state: CorrectionState = CorrectionState.PREPARED
    prepared_by: str
    prepared_at_utc: datetime
    decided_by: str | None = None
    decided_at_utc: datetime | None = None
    decision: str | None = None
    run_id: str
    note: str | None = None
    changed: int = 0
