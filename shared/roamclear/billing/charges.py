"""Fees of a run (product.md row 32): counted over its sessions, frozen by the lock, never shared with payees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import islice

from roamclear.billing.fees_back import service as fees_back
from roamclear.billing.model import Run
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.adjustments import body_ref, is_ours, returns_credit
from roamclear.cdrs.model import Session
from roamclear.contracts import service as contracts
from roamclear.contracts.fees import FeeCharge, Usage, charge, span
from roamclear.contracts.model import Frequency
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money, total

#: Months that a billing period stands for; shorter ones are parts of calendar months.
_MONTHS = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3}
_CHUNK = 100


def fees(ctx: Context, run: Run, sessions: Iterable[Session]) -> tuple[FeeCharge, ...]:
    """What the fees of a run's contract version come to over these sessions, in the order of the contract.

    A correction run has the fees that were put on it; nothing is counted there.
    """
    counted = FeeCount(ctx, run)
    rest = iter(sessions)
    while chunk := list(islice(rest, _CHUNK)):
        counted.add(chunk)
    return counted.charges()


class FeeCount:
    """What the fees of a run count, added up chunk by chunk: the sessions themselves are not kept."""

    def __init__(self, ctx: Context, run: Run) -> None:
        self._ctx = ctx
        self._run = run
        terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
        self._agreed = terms.fees if run.kind == "CLOSE" else ()
        self._scopes = {fee.power_type: _Count() for fee in self._agreed}
        self._any = False

    def add(self, sessions: Sequence[Session]) -> None:
        """Count some more sessions."""
        self._any = self._any or any(_counts(session) > 0 for session in sessions)
        scoped = any(power_type is not None for power_type in self._scopes)
        powers = power_types(self._ctx, self._run.issuer_id, sessions) if scoped else {}
        for power_type, count in self._scopes.items():
            for session in sessions:
                if power_type is None or powers.get(session.cdr_ref) == power_type:
                    count.add(session)

    def charges(self) -> tuple[FeeCharge, ...]:
        """What the fees come to over everything that was added."""
        run = self._run
        if run.kind != "CLOSE":
            return run.fees
        again = fees_back.of(self._ctx, run)
        if not self._agreed:
            return again
        head = contracts.head(self._ctx, run.issuer_id, run.contract_id)
        period = span(run.first, run.end, _MONTHS.get(head.frequency), head.valid_from, head.valid_to)
        found = []
        for fee in self._agreed:
            counted = self._scopes[fee.power_type].usage(run.currency)
            found.append(charge(fee, counted, period, run.contract_version, any_session=self._any))
        return (*(made for made in found if made is not None), *again)


def fees_net(charges: Iterable[FeeCharge], currency: str) -> Money:
    """Σ net of charges."""
    return total((c.net for c in charges), currency)


class _Count:
    """What sessions count for a fee.

    A credit CDR takes its session off again; corrections of ours change the net, and kWh where they correct kWh, but
    what is billed anew after a cancellation counts anew as it did before.
    """

    def __init__(self) -> None:
        self._sessions = 0
        self._energy = Decimal(0)
        self._net_minor = 0
        self._evses = set[str]()

    def add(self, session: Session) -> None:
        counts = _counts(session)
        self._sessions += counts
        self._energy += session.energy_kwh
        self._net_minor += session.net.amount_minor if session.net else 0
        if counts > 0 and session.evse_id:
            self._evses.add(session.evse_id)

    def usage(self, currency: str) -> Usage:
        net = Money(self._net_minor, currency)
        return Usage(sessions=self._sessions, energy_kwh=self._energy, net=net, evses=len(self._evses))


def _counts(session: Session) -> int:
    if is_ours(session) and not returns_credit(session):
        return 1 if session.replaces and not session.credit_of else 0
    return -1 if session.credit_of else 1


def power_types(ctx: Context, issuer_id: str, sessions: Sequence[Session]) -> dict[str, str]:
    """``AC`` or ``DC`` by session, as its sealed CDR names the connector, whatever the register learns later.

    A session whose CDR names none has no entry, and no fee of a power type counts it.
    """
    from roamclear.cdrs.processing import read  # brings the rating engine, which only such fees need

    found = {}
    for at in range(0, len(sessions), _CHUNK):
        chunk = sessions[at : at + _CHUNK]
        bodies = cdrs.originals(ctx, issuer_id, {body_ref(s) for s in chunk})
        for session in chunk:
            body = bodies.get(body_ref(session))
            kind = read(body).location.connector_power_type if body else None
            if kind:
                found[session.cdr_ref] = kind.upper().split("_")[0]
    return found
