"""From ledger entries to bookings in the accounts of the house; pure."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from roamclear.accounting.charts import PERSONAL
from roamclear.accounting.model import Booking, Chart, Side
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput, InvariantBroken
from roamclear.kernel.money import Money
from roamclear.kernel.time import local_date, local_midnight, next_month
from roamclear.ledger.model import Event, JournalEntry

_SALES = (Event.INVOICE_ISSUED, Event.CREDIT_ISSUED)
_BANK = (Event.BATCH_EXPORTED, Event.BANK_DEBIT, Event.BANK_CREDIT, Event.FEE, Event.OPENING)
_DEBTOR = PERSONAL[0].value
_PERSONAL = frozenset(each.value for each in PERSONAL)


def bounds(label: str, zone: str) -> tuple[datetime, datetime]:
    """The instants between which a month's entries were posted, half-open, in the issuer's zone.

    >>> [each.isoformat() for each in bounds("2026-10", "Europe/Berlin")]
    ['2026-09-30T22:00:00+00:00', '2026-10-31T23:00:00+00:00']
    """
    try:
        first = date.fromisoformat(f"{label}-01")
    except ValueError:
        raise InvalidInput("a period is a calendar month, such as 2026-10", field="period") from None
    return local_midnight(first, zone), local_midnight(next_month(first), zone)


def numbered(chart: Chart, entries: Iterable[JournalEntry], also: Iterable[str] = ()) -> Chart:
    """The chart with a personal account for each debtor and creditor that has none; known ones keep theirs.

    ``also`` are accounts of our ledger that are named without an entry, for they carry a balance.
    """
    single = dict(chart.single)
    wanted = sorted({*also, *(line.account for entry in entries for line in entry.lines)} - single.keys())
    used = {int(number) for number in single.values()}
    for account in wanted:
        kind = account.partition(":")[0]
        if kind not in _PERSONAL:
            continue
        number = chart.first_debtor if kind == _DEBTOR else chart.first_creditor
        while number in used:
            number += 1
        used.add(number)
        single[account] = str(number)
    return chart.model_copy(update={"single": single})


def entry_name(entry: JournalEntry) -> str:
    """The business key of an entry: ``EVENT#subject``."""
    return f"{entry.event.value}#{entry.subject}"


def bookings(chart: Chart, entries: Iterable[JournalEntry], zone: str) -> Iterator[Booking]:
    """One booking per entry, in order of posting.

    Raises:
        InvalidInput: the chart names no account for a class that was posted to.
    """
    for place, entry in enumerate(entries, start=1):
        yield Booking(
            place=place,
            entry=entry_name(entry),
            journal=_journal(entry),
            day=local_date(entry.at_utc, zone),
            document=_document(entry),
            text=entry.memo or entry.event.value,
            sides=tuple(side(chart, line.account, line.amount) for line in entry.lines),
            mirrors=entry.mirrors,
        )


def pairs(booking: Booking) -> Iterator[tuple[Side, Side, Money]]:
    """A booking as (debit, credit, amount) steps, whose sums per account are those of the booking.

    A booking batch of DATEV knows one account and one counter account per row.
    """
    debits = [(side, side.amount) for side in booking.sides if side.amount.amount_minor > 0]
    credits = [(side, -side.amount) for side in booking.sides if side.amount.amount_minor < 0]
    while debits and credits:
        (debit, owed), (credit, given) = debits.pop(0), credits.pop(0)
        step = min(owed, given)
        yield debit, credit, step
        debits = [(debit, owed - step), *debits] if step < owed else debits
        credits = [(credit, given - step), *credits] if step < given else credits
    if debits or credits:
        raise InvariantBroken("a booking does not balance", entry=booking.entry)


def digest(entries: Iterable[JournalEntry]) -> tuple[int, str, dict[str, int]]:
    """How many entries there are, SHA-256 over all of them, and their debits in minor units per currency."""
    count, running = 0, hashlib.sha256()
    debits: dict[str, int] = defaultdict(int)
    for entry in entries:
        count += 1
        running.update(numbers_json.dumps(entry.dump(), sort_keys=True).encode())
        for line in entry.lines:
            debits[line.amount.currency] += max(line.amount.amount_minor, 0)
    return count, running.hexdigest(), dict(debits)


def of_currency(found: Sequence[Booking]) -> dict[str, list[Booking]]:
    """Bookings by their currency (an entry has one), currencies in order."""
    parts: dict[str, list[Booking]] = defaultdict(list)
    for booking in found:
        parts[booking.sides[0].amount.currency].append(booking)
    return dict(sorted(parts.items()))


def both_columns(amount: Money) -> tuple[str, str]:
    """An amount as debit and credit columns; the other one is empty."""
    shown = format(abs(amount).to_decimal(), "f")
    return (shown, "") if amount.amount_minor > 0 else ("", shown)


def side(chart: Chart, account: str, amount: Money) -> Side:
    """An amount on an account of our ledger as a side in the accounts of the house.

    Raises:
        InvalidInput: the chart names no account for its class.
    """
    kind, _, subject = account.partition(":")
    own = chart.single.get(account)
    number = chart.classes.get(kind)
    personal = kind in _PERSONAL
    if number is None or (own is not None and not personal):
        number = own
    if number is None:
        raise InvalidInput(f"the chart names no account for {kind}", field=f"classes.{kind}")
    auxiliary, name = own if personal else None, f"{kind} {subject}".strip()
    return Side(account=number, auxiliary=auxiliary, name=name, amount=amount, ours=account)


def _journal(entry: JournalEntry) -> str:
    if entry.event in _SALES:
        return "SALES"
    if entry.event in (Event.PAYOUT_READY, Event.SELF_BILLED):
        return "PURCHASES"
    return "BANK" if entry.event in _BANK else "GENERAL"


def _document(entry: JournalEntry) -> str:
    return entry.memo if entry.event is Event.PAYOUT_READY and entry.memo else entry.subject
