"""What the routes answer with, beside the records of the rooms: the types in ``-> Response[...]`` of a route.

Routes name these behind ``TYPE_CHECKING``, so no cold start pays for them. The OpenAPI document is made of them, and
every answer of the tests is checked against it (docs/api.md). A record is told as ``Record.dump`` writes it: what is
None is left out. A ``TypedDict`` is told as it stands: every key is there, None is null.
"""

# Longer than 400 lines: types alone, in one file, because components of the document share one room of names.
from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NotRequired, Required, TypeVar

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import TypeAliasType, TypedDict

from roamclear.accounting.model import Export
from roamclear.audit.model import AuditEntry
from roamclear.billing.model import Document, Run
from roamclear.billing.rate_use import RateUses
from roamclear.cdrs.impact import Impact
from roamclear.cdrs.jobs.model import Item, Job
from roamclear.cdrs.model import Billing, DisputeState, PricedLine, Rating, Session
from roamclear.compare.model import Comparison, Difference, Join, Match
from roamclear.contracts.fees import FeeCharge
from roamclear.contracts.model import ContractVersion, ContractView
from roamclear.contracts.proposals import Proposal as Backdated
from roamclear.deliveries.model import Entry as SentEntry
from roamclear.disputes.model import Claim, ClaimList, Dispute, Entry, Evidence, Outcome, Side, Window
from roamclear.evses.model import AccountVersion, Assignment, Evse, PayoutAccount, Proposal
from roamclear.identity.issuer import LogoProposal
from roamclear.kernel.money import Money
from roamclear.links.model import Link, Opening
from roamclear.ocpi.model import IngestEntry
from roamclear.partners.model import Credential
from roamclear.payouts.model import Payout, ShareLine
from roamclear.rates.model import RateCorrection
from roamclear.rating.service import Comparison as PriceComparison
from roamclear.rehearsal.model import ContractBoard, Rehearsal, RunPreview
from roamclear.webhooks.model import Delivery, Subscription

T = TypeVar("T")
#: A body of others, or values that differ by kind: anything that is JSON.
Free = dict[str, Any]


class Without:
    """``Annotated[Model, Without("a")]``: the model, less some of its fields."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of the model with these fields taken out; each of them must be one of its fields."""
        made = dict(handler.resolve_ref_schema(handler(schema)))
        made["properties"] = dict(made["properties"])
        for name in self.names:
            del made["properties"][name]
        made["required"] = [name for name in made.get("required", []) if name not in self.names]
        return made


class Items(TypedDict, Generic[T]):
    """A list that is told whole."""

    items: list[T]


class Paged(TypedDict, Generic[T]):
    """One page of a list; ``next`` is the cursor of the following page, null after the last."""

    items: list[T]
    next: str | None


class CorrectedRate(TypedDict):
    """A correction of a stored rate, and the issued documents that go by the rate of its day."""

    correction: RateCorrection
    uses: RateUses


class File(TypedDict):
    """A file by its name and a signed address that opens it for an hour."""

    name: str
    link: str


class Upload(TypedDict):
    """A signed form: post these fields and then the file to the address."""

    url: str
    fields: dict[str, str]
    max_bytes: int
    seconds: int


class UploadOfList(TypedDict):
    """A signed form: post these fields and then the file to the address."""

    url: str
    fields: dict[str, str]
    max_bytes: int


class UploadForm(TypedDict):
    """A signed form: post these fields and then the file to the address."""

    url: str
    fields: dict[str, str]
    max_bytes: int
    expires_seconds: int


# ---- contracts, CDRs -----------------------------------------------------------------------------------------------
class ContractTold(TypedDict):
    """A contract and every version of its terms."""

    contract: ContractView
    versions: list[ContractVersion]


class Sessions(TypedDict):
    """One page of a list of sessions; counts and sums of the lists are in the summary."""

    list: Literal["rated", "on_hold", "not_rated", "out_of_scope"]
    items: list[Session]
    next: str | None


