"""Reads camt.052, camt.053 and camt.054 of every version by local name, streaming, in flat memory (banking.md 2, 5).

Tolerant about everything except amount, sign and account: a doubt there refuses the file, so that nothing of it is ever
booked by guess. Whatever else is odd becomes a ``Finding``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from roamclear.bank import camt_details, xml
from roamclear.bank.camt_details import amount_of, charges_of, sign_of
from roamclear.bank.container import members
from roamclear.bank.keys import EntryKeys, transaction_keys
from roamclear.bank.model import (
    Account,
    Balance,
    CamtFile,
    Entry,
    Finding,
    Kind,
    Limits,
    Sign,
    Statement,
    StatementEnd,
    StatementHead,
    Status,
)
from roamclear.bank.xml import Readable
from roamclear.kernel.errors import InvalidInput

_BODIES = {
    "BkToCstmrStmt": Kind.STATEMENT,
    "BkToCstmrAcctRpt": Kind.REPORT,
    "BkToCstmrDbtCdtNtfctn": Kind.NOTIFICATION,
}
_STATEMENTS = ("Stmt", "Rpt", "Ntfctn")
_BODY_NAMES = tuple(f"{body}{suffix}" for body in _BODIES for suffix in ("", *(f"V{n:02d}" for n in range(1, 14))))
_VERSION = re.compile(r"camt\.05[0-9]\.[0-9]{3}\.[0-9]{2}")

Event = StatementHead | Entry | StatementEnd


def read_events(stream: Readable, limits: Limits | None = None) -> Iterator[Event]:
    """Read one camt document: per statement its head, its entries, its end.

    Raises:
        InvalidInput: not camt, not well-formed, a DOCTYPE, beyond a limit, or doubt about amount, sign or account.
    """
    return _Reader(limits or Limits()).run(stream)


def read(data: bytes, limits: Limits | None = None) -> CamtFile:
    """Read a whole dropped file (XML, zip or gzip) into memory; same errors as ``read_events``."""
    limits = limits or Limits()
    statements: list[Statement] = []
    for member in members(data, limits):
        head: StatementHead | None = None
        entries: list[Entry] = []
        for event in read_events(member, limits):
            if isinstance(event, StatementHead):
                head, entries = event, []
            elif isinstance(event, Entry):
                entries.append(event)
            else:
                statements.append(Statement(head=head or event.head, end=event, entries=tuple(entries)))
    return CamtFile(statements=tuple(statements))


class _Reader:
    """State of one pass over one document."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._kind: Kind | None = None
        self._version = ""
        self._message_id: str | None = None
        self._entries_read = 0
        self._statements_read = 0
        self._current: _Open | None = None
        self._details: list[dict[str, Any]] = []

    def run(self, stream: Readable) -> Iterator[Event]:
        ends = ("GrpHdr", "Bal", "TxDtls", "Ntry", "TxsSummry", *_STATEMENTS)
        for event, name, element in xml.parse_events(stream, ends, (*_BODY_NAMES, *_STATEMENTS, "Ntry")):
            if event == "start":
                yield from self._start(name, element)
            else:
                yield from self._end(name, element)
        if self._kind is None:
            raise InvalidInput("this is no camt.052, camt.053 or camt.054 document", field="file")

    def _start(self, name: str, element: xml.Element) -> Iterator[Event]:
        if name in _BODY_NAMES:
            if self._kind is None:
                self._kind = next(kind for body, kind in _BODIES.items() if name.startswith(body))
                space = xml.namespace(element)
                found = _VERSION.search(space)
                self._version = found.group() if found else space[:100]
        elif name in _STATEMENTS and self._kind is not None and self._current is None:
            self._statements_read += 1
            if self._statements_read > self._limits.statements:
                raise InvalidInput(f"the file has more than {self._limits.statements} statements", field="file")
            self._current = _Open(self._statements_read, element)
        elif name == "Ntry" and self._current is not None:
            self._details = []
            if self._current.head is None:
                yield self._head(self._current)

    def _end(self, name: str, element: xml.Element) -> Iterator[Event]:
        current = self._current
        if name == "GrpHdr" and self._message_id is None:
            self._message_id = xml.text(element, "MsgId")
        elif current is None:
            return
        elif name == "TxDtls":
            self._detail(current, element)
        elif name == "Ntry":
            yield self._entry(current, element)
            xml.release(element)
        elif name == "Bal" and element.getparent() is current.element:
            current.balances.append(element)
        elif name == "TxsSummry":
            current.summary = element
        elif element is current.element:
            if current.head is None:
                yield self._head(current)
            yield current.close()
            self._current = None
            xml.release(element)

    def _head(self, current: _Open) -> StatementHead:
        assert self._kind is not None
        current.head = statement_head(current, self._kind, self._version, self._message_id)
        current.keys = EntryKeys(current.head.account.id)
        return current.head

    def _detail(self, current: _Open, element: xml.Element) -> None:
        if len(self._details) >= self._limits.transactions_per_entry:
            raise InvalidInput("an entry has more transactions than the limit", field=f"{current.place}/TxDtls")
        place = f"{current.place}/entry {current.entries + 1}/transaction {len(self._details) + 1}"
        self._details.append(
            camt_details.transaction_fields(element, len(self._details), place, self._limits.text_characters)
        )
        xml.release_repeated(element)

    def _entry(self, current: _Open, element: xml.Element) -> Entry:
        self._entries_read += 1
        if self._entries_read > self._limits.entries:
            raise InvalidInput(f"the file has more than {self._limits.entries} entries", field="file")
        details, self._details = self._details, []
        return current.take(element, details)


