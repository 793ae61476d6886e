"""Pure decisions of payouts: splitting a session, what is paid and what is carried, the hash of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from roamclear.cdrs.model import Session
from roamclear.evses.model import AccountKind, AccountTerms, AccountVersion
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.money import Money, allocate
from roamclear.payouts.model import Accrual, Batch, Parked, PayoutStatus, ShareLine

_WHOLE = Decimal(100)


def version_at(versions: Sequence[AccountVersion], instant: datetime) -> AccountVersion:
    """The version in force at an instant; before the first one, the first."""
    if not versions:
        raise InvariantBroken("a session is owed to an account without versions")
    fitting = [version for version in versions if version.recorded_at_utc <= instant]
    return fitting[-1] if fitting else versions[0]


def split(gross: Money, terms: AccountTerms) -> tuple[Money, Money, Money]:
    """(share, commission, own) of a session's net revenue; they always sum to it, also when it is negative.

    The whole of an OWN account's session is our own; of an external one, ``share_percent`` is the holder's, rounded by
    largest remainder, and the rest is our price reduction.
    """
    nothing = Money.zero(gross.currency)
    if terms.kind is AccountKind.OWN:
        return nothing, nothing, gross
    share, commission = allocate(gross, [terms.share_percent, _WHOLE - terms.share_percent])
    return share, commission, nothing


def share_line(session: Session | Parked, run_id: str, account_id: str, version: AccountVersion) -> ShareLine:
    """The line of a session for its account."""
    gross = gross_of(session)
    share, commission, own = split(gross, version.terms)
    return ShareLine(
        issuer_id=session.issuer_id,
        run_id=run_id,
        cdr_ref=session.cdr_ref,
        cdr_id=session.cdr_id,
        contract_id=session.contract_id or "",
        account_id=account_id,
        account_version=version.version,
        evse_id=session.evse_id,
        stop_utc=session.stop_utc,
        zone=session.zone or "UTC",
        energy_kwh=session.energy_kwh,
        credit_of=session.credit_of,
        gross=gross,
        commission=commission,
        share=share,
        own=own,
    )


def parked(session: Session, run_id: str) -> Parked:
    """The share of a session that has no account yet, or never has one because the house bears it."""
    return Parked(
        issuer_id=session.issuer_id,
        run_id=run_id,
        cdr_ref=session.cdr_ref,
        cdr_id=session.cdr_id,
        contract_id=session.contract_id or "",
        evse_id=session.evse_id,
        stop_utc=session.stop_utc,
        zone=session.zone or "UTC",
        energy_kwh=session.energy_kwh,
        credit_of=session.credit_of,
        gross=gross_of(session),
        borne=session.borne,
    )


def gross_of(session: Session | Parked) -> Money:
    """A locked session's net revenue; one without it cannot have been locked."""
    gross = session.gross if isinstance(session, Parked) else session.net
    if gross is None:
        raise InvariantBroken("a locked session has no amount", cdr_ref=session.cdr_ref)
    return gross


def accrual(lines: Sequence[ShareLine], group: str, now: datetime) -> Accrual:
    """The sum of an account's lines of one run."""
    counted = AccrualSum()
    for line in lines:
        counted.add(line)
    return counted.made(group, now)


class AccrualSum:
    """The sum of an account's lines of one run, line by line; all of one currency."""

    def __init__(self) -> None:
        self._last: ShareLine | None = None
        self._sessions = 0
        self._energy = Decimal(0)
        self._stops: tuple[datetime, datetime] | None = None
        self._amounts: list[Money] = []

    def add(self, line: ShareLine) -> None:
        """One more line."""
        own = [line.gross, line.commission, line.share, line.own]
        self._amounts = [a + b for a, b in zip(self._amounts, own, strict=True)] if self._amounts else own
        first, last = self._stops or (line.stop_utc, line.stop_utc)
        self._stops = min(first, line.stop_utc), max(last, line.stop_utc)
        self._sessions += 1
        self._energy += line.energy_kwh
        self._last = line

    def made(self, group: str, now: datetime) -> Accrual:
        """The sum so far, under the name of its group."""
        if self._last is None or self._stops is None:
            raise InvariantBroken("the sum of no lines belongs to no account")
        gross, commission, share, own = self._amounts
        return Accrual(
            issuer_id=self._last.issuer_id,
            account_id=self._last.account_id,
            group=group,
            run_id=self._last.run_id,
            contract_id=self._last.contract_id,
            currency=gross.currency,
            sessions=self._sessions,
            energy_kwh=self._energy,
            first_stop_utc=self._stops[0],
            last_stop_utc=self._stops[1],
            gross=gross,
            commission=commission,
            share=share,
            own=own,
            accrued_at_utc=now,
        )


