"""A back-dated version before it is in force (product.md row 31): proposed, looked at, approved twice."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from roamclear.contracts.model import ContractVersion, Terms
from roamclear.kernel import numbers_json
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record

#: A proposal that nobody decided is void after this: what it was looked at for is no more.
LIFETIME = timedelta(days=14)
#: How many persons beside the author must agree.
APPROVALS = 2
#: What a back-dated version may change: how a session is priced. All else is agreed for the future only.
PRICE_FIELDS = frozenset(
    {"grid", "basis", "price_tolerance", "price_tolerance_percent", "on_price_variance", "on_period_span"}
)
#: Numbers that no version in force ever has; each proposal has one of its own (parsed grids are kept by number).
_NOT_IN_FORCE = 10**9


class ProposalState(StrEnum):
    """EXPIRED is derived from the clock, never stored."""

    PROPOSED = "PROPOSED"
    IN_FORCE = "IN_FORCE"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class Seen(Record):
    """Which preview a person looked at: the sessions known before ``as_of_utc``, and the SHA-256 of what it said."""

    as_of_utc: datetime
    digest: str


class Approval(Record):
    """Who agreed to which preview, and when; ``delta`` is what it said all prices move by, per currency."""

    actor_id: str
    at_utc: datetime
    seen: Seen
    delta: tuple[Money, ...] = ()


class Proposal(Record):
    """A version that starts on a local day that began and is not in force yet; ``version`` is its number once it is.

    ``checking`` is told to who approved what a job had previewed: the job that makes it again first. It is never kept.
    """

    issuer_id: str
    contract_id: str
    proposal_id: str
    valid_from: date
    terms: Terms
    author: str
    reason: str
    proposed_at_utc: datetime
    expires_at_utc: datetime
    state: ProposalState = ProposalState.PROPOSED
    approvals: tuple[Approval, ...] = ()
    version: int | None = None
    decided_at_utc: datetime | None = None
    decided_by: str | None = None
    decision: str | None = None
    checking: str | None = None
    changed: int = 0


def proposal_id(contract_id: str, valid_from: date, terms: Terms, author: str, reason: str) -> str:
    """The same proposal of the same person has one id, however often it is sent."""
    told = numbers_json.dumps([contract_id, valid_from.isoformat(), terms.dump(), author, reason], sort_keys=True)
    return "BD-" + sha256(told.encode()).hexdigest()[:20]


def as_version(proposal: Proposal) -> ContractVersion:
    """The proposal as the version it would be, to price sessions with; later than every version of its day."""
    own = int(sha256(proposal.proposal_id.encode()).hexdigest()[:8], 16)
    return ContractVersion(
        issuer_id=proposal.issuer_id,
        contract_id=proposal.contract_id,
        version=proposal.version or _NOT_IN_FORCE + own,
        valid_from=proposal.valid_from,
        terms=proposal.terms,
        author=proposal.author,
        recorded_at_utc=proposal.proposed_at_utc,
    )


def changed_beside_prices(terms: Terms, base: Terms) -> list[str]:
    """Fields in which proposed terms differ from those in force on their first day, prices apart."""
    return [
        f"terms.{name}"
        for name in Terms.model_fields
        if name not in PRICE_FIELDS and getattr(terms, name) != getattr(base, name)
    ]
