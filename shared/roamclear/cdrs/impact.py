"""What pricing sessions again would change, before anybody changes it (product.md rows 29 and 31, B11)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from roamclear.cdrs import adjustments, processing, selection, store
from roamclear.cdrs.model import WAITING, Adjusted, Billing, DisputeState, Original, PricedLine, Session
from roamclear.cdrs.pricing import Priced, mirrored
from roamclear.cdrs.selection import Filter
from roamclear.contracts import matching
from roamclear.contracts import rules as agreements
from roamclear.contracts.model import Contract, ContractVersion, Direction, Match
from roamclear.evses import service as evses
from roamclear.evses.model import Evse
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.record import Record

#: Why a correction row was made for another price; others (credits, goodwill) stay what a person gave.
RETROACTIVE = "RETROACTIVE"
#: How many sessions one answer of the API can price.
MOST = 2_000
_CHUNK = 100
#: Names of one list of sums (runs, accounts); what comes after them is told together.
_MOST_NAMES = 500
_FIXED = (Billing.LOCKED, Billing.INVOICED)
_OPEN = (Billing.VERIFIED, Billing.IN_WINDOW)
#: Why a session costs nothing anyway: no price of it can be changed backwards.
NOT_BILLED = frozenset({"CREDIT", *(s.value for s in Billing if s not in (*WAITING, *_OPEN, *_FIXED))})
_HELD_BY_DISPUTE = (DisputeState.OPEN, DisputeState.PARTIAL, DisputeState.ACCEPTED)


class Action(StrEnum):
    """What is done to a session: rated anew, corrected beside its lock, processed again, nothing, or refused."""

    RERATE = "RERATE"
    ADJUST = "ADJUST"
    RETRY = "RETRY"
    NONE = "NONE"
    REFUSED = "REFUSED"


class Outcome(Record):
    """One session: ``before`` is what its price is now with all re-ratings so far, ``after`` what it would be."""

    cdr_ref: str
    action: Action
    billing: Billing
    reason: str | None = None
    before: Money | None = None
    after: Money | None = None
    version: int | None = None
    run_id: str | None = None
    account_id: str | None = None


class Sum(Record):
    """Sessions under one name and what becomes of their prices."""

    name: str
    currency: str
    sessions: int
    before: Money
    after: Money
    delta: Money


class Impact(Record):
    """The preview: sums of what would change, counts of what would not, and the digest of every single outcome."""

    as_of_utc: datetime
    digest: str
    sessions: int
    actions: tuple[Sum, ...]
    states: tuple[Sum, ...]
    runs: tuple[Sum, ...]
    accounts: tuple[Sum, ...]
    delta: tuple[Money, ...]
    unchanged: int
    waiting: int
    refused: dict[str, int]


class Book:
    """The agreements that price sessions, read once; ``proposed`` is one that is not in force yet."""

    def __init__(self, ctx: Context, issuer_id: str, proposed: ContractVersion | None = None) -> None:
        self._ctx, self._issuer_id, self._proposed = ctx, issuer_id, proposed
        self._known: dict[tuple[str, Direction], list[tuple[Contract, list[ContractVersion]]]] = {}
        self._places: dict[str, Evse | None] = {}

    def match(self, session: Session) -> Match:
        """The contract version of a session's start."""
        party, direction = matching.decisive(self._ctx, self._issuer_id, session.party, session.emsp_party)
        known = (party, direction)
        if known not in self._known:
            found = matching.candidates(self._ctx, self._issuer_id, party, direction)
            self._known[known] = [self._with(*each) for each in found]
        return agreements.match(self._known[known], party, session.start_utc)

    def price(self, session: Session, body: Original | None) -> tuple[Priced, Match]:
        """The price of a session by that version, at its place as the register knows it."""
        match, place = self.match(session), session.evse_id
        if place is not None and place not in self._places:
            self._places[place] = evses.find(self._ctx, self._issuer_id, place)
        return processing.price_under(session, body, match, self._places.get(place or "")), match

    def _with(self, head: Contract, versions: list[ContractVersion]) -> tuple[Contract, list[ContractVersion]]:
        extra = self._proposed
        mine = [extra] if extra is not None and extra.contract_id == head.contract_id else []
        return head, [*versions, *mine]


