"""Counting the accrual pack of a month (product.md, B13): two ways, which must come to the same cent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from roamclear.accounting import service as accounting
from roamclear.accounting.rules import bounds
from roamclear.billing import service as billing
from roamclear.billing import slices
from roamclear.billing.model import INVOICED_STATES, Run, RunRequest
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.adjustments import is_ours
from roamclear.cdrs.model import Session
from roamclear.cdrs.received import sessions_received
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Contract
from roamclear.contracts.rules import period_of
from roamclear.disputes import service as disputes
from roamclear.disputes.model import PENDING, Dispute
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money, total
from roamclear.ledger import service as ledger
from roamclear.ledger.model import Account
from roamclear.payouts.deferred import Shares
from roamclear.status import postings, rules
from roamclear.status.model import Contested
from roamclear.status.pack_model import AccrualPack, ContractAccrual
from roamclear.status.service import documents_of_run, run_of
from roamclear.status.standing import EARNED, RunFacts, Standing, facts_of, standing

#: Sessions by where they stood, of one contract and currency.
_Stood = dict[Standing, list[Session]]
_NO_CONTRACT = "-"


class _Count:
    """What the rows of one pack share: the instant, and what was read of runs and of the ledger."""

    def __init__(self, ctx: Context, issuer_id: str, period: str, as_of: datetime) -> None:
        self.ctx, self.issuer_id, self.period, self.as_of = ctx, issuer_id, period, as_of
        self.chart = accounting.chart_now(ctx, issuer_id)
        self._facts: dict[str, RunFacts] = {}
        since = identity.issuer(ctx, issuer_id).created_at_utc or as_of
        entries = ledger.entries(ctx, issuer_id, since, until=as_of)
        self.balances = ledger.balances(entry for entry in entries if entry.at_utc < as_of)

    def stood(self, session: Session) -> Standing | None:
        """Where a session stood at the instant of the pack."""
        name = session.run_id
        if name is not None and name not in self._facts:
            self._facts[name] = self.facts(billing.run(self.ctx, self.issuer_id, name))
        return standing(session, self._facts[name] if name is not None else None, self.as_of)

    def facts(self, run: Run) -> RunFacts:
        """The instants of a run; a carried one is issued with the run that bills it."""
        bills = billing.run(self.ctx, self.issuer_id, run.billed_by) if run.billed_by is not None else run
        headers = [billing.document(self.ctx, self.issuer_id, number) for number in bills.numbers]
        done = bills.state in INVOICED_STATES and headers
        return facts_of(run, max(h.issued_at_utc for h in headers) if done else None)


def count(ctx: Context, issuer_id: str, period: str, as_of: datetime, label: str) -> AccrualPack:
    """The pack of a calendar month as of an instant; ``label`` names the day that ends there.

    A month is that of each contract's zone. Sessions without a contract stand in a row of their own, as claimed.
    """
    shared = _Count(ctx, issuer_id, period, as_of)
    heads = [head for head in contracts.heads(ctx, issuer_id) if head.status == "ACTIVE"]
    zones = {head.contract_id: head.zone for head in heads}
    walked = _walked(shared, zones)
    rows: list[ContractAccrual] = []
    for head in heads:
        rows += _contract(shared, head, walked)
    rows += _nobody(shared)
    return AccrualPack(issuer_id=issuer_id, period=period, as_of=label, as_of_utc=as_of, contracts=tuple(rows))


def _walked(shared: _Count, zones: dict[str, str]) -> dict[tuple[str, str], list[Session]]:
    """Earned CDRs of the month by contract and currency, found by walking over everything that came."""
    spans = {contract_id: bounds(shared.period, zone) for contract_id, zone in zones.items()}
    found: dict[tuple[str, str], list[Session]] = defaultdict(list)
    if not spans:
        return found
    since = min(begin for begin, _ in spans.values())
    for session in sessions_received(shared.ctx, shared.issuer_id, since, shared.as_of):
        if session.contract_id not in spans or session.net is None:
            continue
        begin, end = spans[session.contract_id]
        if begin <= session.stop_utc < end and shared.stood(session) in EARNED:
            found[session.contract_id, session.net.currency].append(session)
    return found


def _contract(
    shared: _Count, head: Contract, walked: dict[tuple[str, str], list[Session]]
) -> Iterator[ContractAccrual]:
    """A row per currency of one contract; nothing where the month has nothing and nothing is owed."""
    begin, end = bounds(shared.period, head.zone)
    runs = list(_runs(shared, head, begin))
    stood: dict[str, _Stood] = defaultdict(lambda: defaultdict(list))
    ours: dict[str, list[Session]] = defaultdict(list)
    for session in _sessions(shared, head, runs, begin, end):
        where = shared.stood(session)
        currency = session.net.currency if session.net else session.currency
        if where is not None and is_ours(session):
            if where is not Standing.INVOICED:
                ours[currency].append(session)
        elif where is not None:
            stood[currency][where].append(session)
    owed = {cur for (account, cur), sum_ in shared.balances.items() if sum_ and account == _receivable(head)}
    claims = _pending(shared, head)
    bought = contracts.terms_now(shared.ctx, shared.issuer_id, head.contract_id).is_reverse
    shares = Shares(shared.ctx, shared.issuer_id, begin, end, shared.as_of)
    fees = _fees(shared, runs)
    for currency in sorted({*stood, *ours, *owed, *(fee.currency for fee in fees)}):
        mine = walked.get((head.contract_id, currency), [])
        charged = total((fee for fee in fees if fee.currency == currency), currency)
        made = _row(shared, head, currency, stood[currency], ours[currency], charged, mine)
        # What is on hold, or withheld of a session, is not accrued, so nothing is set aside for it.
        refs = {s.cdr_ref for where in EARNED for s in stood[currency][where] if s.withheld is None}
        meant = [d.claimed for d in claims if d.cdr_ref in refs]
        shared_out = [] if bought else [s for where in EARNED for s in stood[currency][where]] + ours[currency]
        deferred, parked = _owed(shares, shared_out, currency)
        made = made.model_copy(
            update={
                "bought": bought,
                "disputed": Contested(disputes=len(meant), claimed=total(meant, currency)),
                "deferred": deferred,
                "parked": parked,
            }
        )
        lines = postings.postings(shared.chart, shared.issuer_id, shared.period, shared.as_of, made)
        yield made.model_copy(update={"postings": lines})


def _row(
    shared: _Count,
    head: Contract | None,
    currency: str,
    stood: _Stood,
    ours: list[Session],
    fees: Money,
    walked: list[Session],
) -> ContractAccrual:
    parts = {where: rules.part(stood.get(where, ()), currency) for where in Standing}
    corrections = rules.part(ours, currency)
    known = rules.part(walked, currency)
    earned = rules.together([parts[where] for where in EARNED], currency)
    open_parts = [parts[where].net for where in EARNED if where is not Standing.INVOICED]
    none = Money.zero(currency)
    return ContractAccrual(
        contract_id=head.contract_id if head else None,
        partner=head.name if head else "",
        currency=currency,
        **{where.value: found for where, found in parts.items()},
        corrections=corrections,
        fees=fees,
        accrued=total([*open_parts, corrections.net, fees], currency),
        verified_cdrs=known,
        holds=(earned.sessions, earned.net) == (known.sessions, known.net),
        disputed=Contested(claimed=none),
        unpaid=shared.balances.get((_receivable(head), currency), none) if head else none,
        deferred=none,
        parked=none,
    )


def _sessions(shared: _Count, head: Contract, runs: Iterable[Run], begin: datetime, end: datetime) -> Iterator[Session]:
    """What stopped in the month: in the lists that wait, and in the runs of this period and later ones."""
    ctx, issuer_id, contract_id = shared.ctx, shared.issuer_id, head.contract_id
    refs = list(cdrs.verified_refs(ctx, issuer_id, contract_id, end))
    verified = (s for s in cdrs.sessions(ctx, issuer_id, refs).values() if s.run_id is None)
    for session in (*cdrs.waiting(ctx, issuer_id, contract_id), *verified):
        if begin <= session.stop_utc < end:
            yield session
    for run in runs:
        yield from slices.stopped_between(ctx, run, begin, end)


def _runs(shared: _Count, head: Contract, begin: datetime) -> Iterator[Run]:
    """The runs of the month's periods and of all later ones, with the corrections of their documents."""
    period = period_of(begin, head.frequency, head.zone, head.cycle_start)
    seen = set()
    while period.start_utc <= shared.ctx.now():
        request = RunRequest(issuer_id=head.issuer_id, contract_id=head.contract_id, period=period.label)
        run = run_of(shared.ctx, request)
        names = [run.run_id, *(d.run_id for d in documents_of_run(shared.ctx, run))] if run is not None else []
        for name in names:
            if name not in seen:
                seen.add(name)
                yield billing.run(shared.ctx, head.issuer_id, name)
        period = period_of(period.end_utc, head.frequency, head.zone, head.cycle_start)


