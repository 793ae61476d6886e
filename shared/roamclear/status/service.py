"""How each period of a contract stands (product.md row 83), read from the rows themselves, so it is never behind.

What is read is bounded by what the answer says: the sessions that wait for a run (an index of the contract), the
members of the runs that are in their window, and one row for each run and document of the periods asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

from roamclear.billing import charges
from roamclear.billing import service as billing
from roamclear.billing.model import INVOICED_STATES, LOCKED_STATES, Document, Run, RunRequest, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Contract
from roamclear.contracts.rules import Period, period_of
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Dispute, Query
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput, NotFound
from roamclear.kernel.money import Money, total
from roamclear.kernel.time import local_date
from roamclear.status import rules
from roamclear.status.model import Contested, ContractStatus, Part, PeriodStatus

#: Periods that are shown where none is named, and how far back a named one is looked for.
MOST_PERIODS = 12
_LOOK_BACK = 130
_CHUNK = 100
_FAR = datetime(9999, 1, 1, tzinfo=UTC)
#: Members are counted one by one while they may change or are being flagged.
_MOVING = (RunState.WINDOW, RunState.LOCKING)
#: Session lists of a period by billing state.
_Waiting = dict[Billing, list[Session]]


def status(ctx: Context, actor: Actor, issuer_id: str, contract_id: str, period: str | None = None) -> ContractStatus:
    """The last twelve periods of a contract, with earlier ones whose sessions still wait; or the one that is named.

    Raises:
        NotFound: the contract is not one of the actor's.
        InvalidInput: no period of the contract up to now has this label.
    """
    require_contract(authorise(actor, Right.RUN_VIEW, issuer_id), contract_id)
    head = contracts.head(ctx, issuer_id, contract_id)
    waiting = _waiting(ctx, head)
    wanted = _wanted(ctx, head, period, waiting)
    contested = _contested(ctx, actor, head)
    terms = contracts.terms_now(ctx, issuer_id, contract_id)
    rows: list[PeriodStatus] = []
    for each in wanted:
        mine = {key: found for key, found in waiting.items() if key[0] == each.first}
        rows += _period(ctx, head, each, mine, contested, terms.currency)
    return ContractStatus(contract_id=contract_id, as_of_utc=ctx.now(), periods=tuple(rows))


def _wanted(ctx: Context, head: Contract, label: str | None, waiting: Iterable[tuple[object, str]]) -> list[Period]:
    now = period_of(ctx.now(), head.frequency, head.zone, head.cycle_start)
    known = rules.recent(head, now, _LOOK_BACK)
    if label is None:
        firsts = {first for first, _ in waiting}
        return [p for place, p in enumerate(known) if place < MOST_PERIODS or p.first in firsts]
    named = [p for p in known if p.label == label]
    if not named:
        raise InvalidInput("no period of this contract up to now has this label", field="period")
    return named


def _waiting(ctx: Context, head: Contract) -> dict[tuple[object, str], _Waiting]:
    """Sessions in no run, by the first day of the period of their stop and by currency, then by state."""
    found: dict[tuple[object, str], _Waiting] = defaultdict(lambda: defaultdict(list))
    for session in (*cdrs.waiting(ctx, head.issuer_id, head.contract_id), *_verified(ctx, head)):
        first = period_of(session.stop_utc, head.frequency, head.zone, head.cycle_start).first
        currency = session.net.currency if session.net else session.currency
        found[first, currency][session.billing].append(session)
    return found


def _verified(ctx: Context, head: Contract) -> Iterator[Session]:
    refs = cdrs.verified_refs(ctx, head.issuer_id, head.contract_id, _FAR)
    while chunk := list(islice(refs, _CHUNK)):
        for session in cdrs.sessions(ctx, head.issuer_id, chunk).values():
            if session.billing is Billing.VERIFIED and session.run_id is None:
                yield session


def _contested(ctx: Context, actor: Actor, head: Contract) -> dict[str, list[Dispute]]:
    """Undecided disputes by their run."""
    found: dict[str, list[Dispute]] = defaultdict(list)
    query = Query(contract=head.contract_id, waiting=True, limit=200)
    while True:
        rows, after = disputes.queue(ctx, actor, head.issuer_id, query)
        for dispute in rows:
            found[dispute.run_id].append(dispute)
        if after is None:
            return found
        query = query.model_copy(update={"after": after})


def _period(
    ctx: Context,
    head: Contract,
    period: Period,
    waiting: dict[tuple[object, str], _Waiting],
    contested: dict[str, list[Dispute]],
    usual: str,
) -> list[PeriodStatus]:
    """A row for each currency of the period; the run and its documents stand in the run's."""
    request = RunRequest(issuer_id=head.issuer_id, contract_id=head.contract_id, period=period.label)
    run = run_of(ctx, request)
    own = run.currency if run else usual
    currencies = sorted({own} | {currency for _, currency in waiting})
    return [
        _row(
            ctx,
            head,
            period,
            currency,
            waiting.get((period.first, currency), {}),
            run if currency == own else None,
            contested,
        )
        for currency in currencies
    ]