def outcomes(ctx: Context, issuer_id: str, book: Book, refs: Iterable[str], wanted: Filter) -> list[Outcome]:
    """What would become of each session that fits; those behind a cancelled document stand for their successor."""
    found = store.sessions(ctx.db, issuer_id, refs, consistent=False)
    fitting = [s for s in found.values() if selection.fits(wanted, s)]
    fixed = [s.cdr_ref for s in fitting if s.billing in _FIXED]
    sums = store.adjusted_many(ctx.db, issuer_id, fixed)
    bodies = store.originals(ctx.db, issuer_id, [adjustments.body_ref(s) for s in fitting])
    return [look(ctx, book, s, bodies.get(adjustments.body_ref(s)), sums.get(s.cdr_ref)) for s in fitting]


def look(ctx: Context, book: Book, session: Session, body: Original | None, sums: Adjusted | None = None) -> Outcome:
    """What would become of one session under the agreements of a book; ``sums`` are its corrections, where locked."""
    if sums is not None and sums.successor is not None:
        session = adjustments.current(ctx, session)
        sums = store.adjusted(ctx.db, session.issuer_id, session.cdr_ref) if session.billing in _FIXED else None
    base = Outcome(
        cdr_ref=session.cdr_ref,
        action=Action.REFUSED,
        billing=session.billing,
        before=session.net,
        run_id=session.run_id,
        account_id=session.account_id,
    )
    reason = _refusal(ctx, session, sums)
    if reason is not None:
        return base.model_copy(update={"reason": reason})
    if session.billing in WAITING:
        return base.model_copy(update={"action": Action.RETRY})
    priced, match = book.price(session, body)
    if priced.net is None or priced.reasons or match.terms is None:
        return base.model_copy(update={"reason": (priced.reasons or ("NO_PRICE",))[0]})
    base = base.model_copy(update={"version": match.terms.version, "after": priced.net})
    if session.billing in _FIXED:
        before = price_now(ctx, session, sums)
        action = Action.NONE if before == priced.net else Action.ADJUST
        return base.model_copy(update={"action": action, "before": before})
    same = session.net == priced.net and session.contract_version == match.terms.version
    return base.model_copy(update={"action": Action.NONE if same else Action.RERATE})


def price_now(ctx: Context, locked: Session, sums: Adjusted | None) -> Money:
    """The price of a locked session with its re-ratings so far; what a person credited of it is not a price."""
    assert locked.net is not None
    rows = _repriced(ctx, locked, sums)
    return locked.net + Money(sum(s.net.amount_minor for s in rows if s.net), locked.net.currency)


def difference(ctx: Context, locked: Session, sums: Adjusted | None, priced: Priced) -> tuple[PricedLine, ...]:
    """The lines that turn what a locked session was priced with into its new price; equal ones cancel out."""
    rows = [locked, *_repriced(ctx, locked, sums)]
    ratings = store.ratings(ctx.db, locked.issuer_id, [(s.cdr_ref, s.rating_version) for s in rows])
    left: list[PricedLine] = []
    for line in (*mirrored(tuple(line for s in rows for line in ratings[s.cdr_ref].lines)), *priced.lines):
        undone = mirrored((line,))[0]
        if undone in left:
            left.remove(undone)
        else:
            left.append(line)
    return tuple(left)


def preview(ctx: Context, issuer_id: str, book: Book, wanted: Filter, as_of: datetime, only: int | None) -> Impact:
    """The sums of every outcome of a filter, of sessions known before ``as_of``.

    ``only`` is the contract version asked about: what another one prices is left out, and what is locked is corrected
    beside its lock. Without it the question is what a person may rate anew, which ends with the lock.

    Raises:
        InvalidInput: more sessions than one answer can price (``filter``).
    """
    found: dict[str, Outcome] = {}
    seen = 0
    for _, refs in selection.walk(ctx, issuer_id, wanted, as_of, _CHUNK):
        seen += len(refs)
        if seen > MOST:
            raise InvalidInput(f"more than {MOST} sessions; narrow the filter", field="filter")
        for each in outcomes(ctx, issuer_id, book, refs, wanted):
            if meant(each, only):
                found[each.cdr_ref] = _until_lock(each) if only is None else each
    return summed(sorted(found.values(), key=lambda each: each.cdr_ref), as_of)