def _fees(shared: _Count, runs: Iterable[Run]) -> list[Money]:
    """Fees of the runs whose period ends in the month, opened and not issued at the instant."""
    found = []
    for run in runs:
        if f"{run.end - timedelta(days=1):%Y-%m}" == shared.period:
            facts = shared.facts(run)
            opened = facts.opened_at_utc is not None and facts.opened_at_utc < shared.as_of
            issued = facts.issued_at_utc is not None and facts.issued_at_utc < shared.as_of
            if opened and not issued:
                found.append(billing.fees_net(run.fees, run.currency))
    return [sum_ for sum_ in found if sum_]


def _pending(shared: _Count, head: Contract) -> list[Dispute]:
    """The disputes of a contract that were filed and undecided at the instant."""
    return [
        dispute
        for dispute in disputes.of_contract(shared.ctx, shared.issuer_id, head.contract_id)
        if dispute.filed_at_utc < shared.as_of
        and (dispute.state in PENDING or (dispute.resolved_at_utc or shared.as_of) >= shared.as_of)
    ]


def _owed(shares: Shares, sessions: Iterable[Session], currency: str) -> tuple[Money, Money]:
    """Shares on no payout yet, and the net of sessions that nobody is paid for yet; what the house bears is neither."""
    deferred = parked = Money.zero(currency)
    for session in sessions:
        account_id = shares.payee(session)
        if account_id is not None:
            deferred += shares.deferred(session, account_id)
        elif not session.borne and session.net is not None:
            parked += session.net
    return deferred, parked


def _nobody(shared: _Count) -> Iterator[ContractAccrual]:
    """Sessions of the month that no contract covers yet, as the CPO claims them."""
    begin, end = bounds(shared.period, identity.issuer(shared.ctx, shared.issuer_id).zone)
    found: dict[str, _Stood] = defaultdict(lambda: defaultdict(list))
    for session in cdrs.waiting(shared.ctx, shared.issuer_id, _NO_CONTRACT):
        where = shared.stood(session)
        if begin <= session.stop_utc < end and where is not None:
            found[session.currency][where].append(session)
    for currency, stood in sorted(found.items()):
        made = _row(shared, None, currency, stood, [], Money.zero(currency), [])
        yield made


def _receivable(head: Contract) -> str:
    return Account.RECEIVABLE.of(head.contract_id)