class _Open:
    """The statement being read: what adds up over its entries."""

    def __init__(self, number: int, element: xml.Element) -> None:
        self.number = number
        self.element = element
        self.place = f"statement {number}"
        self.head: StatementHead | None = None
        self.keys: EntryKeys | None = None
        self.balances: list[xml.Element] = []
        self.summary: xml.Element | None = None
        self.entries = 0
        self.transactions = 0
        self.booked: Counter[str] = Counter()
        self.credits: Counter[str] = Counter()
        self.debits: Counter[str] = Counter()
        self.findings: list[Finding] = []

    def take(self, element: xml.Element, details: list[dict[str, Any]]) -> Entry:
        """Turn a ``Ntry`` into an entry and add it up."""
        assert self.head is not None
        assert self.keys is not None
        self.entries += 1
        entry = build_entry(element, details, self.entries, self.head, self.keys, f"{self.place}/entry {self.entries}")
        self.transactions += len(entry.transactions)
        currency, minor = entry.amount.currency, entry.amount.amount_minor
        (self.credits if entry.sign is Sign.CREDIT else self.debits)[currency] += minor
        if entry.status is Status.BOOK:
            self.booked[currency] += entry.signed.amount_minor
        return entry

    def close(self) -> StatementEnd:
        """Balances and whether everything adds up."""
        assert self.head is not None
        balances = tuple(b for element in self.balances if (b := self._balance(element)) is not None)
        end = StatementEnd(
            head=self.head,
            balances=balances,
            entries=self.entries,
            transactions=self.transactions,
            booked=dict(self.booked),
            credits=dict(self.credits),
            debits=dict(self.debits),
            findings=(),
        )
        if end.consistent is False:
            self._find("BALANCE_DIFFERS", "opening balance + booked entries is not the closing balance")
        self._compare_summary()
        return end.model_copy(update={"findings": tuple(self.findings)})

    def _find(self, code: str, message: str) -> None:
        self.findings.append(Finding(code=code, place=self.place, message=message))

    def _balance(self, element: xml.Element) -> Balance | None:
        code = xml.text(element, "Tp", "CdOrPrtry", "Cd") or xml.text(element, "Tp", "CdOrPrtry", "Prtry")
        code = code or xml.text(element, "Tp", "Cd") or "UNKNOWN"
        try:
            amount = amount_of(xml.first(element, "Amt"), f"{self.place}/balance {code}")
        except InvalidInput as error:
            self._find("BALANCE_UNREADABLE", error.message)
            return None
        mark = xml.text(element, "CdtDbtInd")
        if mark is None:
            self._find("BALANCE_SIGN_MISSING", f"balance {code[:10]} has no sign and is taken as credit")
        sub_type = xml.text(element, "Tp", "SubTp", "Cd") or xml.text(element, "Tp", "SubTp", "Prtry")
        return Balance(
            code=code[:35],
            amount=-amount if mark == Sign.DEBIT else amount,
            on=xml.day(xml.first(element, "Dt")),
            intermediate=sub_type == "INTM",
        )

    def _compare_summary(self) -> None:
        if self.summary is None:
            return
        groups = (("TtlNtries", self.entries), ("TtlCdtNtries", None), ("TtlDbtNtries", None))
        for name, count in groups:
            given = xml.text(self.summary, name, "NbOfNtries")
            if count is not None and given is not None and given != str(count):
                self._find("SUMMARY_COUNT_DIFFERS", f"{name} says {given[:15]}, the statement has {count}")
        sums = (("TtlCdtNtries", self.credits), ("TtlDbtNtries", self.debits))
        for name, added in sums:
            given = xml.text(self.summary, name, "Sum")
            if given is None or len(added) > 1:
                continue
            currency, minor = next(iter(added.items()), (self._currency(), 0))
            if not camt_details.same_amount(given, minor, currency):
                self._find("SUMMARY_SUM_DIFFERS", f"{name} does not give the sum of the entries")

    def _currency(self) -> str:
        assert self.head is not None
        return self.head.account.currency or "EUR"


