"""What the sessions of a document come to, added up while they go by: nothing is kept per session.

Everything a document says of its sessions follows from these sums: its lines by the key of rules.md 7, VAT categories,
the reasons why no VAT is charged, what it corrects. They can be put aside as plain values and gone on with later, with
the same result whatever the pieces were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from roamclear.billing.rules import LineKey, vat_of_line
from roamclear.cdrs.model import PricedLine, Rating, Session
from roamclear.contracts.fees import FeeCharge
from roamclear.documents.totals import tax_of
from roamclear.kernel.money import Money
from roamclear.kernel.time import sort_instant

Row = tuple[Session, Rating, str]


@dataclass(slots=True)
class LineSum:
    """Σ quantity and Σ rounded amounts of a line, how many sessions stand behind it, and when they ended.

    ``place`` says in which order lines were met first: of two spellings of one price the first is printed.
    """

    place: int
    quantity: Decimal = Decimal(0)
    amount_minor: int = 0
    sessions: int = 0
    first: datetime | None = None
    last: datetime | None = None
    _counted: str = ""

    def add(self, session: Session, quantity: Decimal, amount_minor: int) -> None:
        """Add a priced line of a session; all lines of a session come one after the other."""
        stop = session.stop_utc
        self.quantity += quantity
        self.amount_minor += amount_minor
        self.first, self.last = min(self.first or stop, stop), max(self.last or stop, stop)
        if self._counted != session.cdr_ref:
            self._counted = session.cdr_ref
            self.sessions += 1


class Lines:
    """Priced lines by their key. Σ of all amounts = Σ session net."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self._sums: dict[LineKey, LineSum] = {}
        #: The kWh of sessions without any price (zero invoices, product.md row 65).
        self._free: dict[LineKey, LineSum] = {}

    def add(self, session: Session, rating: Rating, section: str) -> None:
        """Add the lines of one session; ``section`` is PERIOD, EARLIER or ADJUSTMENT.

        Raises:
            ValueError: a line is in another currency than the document.
        """
        sums, lines = (self._sums, rating.lines) if rating.lines else (self._free, _unpriced(session))
        for line in lines:
            if line.amount.currency != self.currency:
                raise ValueError("one document has one currency")
            category, rate = vat_of_line(session, line)
            key = LineKey(
                section=section,
                country=session.country,
                component=line.component,
                unit_price=line.unit_price,
                contract_version=rating.contract_version,
                vat_category=category,
                vat_rate=rate,
            )
            if key not in sums:
                sums[key] = LineSum(place=len(self._sums) + len(self._free))
            sums[key].add(session, line.quantity, line.amount.amount_minor)

    def by_key(self, *, free: bool = False) -> dict[LineKey, LineSum]:
        """The sums in the order of documents; with ``free`` sessions without any price stand with their kWh at 0."""
        found = dict(self._sums)
        names = {key: key for key in found}
        for key, extra in self._free.items() if free else ():
            known = found.pop(key, None)
            if known is None:
                found[key] = extra
            else:
                found[names[key] if known.place < extra.place else key] = _joined(known, extra)
        return dict(sorted(found.items(), key=lambda item: item[0]))

    def has_any(self) -> bool:
        """Whether a document would have a line; one without any cannot be (BR-16)."""
        return any(found.quantity or found.amount_minor for found in self.by_key(free=True).values())

    def balance(self, fees: Iterable[FeeCharge] = ()) -> tuple[int, int]:
        """Net and VAT with fees, in minor units: sums of categories may cancel out in one and not in the other."""
        taxable: dict[tuple[str, Decimal], int] = {}
        for key, found in self._sums.items():
            name = (key.vat_category, key.vat_rate)
            taxable[name] = taxable.get(name, 0) + found.amount_minor
        for fee in fees:
            name = (fee.vat_category, fee.vat_rate)
            taxable[name] = taxable.get(name, 0) + fee.net.amount_minor
        taxes = (tax_of(Money(net, self.currency), rate).amount_minor for (_, rate), net in taxable.items())
        return sum(taxable.values()), sum(taxes)

    def dump(self) -> dict[str, Any]:
        """Plain values: every digit of prices and quantities stays."""
        return {
            "priced": [_plain(key, found) for key, found in self._sums.items()],
            "free": [_plain(key, found) for key, found in self._free.items()],
        }

    @classmethod
    def load(cls, currency: str, kept: Mapping[str, Any]) -> Lines:
        """What ``dump`` said."""
        made = cls(currency)
        made._sums = dict(_typed(values) for values in kept["priced"])
        made._free = dict(_typed(values) for values in kept["free"])
        return made


