"""The Standard Audit File for Tax (OECD SAF-T 2.00) in the Norwegian profile SAF-T Financial 1.30; pure.

That profile is the one whose schema an authority publishes openly and which holds a general ledger without source
documents, as ours does. One file per currency, for our books convert nothing. Amounts are decimals with two places,
debit or credit by the name of their element, never signed except a tax base.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from xml.sax.saxutils import escape

from roamclear.accounting import rules
from roamclear.accounting.model import Booking, Chart, Grouping, Partner, Saft, Side, TaxRow
from roamclear.documents.xml_tools import clean, number
from roamclear.identity.issuer import Issuer
from roamclear.kernel.errors import InvalidInput, InvariantBroken
from roamclear.kernel.money import Money, minor_digits, total
from roamclear.kernel.time import last_of_month, local_date
from roamclear.ledger.model import Account

_SPACE = "urn:StandardAuditFile-Taxation-Financial:NO"
_VERSION = "1.30"
#: Of this writer; it changes with what the file says, not with every release.
_WRITER = "1"
_JOURNALS = {
    "SALES": ("AR", "Sales: invoices and credit notes"),
    "PURCHASES": ("AP", "Purchases: self-billed documents and payouts"),
    "BANK": ("GL", "Bank: entries of bank accounts and payment batches"),
    "GENERAL": ("GL", "General: allocations, corrections and write-offs"),
}
#: Lengths of the text types of the profile.
_CODE, _SHORT, _MIDDLE, _NAME, _LONG = 9, 18, 35, 70, 256
_NOT_MAPPED = Grouping(category="NA", code="NA")
_VAT = (Account.OUTPUT_VAT.value, Account.INPUT_VAT.value)
_NET = (Account.REVENUE.value, Account.FEE_REVENUE.value, Account.ENERGY_COST.value)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the files of a month are written from; ``opening`` are sides at the month's first instant."""

    issuer: Issuer
    chart: Chart
    label: str
    at: datetime
    bookings: Sequence[Booking]
    opening: Sequence[Side]
    partners: Mapping[str, Partner]
    taxes: Mapping[str, tuple[TaxRow, ...]]


def write_saft(ledger: Ledger) -> Iterator[tuple[str, bytes]]:
    """One audit file per currency of the month or of what it begins with; equal input gives equal bytes.

    Raises:
        InvalidInput: what the profile demands is missing by name, or a currency has more than two decimals.
        InvariantBroken: entries, balances or the VAT of a document do not add up.
    """
    parts = rules.of_currency(ledger.bookings)
    begun = {side.amount.currency for side in ledger.opening}
    for currency in sorted({*parts, *begun}) or [ledger.issuer.currency]:
        if minor_digits(currency) > 2:
            raise InvalidInput(f"an audit file has two decimals, {currency} has more: take CSV", field="profile")
        opening = [side for side in ledger.opening if side.amount.currency == currency]
        text = "".join(_File(ledger, currency, parts.get(currency, []), opening).written())
        yield f"SAF-T_Financial_{_registration(ledger.issuer)}_{ledger.label}_{currency}.xml", text.encode()


def _registration(issuer: Issuer) -> str:
    known = issuer.legal_id or issuer.vat_id or ""
    if not 0 < len(clean(known)) <= _MIDDLE:
        raise InvalidInput("an audit file has a register number of at most 35 characters", field="issuer.legal_id")
    return "".join(filter(str.isalnum, known))