def statement_head(current: _Open, kind: Kind, version: str, message_id: str | None) -> StatementHead:
    """What stands above the entries; ``InvalidInput`` where the account is not named."""
    parts = xml.kids(current.element)
    account = _account(parts.get("Acct"), current.place)
    span = parts.get("FrToDt")
    pages = parts.get("StmtPgntn")
    if pages is None:
        pages = parts.get("RptPgntn")
    if pages is None:
        pages = parts.get("NtfctnPgntn")
    page = xml.text(pages, "PgNb")
    return StatementHead(
        kind=kind,
        version=version,
        message_id=message_id,
        id=xml.text_of(parts.get("Id"), 140) or f"statement {current.number}",
        account=account,
        electronic_number=xml.text_of(parts.get("ElctrncSeqNb"), 40),
        legal_number=xml.text_of(parts.get("LglSeqNb"), 40),
        created=xml.text_of(parts.get("CreDtTm"), 40),
        created_on=xml.date_of(xml.text_of(parts.get("CreDtTm"), 40)),
        from_date=xml.date_of(xml.text(span, "FrDtTm") or xml.text(span, "FrDt")),
        to_date=xml.date_of(xml.text(span, "ToDtTm") or xml.text(span, "ToDt")),
        copy_mark=xml.text_of(parts.get("CpyDplctInd"), 10),
        page=int(page) if page and page.isascii() and page.isdigit() and len(page) < 7 else None,
        last_page=None if pages is None else xml.text(pages, "LastPgInd") == "true",
    )


def _account(element: xml.Element | None, place: str) -> Account:
    if element is None:
        raise InvalidInput("a statement without an account", field=f"{place}/Acct")
    if len(xml.every(element, "Id")) != 1:
        raise InvalidInput("a statement that does not name exactly one account", field=f"{place}/Acct/Id")
    identity = xml.first(element, "Id")
    named = [xml.text(identity, "IBAN"), xml.text(identity, "Othr", "Id"), xml.text(identity, "PrtryAcct", "Id")]
    named.extend([xml.text(identity, "BBAN"), xml.text(identity, "UPIC")])
    found = ["".join(name.split()).upper() for name in named if name]
    if not found or len(found[0]) > 70:
        raise InvalidInput("a statement without an account identification", field=f"{place}/Acct/Id")
    currency = xml.text(element, "Ccy")
    agent = xml.first(element, "Svcr", "FinInstnId")
    return Account(
        id=found[0],
        currency=currency if currency and re.fullmatch("[A-Z]{3}", currency) else None,
        owner=xml.text(element, "Ownr", "Nm"),
        bank=xml.text(agent, "BICFI") or xml.text(agent, "BIC"),
    )


