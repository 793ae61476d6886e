"""The accrual pack: what a month earned and owes that no document states yet."""

from __future__ import annotations

from datetime import datetime

from roamclear.kernel.money import Money
from roamclear.kernel.record import Record
from roamclear.status.model import Contested, Part


class Posting(Record):
    """One side of a proposed entry in the accounts of the house; a debit is positive. Never posted by us."""

    entry: str
    account: str
    name: str
    amount: Money


class ContractAccrual(Record):
    """One contract in one currency, for the sessions that stopped in the month and came before the end of a day.

    ``accrued`` is what is earned and not issued: ``verified + in_window + locked``, corrections of ours and fees.
    ``verified_cdrs`` is counted another way, over all bodies received: ``holds`` says that it equals
    ``verified + in_window + locked + invoiced`` to the cent. ``on_hold`` and ``not_rated`` are shown and not accrued.
    ``unpaid`` is the receivable of the ledger at that instant, of all months. ``deferred`` are shares on no payout
    yet, ``parked`` the net of sessions whose EVSE has no account. Where the house buys (``bought``, a REVERSE contract)
    ``accrued`` is cost, and nothing is owed to us, shared or set aside.
    """

    contract_id: str | None
    partner: str
    bought: bool = False
    currency: str
    verified: Part
    on_hold: Part
    not_rated: Part
    in_window: Part
    locked: Part
    invoiced: Part
    corrections: Part
    fees: Money
    accrued: Money
    verified_cdrs: Part
    holds: bool
    disputed: Contested
    unpaid: Money
    deferred: Money
    parked: Money
    postings: tuple[Posting, ...] = ()


class AccrualPack(Record):
    """All contracts of an issuer for a month, as of the end of a local day (exclusive)."""

    issuer_id: str
    period: str
    as_of: str
    as_of_utc: datetime
    contracts: tuple[ContractAccrual, ...]

    @property
    def holds(self) -> bool:
        """Whether accrual + invoiced = Σ verified CDRs in every row."""
        return all(each.holds for each in self.contracts)