class Sums:
    """What stands on one document: its lines, and what else it says of its sessions."""

    def __init__(self, currency: str) -> None:
        self.lines = Lines(currency)
        self.sessions = 0
        self.energy_kwh = Decimal(0)
        #: Reasons why no VAT is charged, by category, in order of their sessions.
        self.reasons: dict[str, list[str]] = {}
        #: Numbers of the documents whose sessions are corrected, and of those whose sessions are billed anew.
        self.corrected: set[str] = set()
        self.renewed: set[str] = set()

    def add(self, session: Session, rating: Rating, section: str) -> None:
        """Add one session with the rating that counts."""
        self.lines.add(session, rating, section)
        self.sessions += 1
        self.energy_kwh += session.energy_kwh

    def tell(self, category: str, reason: str) -> None:
        """Note why no VAT is charged, once per category and text."""
        told = self.reasons.setdefault(category, [])
        if reason not in told:
            told.append(reason)

    def dump(self) -> dict[str, Any]:
        """Plain values, the same for the same sessions."""
        return {
            "lines": self.lines.dump(),
            "sessions": self.sessions,
            "energy_kwh": str(self.energy_kwh),
            "reasons": [[category, told] for category, told in self.reasons.items()],
            "corrected": sorted(self.corrected),
            "renewed": sorted(self.renewed),
        }

    @classmethod
    def load(cls, currency: str, kept: Mapping[str, Any]) -> Sums:
        """What ``dump`` said."""
        made = cls(currency)
        made.lines = Lines.load(currency, kept["lines"])
        made.sessions, made.energy_kwh = kept["sessions"], Decimal(kept["energy_kwh"])
        made.reasons = {category: list(told) for category, told in kept["reasons"]}
        made.corrected, made.renewed = set(kept["corrected"]), set(kept["renewed"])
        return made


def of(rows: Iterable[Row], currency: str) -> Sums:
    """The sums of these sessions."""
    made = Sums(currency)
    for session, rating, section in rows:
        made.add(session, rating, section)
    return made


def _unpriced(session: Session) -> tuple[PricedLine, ...]:
    nothing = Money.zero(session.currency)
    return (PricedLine(component="ENERGY", quantity=session.energy_kwh, unit_price=Decimal(0), amount=nothing),)


def _joined(known: LineSum, extra: LineSum) -> LineSum:
    ends = [at for at in (known.first, known.last, extra.first, extra.last) if at is not None]
    return LineSum(
        place=min(known.place, extra.place),
        quantity=known.quantity + extra.quantity,
        amount_minor=known.amount_minor + extra.amount_minor,
        sessions=known.sessions + extra.sessions,
        first=min(ends),
        last=max(ends),
    )


def _plain(key: LineKey, found: LineSum) -> list[Any]:
    named = [key.section, key.country, key.component, str(key.unit_price), key.contract_version, key.vat_category]
    ends = [sort_instant(at) if at else None for at in (found.first, found.last)]
    return [*named, str(key.vat_rate), found.place, str(found.quantity), found.amount_minor, found.sessions, *ends]


def _typed(values: list[Any]) -> tuple[LineKey, LineSum]:
    section, country, component, price, version, category, rate, place, quantity, amount, sessions, first, last = values
    key = LineKey(section, country, component, Decimal(price), version, category, Decimal(rate))
    first, last = (datetime.fromisoformat(at) if at else None for at in (first, last))
    return key, LineSum(place, Decimal(quantity), amount, sessions, first, last)