def build_entry(
    element: xml.Element, details: list[dict[str, Any]], index: int, head: StatementHead, keys: EntryKeys, place: str
) -> Entry:
    """One ``Ntry``; ``InvalidInput`` on doubt about amount or sign."""
    parts = xml.kids(element)
    if len(xml.every(element, "Amt")) != 1 or len(xml.every(element, "CdtDbtInd")) != 1:
        raise InvalidInput("an entry needs exactly one amount and one sign", field=place)
    amount = amount_of(parts.get("Amt"), place)
    sign = sign_of(parts["CdtDbtInd"], place)
    findings: list[Finding] = []
    status = _status(parts.get("Sts"), head.kind, place, findings)
    bank_code = camt_details.bank_code(parts.get("BkTxCd"))
    booked_on, value_on = xml.day(parts.get("BookgDt")), xml.day(parts.get("ValDt"))
    additional = xml.text_of(parts.get("AddtlNtryInf")) or ""
    details_given = bool(details)
    transactions = camt_details.complete(details, amount, sign, bank_code, additional)
    camt_details.compare(transactions, amount, sign, details_given, place, findings)
    reference = xml.text_of(parts.get("AcctSvcrRef"), 140)
    group, key = keys.key(
        amount=amount,
        sign=sign,
        bank_reference=reference,
        booked_on=booked_on,
        value_on=value_on,
        bank_code=bank_code,
        transactions=transactions,
    )
    named = transaction_keys(key, transactions)
    return Entry(
        key=key,
        group_key=group,
        index=index,
        account=head.account.id,
        amount=amount,
        sign=sign,
        status=status,
        reversal=xml.text_of(parts.get("RvslInd")) in ("true", "1"),
        booked_on=booked_on,
        value_on=value_on,
        entry_reference=xml.text_of(parts.get("NtryRef"), 140),
        bank_reference=reference,
        bank_code=bank_code,
        charges=charges_of(xml.every(element, "Chrgs"), place, findings) if "Chrgs" in parts else (),
        additional=additional,
        batch_size=_batch_size(element, parts, details_given, len(transactions), place, findings),
        batch_payment_id=next(
            (n for g in xml.every(element, "NtryDtls") if (n := xml.text(g, "Btch", "PmtInfId"))), None
        ),
        transactions=tuple(t.model_copy(update={"key": k}) for t, k in zip(transactions, named, strict=True)),
        details_given=details_given,
        findings=tuple(findings),
    )


def _status(element: xml.Element | None, kind: Kind, place: str, findings: list[Finding]) -> Status:
    code = xml.text(element, "Cd") or xml.text(element, "Prtry") or xml.text_of(element)
    if code is None:
        message = "the entry has no status"
        findings.append(Finding(code="STATUS_MISSING", place=place, message=message))
        return Status.BOOK if kind is Kind.STATEMENT else Status.OTHER
    return Status(code) if code in Status._value2member_map_ else Status.OTHER


def _batch_size(
    element: xml.Element,
    parts: dict[str, xml.Element],
    details_given: bool,
    count: int,
    place: str,
    findings: list[Finding],
) -> int | None:
    batches = [xml.text(parts.get("Btch"), "NbOfTxs")]
    batches.extend(xml.text(group, "Btch", "NbOfTxs") for group in xml.every(element, "NtryDtls"))
    numbers = [int(n) for n in batches if n and n.isascii() and n.isdigit() and len(n) < 10]
    if not numbers:
        return None
    size = sum(numbers)
    if size != (count if details_given else 0):
        findings.append(Finding(code="BATCH_COUNT_DIFFERS", place=place, message=f"batch of {size}, other details"))
    return size