class _File:
    """The audit file of one currency."""

    def __init__(self, ledger: Ledger, currency: str, bookings: Sequence[Booking], opening: Sequence[Side]) -> None:
        self.ledger, self.currency, self.bookings, self.opening = ledger, currency, bookings, opening
        self.settings = ledger.chart.saft or Saft()
        self.first = date.fromisoformat(f"{ledger.label}-01")
        self.last = last_of_month(self.first)

    def written(self) -> Iterator[str]:
        yield f'<?xml version="1.0" encoding="UTF-8"?>\n<AuditFile xmlns="{_SPACE}">\n'
        yield from _element("Header", self._header())
        yield from _element("MasterFiles", self._masters())
        yield from _element("GeneralLedgerEntries", self._entries())
        yield "</AuditFile>\n"

    # ---- header ----------------------------------------------------------------------------------------------------
    def _header(self) -> Iterator[str]:
        issuer = self.ledger.issuer
        yield _leaf("AuditFileVersion", _VERSION, _CODE)
        yield _leaf("AuditFileCountry", issuer.address.country, 2)
        yield _leaf("AuditFileDateCreated", local_date(self.ledger.at, issuer.zone).isoformat(), 10)
        yield _leaf("SoftwareCompanyName", "Roamclear", _NAME)
        yield _leaf("SoftwareID", "Roamclear", _LONG)
        yield _leaf("SoftwareVersion", _WRITER, _SHORT)
        yield from _element("Company", self._company())
        yield _leaf("DefaultCurrencyCode", self.currency, 3)
        dates = [_leaf("SelectionStartDate", self.first.isoformat(), 10)]
        yield from _element("SelectionCriteria", [*dates, _leaf("SelectionEndDate", self.last.isoformat(), 10)])
        yield _leaf("TaxAccountingBasis", "A", _SHORT)

    def _company(self) -> Iterator[str]:
        issuer = self.ledger.issuer
        brand = issuer.brand
        if not clean(brand.contact_name):
            raise InvalidInput("an audit file names who to call", field="issuer.brand.contact_name")
        phone = clean(brand.contact_phone)
        phone = phone if len(phone) <= _SHORT else "".join(phone.split())
        if not 0 < len(phone) <= _SHORT:
            raise InvalidInput(
                "an audit file has a telephone of at most 18 characters", field="issuer.brand.contact_phone"
            )
        place = issuer.address
        known = Partner(
            name=issuer.legal_name,
            registration=issuer.legal_id or issuer.vat_id,
            lines=place.lines,
            postal_code=place.postal_code,
            city=place.city,
            country=place.country,
        )
        yield from _identified(known)
        person = [_leaf("FirstName", "NotUsed", _MIDDLE), _leaf("LastName", brand.contact_name, _NAME)]
        contact = [*_element("ContactPerson", person), _leaf("Telephone", phone, _SHORT)]
        yield from _element("Contact", [*contact, _maybe("Email", brand.contact_email, _NAME)])
        yield from _tax_registration(issuer.vat_id)
        yield from _element("BankAccount", [_leaf("IBANNumber", issuer.iban, _MIDDLE), _maybe("BIC", issuer.bic, 11)])

    # ---- master files ----------------------------------------------------------------------------------------------
    def _masters(self) -> Iterator[str]:
        accounts = _sums(self.opening, self._sides(), lambda side: side.account)
        if accounts:
            yield from _element("GeneralLedgerAccounts", self._accounts(accounts))
        for group, single, role, kind in (
            ("Customers", "Customer", "CustomerID", Account.RECEIVABLE.value),
            ("Suppliers", "Supplier", "SupplierID", Account.PAYABLE.value),
        ):
            mine = (
                [each for each in self.opening if _kind(each) == kind],
                [each for each in self._sides() if _kind(each) == kind],
            )
            known = _sums(*mine, lambda side: side.ours)
            home = {side.ours: side for part in mine for side in part}
            if known:
                made = [_element(single, self._partner(role, home[ours], known[ours])) for ours in sorted(known)]
                yield from _element(group, (text for each in made for text in each))
        yield from self._tax_table()

    def _sides(self) -> Iterator[Side]:
        return (side for booking in self.bookings for side in booking.sides)

    def _accounts(self, sums: Mapping[str, tuple[int, int]]) -> Iterator[str]:
        names: dict[str, set[str]] = defaultdict(set)
        for side in (*self.opening, *self._sides()):
            names[side.account].add(_kind(side))
        for place in (0, 1):
            if sum(pair[place] for pair in sums.values()):
                raise InvariantBroken("the balances of an audit file do not add up", period=self.ledger.label)
        for account in sorted(sums):
            grouping = self._grouping(account, names[account])
            said = ", ".join(sorted(names[account])).replace("_", " ")
            inner = [
                _leaf("AccountID", account, _NAME),
                _leaf("AccountDescription", said, _LONG),
                _leaf("GroupingCategory", grouping.category, _LONG),
                _leaf("GroupingCode", grouping.code, _MIDDLE),
                _leaf("AccountType", "GL", _SHORT),
            ]
            yield from _element("Account", [*inner, *self._balances(sums[account])])

    def _grouping(self, account: str, kinds: Iterable[str]) -> Grouping:
        known = self.settings.grouping
        found = next((known[name] for name in (account, *sorted(kinds)) if name in known), None)
        if found is None and self.ledger.issuer.address.country == "NO":
            raise InvalidInput(
                f"account {account} has no place in the business statement", field=f"chart.saft.grouping.{account}"
            )
        return found or _NOT_MAPPED

    def _balances(self, pair: tuple[int, int]) -> Iterator[str]:
        for name, minor in zip(("Opening", "Closing"), pair, strict=True):
            side = "Credit" if minor < 0 else "Debit"
            yield _leaf(f"{name}{side}Balance", _amount(Money(abs(minor), self.currency)), 20)

    def _partner(self, role: str, side: Side, pair: tuple[int, int]) -> Iterator[str]:
        _, _, subject = side.ours.partition(":")
        known = self.ledger.partners.get(side.ours) or Partner(name=subject)
        yield from _identified(known)
        yield from _tax_registration(known.vat_id)
        yield _leaf(role, side.auxiliary or subject, _MIDDLE)
        if known.self_billing:
            yield _leaf("SelfBillingIndicator", "1", _CODE)
        yield from _element("BalanceAccount", [_leaf("AccountID", side.account, _NAME), *self._balances(pair)])

    def _tax_table(self) -> Iterator[str]:
        rows: dict[str, TaxRow] = {}
        for booking in self.bookings:
            for row in self.ledger.taxes.get(booking.entry, ()):
                rows.setdefault(_tax_code(booking, row), row)
        if not rows:
            return
        entry = [_leaf("TaxType", "MVA", _CODE), _leaf("Description", "Merverdiavgift", _LONG)]
        for code, row in sorted(rows.items()):
            way = "input" if code.startswith("IN-") else "output"
            entry += _element(
                "TaxCodeDetails",
                [
                    _leaf("TaxCode", code, _NAME),
                    _leaf("Description", f"{row.country} {way} VAT, category {row.category}", _LONG),
                    _leaf("TaxPercentage", number(row.rate), 20),
                    _leaf("Country", row.country, 2),
                    _leaf("StandardTaxCode", self.settings.tax_codes.get(code, "NA"), 2),
                    _leaf("BaseRate", "100", 3),
                ],
            )
        yield from _element("TaxTable", _element("TaxTableEntry", entry))

    # ---- entries ---------------------------------------------------------------------------------------------------
    def _entries(self) -> Iterator[str]:
        amounts = [side.amount.amount_minor for side in self._sides()]
        owed, owing = sum(a for a in amounts if a > 0), -sum(a for a in amounts if a < 0)
        yield _leaf("NumberOfEntries", str(len(self.bookings)), 20)
        yield _leaf("TotalDebit", _amount(Money(owed, self.currency)), 20)
        yield _leaf("TotalCredit", _amount(Money(owing, self.currency)), 20)
        for journal, (kind, said) in _JOURNALS.items():
            mine = [booking for booking in self.bookings if booking.journal == journal]
            if mine:
                yield "<Journal>\n"
                yield _leaf("JournalID", journal, _SHORT) + _leaf("Description", said, _LONG)
                yield _leaf("Type", kind, _CODE)
                for booking in mine:
                    yield from _element("Transaction", self._transaction(booking))
                yield "</Journal>\n"

    def _transaction(self, booking: Booking) -> Iterator[str]:
        if total((side.amount for side in booking.sides), self.currency):
            raise InvariantBroken("a booking does not balance", entry=booking.entry)
        months = (booking.day.month - self.settings.fiscal_year_month) % 12
        year = booking.day.year - (booking.day.month < self.settings.fiscal_year_month)
        yield _leaf("TransactionID", f"{self.ledger.label}-{booking.place:06d}", _NAME)
        yield _leaf("Period", str(months + 1), 2)
        yield _leaf("PeriodYear", str(year), 4)
        yield _leaf("TransactionDate", booking.day.isoformat(), 10)
        yield _leaf("VoucherType", booking.entry.partition("#")[0], _NAME)
        yield _leaf("Description", booking.text or booking.entry, _LONG)
        yield _leaf("SystemEntryDate", booking.day.isoformat(), 10)
        yield _leaf("GLPostingDate", booking.day.isoformat(), 10)
        rows = self.ledger.taxes.get(booking.entry, ())
        bearer = _bearer(booking, rows)
        for place, side in enumerate(booking.sides, start=1):
            mine = rows if place == bearer else ()
            yield self._line(booking, place, side, mine)

    def _line(self, booking: Booking, place: int, side: Side, rows: Iterable[TaxRow]) -> str:
        """One line as one text: there are some hundred thousand of them in a month."""
        role = ""
        if side.auxiliary is not None:
            name = "CustomerID" if _kind(side) == Account.RECEIVABLE.value else "SupplierID"
            role = _leaf(name, side.auxiliary, _MIDDLE)
        way = "DebitAmount" if side.amount.amount_minor > 0 else "CreditAmount"
        taxes = "".join(text for row in rows for text in _element("TaxInformation", _tax(booking, row)))
        return (
            f"<Line><RecordID>{place}</RecordID>{_leaf('AccountID', side.account, _NAME)}"
            f"{_named('SourceDocumentID', booking.document)}{role}{_leaf('Description', side.name, _LONG)}"
            f"<{way}><Amount>{_amount(abs(side.amount))}</Amount></{way}>{taxes}"
            f"{_named('ReferenceNumber', booking.document)}"
            f"{_named('CrossReference', (booking.mirrors or '').partition('#')[2])}</Line>\n"
        )


