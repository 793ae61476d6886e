"""Sums of an export, kept while it is written and compared with the document."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from roamclear.documents.session_columns import COLUMNS, Kind
from roamclear.documents.session_model import AdjustmentRow, FeeRow, SessionExport, SessionRow
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.money import Money

_SUMMED_MONEY = tuple(c.key for c in COLUMNS if c.summed and c.kind is Kind.MONEY)


class Tally:
    """Counts and sums of the rows seen so far; money is summed in integers."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.rows = 0
        self.energy_kwh = Decimal(0)
        self.adjustments_net = Money.zero(currency)
        self.fees_net = Money.zero(currency)
        self._minor = dict.fromkeys(_SUMMED_MONEY, 0)

    def add(self, row: SessionRow) -> None:
        """Count one session."""
        self.rows += 1
        if row.energy_kwh is not None:
            self.energy_kwh += row.energy_kwh
        for key in _SUMMED_MONEY:
            amount: Money | None = getattr(row, key)
            if amount is not None:
                if amount.currency != self.currency:
                    raise InvariantBroken("a session is in another currency than its export", cdr_id=row.cdr_id)
                self._minor[key] += amount.amount_minor

    def adjust(self, row: AdjustmentRow) -> None:
        """Count one adjustment."""
        self.adjustments_net += row.net

    def charge(self, row: FeeRow) -> None:
        """Count one fee."""
        self.fees_net += row.net

    @property
    def net(self) -> Money:
        """What the rows of all kinds sum to."""
        return self.sessions_net + self.adjustments_net + self.fees_net

    def copy(self) -> Tally:
        """The same sums, to be added to apart."""
        made = Tally(self.currency)
        made.merge(self)
        made.adjustments_net, made.fees_net = self.adjustments_net, self.fees_net
        return made

    def dump(self) -> dict[str, Any]:
        """The sums of the sessions as plain values, to be gone on with later."""
        return {"rows": self.rows, "energy_kwh": str(self.energy_kwh), "minor": dict(self._minor)}

    @classmethod
    def load(cls, currency: str, kept: dict[str, Any]) -> Tally:
        """What ``dump`` said."""
        made = cls(currency)
        made.rows, made.energy_kwh = kept["rows"], Decimal(kept["energy_kwh"])
        made._minor |= kept["minor"]
        return made

    def merge(self, other: Tally) -> None:
        """Take in the sums of a part."""
        self.rows += other.rows
        self.energy_kwh += other.energy_kwh
        for key, minor in other._minor.items():
            self._minor[key] += minor

    @property
    def sessions_net(self) -> Money:
        """Sum of the rows' net."""
        return Money(self._minor["net"], self.currency)

    @property
    def sums(self) -> dict[str, Decimal]:
        """Every summed column in major units."""
        money = {key: Money(minor, self.currency).to_decimal() for key, minor in self._minor.items()}
        return {**money, "energy_kwh": self.energy_kwh}


def check_total(export: SessionExport, tally: Tally) -> None:
    """The rows must sum to the document to the cent, or nothing is given out (product.md row 60)."""
    found = tally.net
    if found != export.document_net:
        raise InvariantBroken(
            "the session export does not sum to its document",
            document=export.document_number,
            expected_minor=export.document_net.amount_minor,
            found_minor=found.amount_minor,
        )