class Step(TypedDict, total=False):
    """One line of a hand calculation: a priced segment, a rounding up to a step, a price limit, or a note."""

    kind: Required[Literal["SEGMENT", "STEP", "LIMIT", "NOTE"]]
    rule: str
    component: str
    period: int
    measured: Decimal
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: Decimal
    vat: Decimal
    at_local: str
    text: str


class PriceTrace(TypedDict):
    """The hand calculation of a price: each step, what was rounded, and what the CDR says instead."""

    zone: str
    comparison: PriceComparison
    steps: list[Step]
    rounded: list[PricedLine]
    rounding: str


class RatingTold(Rating):
    """A pricing with its hand calculation in words and figures."""

    trace: PriceTrace | None = None  # type: ignore[assignment]


class Ticks(TypedDict, total=False):
    """What a session needs to be verified; absent where there is no session yet."""

    no_rule_open: bool
    one_contract: bool
    rated_with_vat: bool
    evse_known_and_assigned: bool
    has_end: bool


class Trace(TypedDict):
    """Everything known of a CDR: ``raw`` is the body as it came, less whose card it was."""

    received_at_utc: datetime
    source: str
    route: str
    sha256: str
    raw: Free
    session: Session | None
    billing: Billing | Literal["RECEIVED"]
    ticks: Ticks
    ratings: list[RatingTold]
    run: Run | None
    disputes: list[AuditEntry]


class Rerated(TypedDict):
    """What pricing a session again came to: OK with the session, or the code of an error with its text."""

    cdr_ref: str
    code: str
    session: NotRequired[Session]
    detail: NotRequired[str]


class Consented(TypedDict):
    """Which sides agreed, and the session, which is freed when both did."""

    consents: list[Literal["CPO", "EMSP"]]
    session: Session


class JobTold(TypedDict):
    """A job and one page of what it did with each CDR."""

    job: Job
    items: list[Item]
    cursor: str | None


class BackdatedTold(TypedDict):
    """A proposal with its impact, or with its job once it is in force."""

    proposal: Backdated
    impact: Impact | None
    job: Job | None


# ---- runs and documents --------------------------------------------------------------------------------------------
class MemberTold(Session):
    """A session of a run; ``billing`` is that of the run it belongs to, ``section`` its place in the list."""

    section: str


class Members(TypedDict):
    """The sessions of a run in pages; what left and the fees stand on the first page."""

    run: Run
    items: list[MemberTold]
    next: str | None
    left: NotRequired[list[Session]]
    fees: NotRequired[list[FeeCharge]]


class RunFiles(TypedDict):
    """The list of a run as files; none while they are drawn."""

    files: list[File]
    as_of: datetime | None


class DocumentTold(Document):
    """A document with its files."""

    files: list[File]


SentTold = TypeAliasType("SentTold", Annotated[SentEntry, Without("issuer_id", "entry_id")])
RehearsalHead = TypeAliasType("RehearsalHead", Annotated[Rehearsal, Without("folder")])


class _RehearsalTold(Rehearsal):
    """A rehearsal with what it found; an eMSP is not told who asked, nor what stands in the way."""

    asked_by: str | None = None  # type: ignore[assignment]
    runs: list[RunPreview] | None = None
    files: list[File] | bool  # type: ignore[assignment]
    board: list[ContractBoard] | None = None


RehearsalTold = TypeAliasType("RehearsalTold", Annotated[_RehearsalTold, Without("folder")])


class Blockers(TypedDict):
    """If we closed now: each contract's sums, and the runs that would make documents or are held back."""

    rehearsal_id: str
    as_of_utc: datetime
    contracts: list[ContractBoard]
    runs: list[RunPreview]


# ---- disputes and lists --------------------------------------------------------------------------------------------
class Clocks(TypedDict):
    """Whose word is awaited until when, and the three deadlines."""

    waits_for: Literal["EMSP", "CPO"] | None
    due_utc: datetime | None
    overdue: bool
    emsp_files_until_utc: datetime
    emsp_informs_until_utc: datetime | None
    cpo_answers_until_utc: datetime