# ---- VAT -----------------------------------------------------------------------------------------------------------
def _tax_code(booking: Booking, row: TaxRow) -> str:
    way = "IN" if booking.journal == "PURCHASES" else "OUT"
    return f"{way}-{row.country}-{row.category}-{number(row.rate)}"


def _bearer(booking: Booking, rows: Sequence[TaxRow]) -> int | None:
    """The line that carries a document's VAT: the first of the VAT account, else the first of revenue or cost."""
    if not rows:
        return None
    sign = 1 if booking.journal == "PURCHASES" else -1
    stated = sum(row.tax.amount_minor for row in rows) * sign
    if stated != sum(side.amount.amount_minor for side in booking.sides if _kind(side) in _VAT):
        raise InvariantBroken("the VAT of a document is not that of its entry", entry=booking.entry)
    for wanted in (_VAT, _NET):
        for place, side in enumerate(booking.sides, start=1):
            if _kind(side) in wanted:
                return place
    raise InvariantBroken("a document with VAT rows and no line for them", entry=booking.entry)


def _tax(booking: Booking, row: TaxRow) -> Iterator[str]:
    """A row of the breakdown; its base has the sign that it has on the side it is stated on."""
    sign = 1 if booking.journal == "PURCHASES" else -1
    decisive = row.tax.amount_minor or row.taxable.amount_minor
    debit = decisive * sign > 0
    base = row.taxable if decisive >= 0 else -row.taxable
    yield _leaf("TaxType", "MVA", _CODE)
    yield _leaf("TaxCode", _tax_code(booking, row), _NAME)
    yield _leaf("TaxPercentage", number(row.rate), 20)
    yield _leaf("Country", row.country, 2)
    yield _leaf("TaxBase", _amount(base), 20)
    name = "DebitTaxAmount" if debit else "CreditTaxAmount"
    yield from _element(name, [_leaf("Amount", _amount(abs(row.tax)), 20)])
    yield _maybe("TaxExemptionReason", row.reason, _NAME)