def run_of(ctx: Context, request: RunRequest) -> Run | None:
    """The run of a period, or None before it was prepared."""
    try:
        return billing.run(ctx, request.issuer_id, request.run_id)
    except NotFound:
        return None


def _row(
    ctx: Context,
    head: Contract,
    period: Period,
    currency: str,
    waiting: _Waiting,
    run: Run | None,
    contested: dict[str, list[Dispute]],
) -> PeriodStatus:
    nothing = Part(net=Money.zero(currency))
    lists = {state: rules.part(found, currency) for state, found in waiting.items()}
    fees = Money.zero(currency)
    window = locked = nothing
    documents: list[Document] = []
    claims = contested.get(run.run_id, []) if run else []
    if run is not None:
        window, locked, fees = _in_run(ctx, run)
        documents = documents_of_run(ctx, run)
    today = local_date(ctx.now(), head.zone)
    open_parts = [*lists.values(), window, locked]
    return PeriodStatus(
        period=period.label,
        first=period.first,
        end=period.end,
        currency=currency,
        run_id=run.run_id if run else None,
        run_state=run.state.value if run else None,
        closes_at_utc=run.closes_at_utc if run else None,
        billed_by=run.billed_by if run else None,
        verified=lists.get(Billing.VERIFIED, nothing),
        on_hold=lists.get(Billing.ON_HOLD, nothing),
        not_rated=lists.get(Billing.NOT_RATED, nothing),
        in_window=window,
        locked=locked,
        invoiced=rules.invoiced(documents, currency),
        fees=fees,
        disputed=Contested(disputes=len(claims), claimed=total((d.claimed for d in claims), currency)),
        money=rules.money(documents, currency, today),
        gap=rules.together(open_parts, currency),
    )


def _in_run(ctx: Context, run: Run) -> tuple[Part, Part, Money]:
    """What of a run is in its window, what is locked and not issued, and its fees."""
    nothing = Part(net=Money.zero(run.currency))
    if run.state in _MOVING:
        sessions = [session for session, _ in billing.members(ctx, run)]
        fees = billing.fees_net(charges.fees(ctx, run, sessions), run.currency)
        found = rules.part(sessions, run.currency)
        found = found.model_copy(update={"net": found.net + fees})
        return (found, nothing, fees) if run.state is RunState.WINDOW else (nothing, found, fees)
    fees = billing.fees_net(run.fees, run.currency)
    if run.locked_at_utc is None or run.state in INVOICED_STATES or run.state not in LOCKED_STATES:
        return nothing, nothing, fees
    return nothing, rules.locked(run, fees), fees


def documents_of_run(ctx: Context, run: Run) -> list[Document]:
    """The documents of a run, and those of its period that correct them, each once."""
    found: dict[str, Document] = {}
    numbers: Sequence[str] = run.numbers if run.billed_by is None else ()
    while numbers:
        headers = [billing.document(ctx, run.issuer_id, number) for number in numbers]
        meant = [h for h in headers if h.period == run.period and h.number not in found]
        found |= {h.number: h for h in meant}
        numbers = [n for h in meant for n in (*h.corrected_by, h.cancelled_by, *h.replaced_by) if n is not None]
    return [found[number] for number in sorted(found)]