def settle(kind: AccountKind, opening: Money, added: Money, minimum: Money | None) -> tuple[Money, Money, PayoutStatus]:
    """(pay, closing, state) of a statement: what is paid now and what is carried (product.md rows 112-113).

    >>> settle(AccountKind.EXTERNAL, Money(500, "EUR"), Money(499, "EUR"), Money(1000, "EUR"))
    (Money(0, 'EUR'), Money(999, 'EUR'), <PayoutStatus.CARRIED: 'CARRIED'>)
    >>> settle(AccountKind.EXTERNAL, Money(500, "EUR"), Money(500, "EUR"), Money(1000, "EUR"))
    (Money(1000, 'EUR'), Money(0, 'EUR'), <PayoutStatus.READY: 'READY'>)
    """
    nothing = Money.zero(added.currency)
    due = opening + added
    if kind is AccountKind.OWN:
        return nothing, nothing, PayoutStatus.CONFIRMED
    if due < nothing or (minimum is not None and due < minimum and due):
        return nothing, due, PayoutStatus.CARRIED
    return due, nothing, PayoutStatus.READY if due else PayoutStatus.CONFIRMED


def spread(whole: Money, parts: Sequence[Money]) -> list[Money]:
    """A document's VAT given back to its sessions in proportion, so that they sum to it; signs may be mixed.

    Each boundary of the running sum is rounded half-up, so no row is off by more than a minor unit.

    >>> spread(Money(19, "EUR"), [Money(30, "EUR"), Money(90, "EUR"), Money(-20, "EUR")])
    [Money(6, 'EUR'), Money(17, 'EUR'), Money(-4, 'EUR')]
    """
    base = sum(part.amount_minor for part in parts)
    if base == 0:
        if whole and parts:
            raise InvariantBroken("an amount cannot be spread over nothing")
        return [Money.zero(whole.currency) for _ in parts]
    result, running, given = [], 0, 0
    for part in parts:
        running += part.amount_minor
        upto = (2 * running * whole.amount_minor * _sign(base) + abs(base)) // (2 * abs(base))
        result.append(Money(upto - given, whole.currency))
        given = upto
    return result


def _sign(value: int) -> int:
    return -1 if value < 0 else 1


def digest(batch: Batch) -> str:
    """SHA-256 over everything that a bank would do because of a batch."""
    body = {
        "batch_id": batch.batch_id,
        "execution_date": batch.execution_date.isoformat(),
        "debtor": [batch.debtor_name, batch.debtor_iban, batch.debtor_bic or ""],
        "items": [item.dump() for item in batch.items],
        "total": batch.total.amount_minor,
    }
    return hashlib.sha256(numbers_json.dumps(body, sort_keys=True).encode()).hexdigest()


def group_of(run_id: str, refs: Iterable[str]) -> str:
    """The name of a group of parked sessions that found their account later; the same sessions, the same name."""
    return f"{run_id}~{hashlib.sha256('|'.join(sorted(refs)).encode()).hexdigest()[:16]}"


def payout_id(account_id: str, currency: str, account_currency: str, sequence: int) -> str:
    """The number of a payout, at most 35 SEPA letters: it travels as the EndToEndId.

    >>> payout_id("SUB-1", "EUR", "EUR", 12)
    'PO-SUB-1-0012'
    """
    other = "" if currency == account_currency else f"{currency}-"
    return f"PO-{account_id}-{other}{sequence:04d}"