class DisputeTold(Dispute):
    """A dispute with its clocks."""

    clocks: Clocks


class DisputesTold(TypedDict):
    """One page of the queue; ``next`` goes on as ``cursor`` (and ``after`` as ``after``), null at the end."""

    items: list[DisputeTold]
    after: str | None
    next: str | None


class RawCdr(TypedDict):
    """The body as it came, less whose card it was."""

    raw: Free
    sha256: str
    received_at_utc: datetime


class DisputeView(TypedDict):
    """A dispute side by side with its CDR, session, prices, thread and evidence; ``you`` is the caller's side."""

    dispute: Dispute
    you: NotRequired[Side | None]
    clocks: Clocks
    window: Window | None
    cdr: RawCdr
    session: Session | None
    ratings: list[RatingTold]
    thread: list[Entry]
    evidence: list[Evidence]


class DisputeExport(DisputeView):
    """The view with the dispute's history."""

    history: list[AuditEntry]
    exported_at_utc: datetime


class ListBegun(TypedDict):
    """A sheet of disputes that was announced, and the form to post it with."""

    list: ClaimList
    form: UploadForm


class ListTold(TypedDict):
    """What became of a sheet; ``url`` opens the result per row."""

    list: ClaimList
    url: NotRequired[str]


class FileBegun(TypedDict):
    """A file of evidence that was announced, and the form to post it with."""

    file: Evidence
    form: UploadForm


class FileLink(TypedDict):
    """A file of evidence with a signed address."""

    file: Evidence
    url: str
    expires_seconds: int


class _ComparisonTold(Comparison):
    """A comparison in sums, with its result as files; ``upload`` is told while its file is awaited."""

    files: list[File]
    upload: UploadOfList | None = None


ComparisonTold = TypeAliasType("ComparisonTold", Annotated[_ComparisonTold, Without("folder", "asked_by")])
ComparisonHead = TypeAliasType("ComparisonHead", Annotated[Comparison, Without("folder", "asked_by")])


class RowHere(TypedDict):
    """What we say of a session."""

    cdr_ref: str
    cdr_id: str
    session_id: NotRequired[str]
    evse_id: NotRequired[str]
    start: datetime
    energy_kwh: Decimal
    net: Money
    dispute: DisputeState


class RowThere(TypedDict, total=False):
    """What the partner's list says of it; what it does not state is absent."""

    cdr_id: str
    session_id: str
    evse_id: str
    start: list[datetime]
    energy_kwh: Decimal
    net: Money
    faults: list[str]


class _Row(TypedDict):
    here: NotRequired[RowHere]
    there: NotRequired[RowThere]
    row: NotRequired[int]
    joined_by: NotRequired[Join]
    differences: NotRequired[list[Difference]]
    claim: NotRequired[Claim]


#: ``class`` is no name in Python.
Row = TypedDict("Row", {"class": Match})


class RowTold(_Row, Row):
    """One line of a comparison: both rows, or one that stands alone, and the claim that is prepared of it."""


class Disputed(TypedDict):
    """What became of each claim; ``next`` is where a further request goes on."""

    items: list[Outcome]
    next: int | None


# ---- payouts and register ------------------------------------------------------------------------------------------
class AccountTold(TypedDict):
    """A payout account with its versions and the change that waits; IBANs are masked."""

    account: PayoutAccount
    versions: list[AccountVersion]
    waiting: Proposal | None


class AccountId(TypedDict):
    """Which account it was."""

    account_id: str


class EvseTold(TypedDict):
    """An EVSE and what was recorded about who is paid for it."""

    evse: Evse
    history: list[Assignment]


class Changed(TypedDict):
    """How many rows changed."""

    changed: int


class PayoutTold(TypedDict):
    """A payout with one page of its sessions."""

    payout: Payout
    sessions: list[ShareLine]
    next: str | None


class PayoutFiles(TypedDict):
    """Signed addresses by the name of the file."""

    files: dict[str, str]