# ---- small parts ---------------------------------------------------------------------------------------------------
def _kind(side: Side) -> str:
    return side.ours.partition(":")[0]


def _sums(opening: Iterable[Side], moved: Iterable[Side], key: Callable[[Side], str]) -> dict[str, tuple[int, int]]:
    """Opening and closing balance in minor units by key."""
    before: dict[str, int] = defaultdict(int)
    after: dict[str, int] = defaultdict(int)
    for side in opening:
        before[key(side)] += side.amount.amount_minor
        after[key(side)] += side.amount.amount_minor
    for side in moved:
        after[key(side)] += side.amount.amount_minor
    return {name: (before[name], after[name]) for name in after}


def _identified(known: Partner) -> Iterator[str]:
    yield _named("RegistrationNumber", known.registration or "")
    yield _leaf("Name", known.name, _LONG)
    address = [
        _maybe("StreetName", known.lines[0] if known.lines else None, _LONG),
        _maybe("AdditionalAddressDetail", ", ".join(known.lines[1:]), _LONG),
        _maybe("City", known.city, _LONG),
        _maybe("PostalCode", known.postal_code, _NAME),
        _maybe("Country", known.country, 2),
    ]
    if any(address):
        yield from _element("Address", address)


def _tax_registration(vat_id: str | None) -> Iterator[str]:
    if vat_id:
        yield from _element("TaxRegistration", [_leaf("TaxRegistrationNumber", vat_id, _MIDDLE)])


def _amount(value: Money) -> str:
    return format(value.to_decimal(), "f")


@lru_cache(maxsize=8192)
def _leaf(name: str, text: str, most: int) -> str:
    """One element; its text is cut to the length of its type and holds only what XML can carry."""
    return f"<{name}>{escape(clean(text)[:most].strip())}</{name}>"


def _maybe(name: str, text: str | None, most: int) -> str:
    return _leaf(name, text, most) if text and clean(text) else ""


@lru_cache(maxsize=8192)
def _named(name: str, text: str) -> str:
    """A number; one that is too long is left out, for a cut number is another one."""
    return _leaf(name, text, _MIDDLE) if 0 < len(clean(text)) <= _MIDDLE else ""


def _element(name: str, inner: Iterable[str]) -> Iterator[str]:
    yield f"<{name}>"
    yield from inner
    yield f"</{name}>\n"