def meant(each: Outcome, only: int | None) -> bool:
    """Whether an outcome belongs to a preview: of a filter every one, of a version what it prices or would."""
    return only is None or each.version == only or (each.version is None and each.reason not in NOT_BILLED)


def _until_lock(each: Outcome) -> Outcome:
    if each.billing not in _FIXED:
        return each
    return each.model_copy(update={"action": Action.REFUSED, "reason": "LOCKED"})


def summed(found: list[Outcome], as_of: datetime) -> Impact:
    """Sums by action, state, run and payout account; the digest changes when any single outcome does."""
    moved = [each for each in found if each.action in (Action.RERATE, Action.ADJUST)]
    told = "\n".join(f"{o.cdr_ref}|{o.action}|{o.reason or ''}|{o.before}|{o.after}" for o in found)
    refused: dict[str, int] = {}
    for each in found:
        if each.action is Action.REFUSED and each.reason:
            refused[each.reason] = refused.get(each.reason, 0) + 1
    actions = _sums([(each.action.value, each) for each in moved])
    currencies = sorted({each.currency for each in actions})
    delta = [Money(sum(a.delta.amount_minor for a in actions if a.currency == c), c) for c in currencies]
    return Impact(
        as_of_utc=as_of,
        digest=sha256(told.encode()).hexdigest(),
        sessions=len(moved),
        actions=actions,
        states=_sums([(each.billing.value, each) for each in moved]),
        runs=_sums([(each.run_id or "-", each) for each in moved]),
        accounts=_sums([(each.account_id or "-", each) for each in moved]),
        delta=tuple(delta),
        unchanged=sum(each.action is Action.NONE for each in found),
        waiting=sum(each.action is Action.RETRY for each in found),
        refused=refused,
    )


def _sums(named: Iterable[tuple[str, Outcome]]) -> tuple[Sum, ...]:
    groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for name, each in named:
        if each.before is not None and each.after is not None:
            pair = (each.before.amount_minor, each.after.amount_minor)
            shown = name if len(groups) < _MOST_NAMES or (name, each.after.currency) in groups else "OTHERS"
            groups.setdefault((shown, each.after.currency), []).append(pair)
    made = []
    for (name, currency), pairs in sorted(groups.items()):
        before, after = Money(sum(b for b, _ in pairs), currency), Money(sum(a for _, a in pairs), currency)
        made.append(
            Sum(name=name, currency=currency, sessions=len(pairs), before=before, after=after, delta=after - before)
        )
    return tuple(made)


def _refusal(ctx: Context, session: Session, sums: Adjusted | None) -> str | None:
    if session.credit_of is not None:
        return "CREDIT"
    if session.dispute in _HELD_BY_DISPUTE or _withholds(ctx, session, sums):
        return "DISPUTED"
    if session.billing not in (*WAITING, *_OPEN, *_FIXED):
        return session.billing.value
    if sums is not None and sums.refs and not adjustments.outstanding_of(session, sums):
        return "CREDITED_AFTER_LOCK"
    return None


def _withholds(ctx: Context, locked: Session, sums: Adjusted | None) -> bool:
    """Whether something of a session's price still waits for the answer to its dispute, or was granted by it."""
    if locked.withheld is None:
        return False
    rows = adjustments.withheld_rows(ctx, locked, sums) if sums is not None else []
    return sum(row.net.amount_minor for row in rows if row.net) != locked.withheld.amount_minor


def _repriced(ctx: Context, locked: Session, sums: Adjusted | None) -> list[Session]:
    """The rows that are parts of a locked session's price: other prices, and what its lock had withheld."""
    refs = sums.refs if sums is not None else ()
    rows = store.sessions(ctx.db, locked.issuer_id, refs)
    kinds = (RETROACTIVE, adjustments.WITHHELD)
    return [rows[ref] for ref in refs if rows[ref].adjustment in kinds and rows[ref].billing is not Billing.INVALIDATED]