class Download(TypedDict):
    """A payment file: its name, its hash, and a signed address."""

    file_name: str
    sha256: str
    url: str


# ---- accounting, audit ---------------------------------------------------------------------------------------------
class ExportTold(Export):
    """A written month with signed addresses."""

    files: list[File]  # type: ignore[assignment]


class PackTold(TypedDict):
    """An accrual pack; no files while it is drawn."""

    period: str
    as_of: date
    state: Literal["DRAWN", "DRAWING"]
    files: list[File]


class AuditTold(TypedDict):
    """What was done to an object; ``broken_link`` is the first entry that does not follow from the one before."""

    items: list[AuditEntry]
    broken_link: int | None


# ---- partners ------------------------------------------------------------------------------------------------------
CredentialHead = TypeAliasType("CredentialHead", Annotated[Credential, Without("token_hash", "peer")])


class _CredentialMade(Credential):
    """A credential with its token, which is told this once."""

    token: str


CredentialMade = TypeAliasType("CredentialMade", Annotated[_CredentialMade, Without("token_hash", "peer")])
RefusedTold = TypeAliasType("RefusedTold", Annotated[IngestEntry, Without("raw", "parts")])


class Refusals(TypedDict):
    """What was refused on a UTC day."""

    day: date
    items: list[RefusedTold]


class RecordHead(TypedDict):
    """An Invoice Reconciliation record of a partner that bills itself."""

    party: str
    id: str
    partner_id: str
    invoice_id: str
    listed: int
    received_at: datetime
    last_updated: str


class RecordFinding(TypedDict):
    """What is wrong with a CDR of a record; ``other`` is the other record, the state or the count that shows it."""

    code: str
    cdr_id: str
    other: str


class RecordTold(RecordHead):
    """A record compared with our sessions: what is tied, its sums by currency, and each difference."""

    tied: int
    net_of_tied: list[Money]
    counts: dict[str, int]
    findings: list[RecordFinding]


class RuleAsked(TypedDict):
    """A rule of the partner bench."""

    name: str
    asks: str


class CertificateTold(TypedDict):
    """A certificate; REVOKED when the rules have changed since. ``pdf`` opens its paper once it is drawn."""

    certificate_id: str
    issuer_id: str
    credential_id: str
    partner_id: str
    party: str
    ocpi_version: str
    issued_at: datetime
    rule_set: str
    rules: list[RuleAsked]
    sha256: str
    status: Literal["VALID", "REVOKED"]
    revoked_because: NotRequired[str]
    pdf: NotRequired[str]


LinkHead = TypeAliasType("LinkHead", Annotated[Link, Without("issuer_id", "bucket", "key")])


class _LinkTold(Link):
    """A mailed link with every time it was followed."""

    openings: list[Opening]


LinkTold = TypeAliasType("LinkTold", Annotated[_LinkTold, Without("issuer_id", "bucket", "key")])
LogoHead = TypeAliasType("LogoHead", Annotated[LogoProposal, Without("key")])


class _LogoTold(LogoProposal):
    link: str | None


class _LogoBegun(LogoProposal):
    upload: Upload


LogoTold = TypeAliasType("LogoTold", Annotated[_LogoTold, Without("key")])
LogoBegun = TypeAliasType("LogoBegun", Annotated[_LogoBegun, Without("key")])


# ---- webhooks ------------------------------------------------------------------------------------------------------
SubscriptionHead = TypeAliasType("SubscriptionHead", Annotated[Subscription, Without("secret_sealed")])


class _SubscriptionMade(Subscription):
    """A subscription; ``secret`` is told once, when it was made or rotated."""

    secret: str | None = None


SubscriptionTold = TypeAliasType("SubscriptionTold", Annotated[_SubscriptionMade, Without("secret_sealed")])


class Deliveries(TypedDict):
    """What waits, oldest first, and what was answered last, newest first."""

    waiting: list[Delivery]
    log: list[Delivery]


class Nothing(TypedDict):
    """An empty object."""
