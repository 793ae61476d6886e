"""Fees of a run (product.md row 32): counted over its sessions, frozen by the lock, never shared with payees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from roamclear.billing.model import Run
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.adjustments import body_ref, is_ours
from roamclear.cdrs.model import Session
from roamclear.contracts import service as contracts
from roamclear.contracts.fees import FeeCharge, Usage, charge, span
from roamclear.contracts.model import Frequency
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money, total

#: Months that a billing period stands for; shorter ones are parts of calendar months.
_MONTHS = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3}
_CHUNK = 100


def fees(ctx: Context, run: Run, sessions: Sequence[Session]) -> tuple[FeeCharge, ...]:
    """What the fees of a run's contract version come to over these sessions, in the order of the contract.

    A correction run has the fees that were put on it; nothing is counted there.
    """
    if run.kind != "CLOSE":
        return run.fees
    agreed = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms.fees
    if not agreed:
        return ()
    head = contracts.head(ctx, run.issuer_id, run.contract_id)
    period = span(run.first, run.end, _MONTHS.get(head.frequency), head.valid_from, head.valid_to)
    powers = power_types(ctx, run.issuer_id, sessions) if any(fee.power_type for fee in agreed) else {}
    found = []
    for fee in agreed:
        scoped = [s for s in sessions if fee.power_type is None or powers.get(s.cdr_ref) == fee.power_type]
        counted = usage(scoped, run.currency)
        found.append(charge(fee, counted, period, run.contract_version, any_session=bool(sessions)))
    return tuple(made for made in found if made is not None)


def fees_net(charges: Iterable[FeeCharge], currency: str) -> Money:
    """Σ net of charges."""
    return total((c.net for c in charges), currency)


def usage(sessions: Iterable[Session], currency: str) -> Usage:
    """What sessions count for a fee.

    A credit CDR takes its session off again; corrections of ours change the net, and kWh where they correct kWh, but
    a session that is billed anew after a cancellation counts anew.
    """
    number, energy, net, evses = 0, Decimal(0), 0, set[str]()
    for session in sessions:
        counts = _counts(session)
        number += counts
        energy += session.energy_kwh
        net += session.net.amount_minor if session.net else 0
        if counts > 0 and session.evse_id:
            evses.add(session.evse_id)
    return Usage(sessions=number, energy_kwh=energy, net=Money(net, currency), evses=len(evses))


def _counts(session: Session) -> int:
    if is_ours(session):
        return 1 if session.replaces else 0
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
