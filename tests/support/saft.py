"""The public structure of SAF-T Financial 1.30 as far as it is used, and what must add up in such a file.

Written down from the published description: order, occurrence and lengths. The schema itself belongs to its authority.
"""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

SPACE = "{urn:StandardAuditFile-Taxation-Financial:NO}"
DATE, INTEGER, PERCENT = r"\d{4}-\d{2}-\d{2}", r"\d+", r"-?\d+(\.\d+)?"
MONEY = r"-?\d{1,16}(\.\d{1,2})?"


def text(most: int) -> str:
    """Any text of at most so many characters."""
    return rf"(?s:.{{0,{most}}})"


CODE, SHORT, MIDDLE, NAME, LONG = text(9), text(18), text(35), text(70), text(256)
COUNTRY, CURRENCY = r"[A-Z]{2}", r"[A-Z]{3}"
#: A child is (name, least, most, kind); a tuple of children in a list is a choice of exactly one.
AMOUNT = [("Amount", 1, 1, MONEY)]
ADDRESS = [
    ("StreetName", 0, 1, LONG), ("AdditionalAddressDetail", 0, 1, LONG), ("City", 0, 1, LONG),
    ("PostalCode", 0, 1, NAME), ("Country", 0, 1, COUNTRY),
]  # fmt: skip
PERSON = [("FirstName", 1, 1, MIDDLE), ("LastName", 1, 1, NAME)]
CONTACT = [("ContactPerson", 1, 1, PERSON), ("Telephone", 0, 1, SHORT), ("Email", 0, 1, NAME)]
BANK = [("IBANNumber", 1, 1, MIDDLE), ("BIC", 0, 1, SHORT)]
TAX_ID = [("TaxRegistrationNumber", 1, 1, MIDDLE)]


def company(least: int) -> list[Any]:
    """A company; the one of the header has a register number and a contact."""
    return [
        ("RegistrationNumber", least, 1, MIDDLE), ("Name", 1, 1, LONG), ("Address", 0, 9, ADDRESS),
        ("Contact", least, 9, CONTACT), ("TaxRegistration", 0, 9, TAX_ID), ("BankAccount", 0, 9, BANK),
    ]  # fmt: skip


def pair(name: str) -> tuple[Any, ...]:
    """A debit or a credit balance."""
    return ((f"{name}DebitBalance", 1, 1, MONEY), (f"{name}CreditBalance", 1, 1, MONEY))


BALANCE = [("AccountID", 0, 1, NAME), pair("Opening"), pair("Closing")]


def partner(role: str) -> list[Any]:
    """A customer or supplier."""
    return [*company(0), (role, 1, 1, MIDDLE), ("SelfBillingIndicator", 0, 1, CODE), ("BalanceAccount", 0, 9, BALANCE)]


ACCOUNT = [
    ("AccountID", 1, 1, NAME), ("AccountDescription", 1, 1, LONG), ("GroupingCategory", 1, 1, LONG),
    ("GroupingCode", 1, 1, MIDDLE), ("AccountType", 1, 1, "GL"), pair("Opening"), pair("Closing"),
]  # fmt: skip
TAX_CODE = [
    ("TaxCode", 1, 1, NAME), ("Description", 0, 1, LONG), ("TaxPercentage", 0, 1, PERCENT), ("Country", 1, 1, COUNTRY),
    ("StandardTaxCode", 1, 1, "[0-9anAN]{1,2}"), ("BaseRate", 1, 9, PERCENT),
]  # fmt: skip
TAX = [
    ("TaxType", 0, 1, "MVA"), ("TaxCode", 0, 1, NAME), ("TaxPercentage", 0, 1, PERCENT), ("Country", 0, 1, COUNTRY),
    ("TaxBase", 0, 1, PERCENT), (("DebitTaxAmount", 1, 1, AMOUNT), ("CreditTaxAmount", 1, 1, AMOUNT)),
    ("TaxExemptionReason", 0, 1, NAME),
]  # fmt: skip
LINE = [
    ("RecordID", 1, 1, SHORT), ("AccountID", 1, 1, NAME), ("SourceDocumentID", 0, 1, MIDDLE),
    ("CustomerID", 0, 1, MIDDLE), ("SupplierID", 0, 1, MIDDLE), ("Description", 1, 1, LONG),
    (("DebitAmount", 1, 1, AMOUNT), ("CreditAmount", 1, 1, AMOUNT)), ("TaxInformation", 0, 99, TAX),
    ("ReferenceNumber", 0, 1, MIDDLE), ("CrossReference", 0, 1, MIDDLE),
]  # fmt: skip
TRANSACTION = [
    ("TransactionID", 1, 1, NAME), ("Period", 1, 1, INTEGER), ("PeriodYear", 1, 1, r"(19[7-9]|20\d|2100)\d?"),
    ("TransactionDate", 1, 1, DATE), ("VoucherType", 0, 1, NAME), ("Description", 1, 1, LONG),
    ("SystemEntryDate", 1, 1, DATE), ("GLPostingDate", 1, 1, DATE), ("Line", 1, 9999, LINE),
]  # fmt: skip
JOURNAL = [
    ("JournalID", 1, 1, SHORT), ("Description", 1, 1, LONG), ("Type", 1, 1, CODE),
    ("Transaction", 0, 99999, TRANSACTION),
]  # fmt: skip
HEADER = [
    ("AuditFileVersion", 1, 1, r"1\.30"), ("AuditFileCountry", 1, 1, COUNTRY), ("AuditFileDateCreated", 1, 1, DATE),
    ("SoftwareCompanyName", 1, 1, NAME), ("SoftwareID", 1, 1, LONG), ("SoftwareVersion", 1, 1, SHORT),
    ("Company", 1, 1, company(1)), ("DefaultCurrencyCode", 1, 1, CURRENCY),
    ("SelectionCriteria", 1, 1, [("SelectionStartDate", 1, 1, DATE), ("SelectionEndDate", 1, 1, DATE)]),
    ("TaxAccountingBasis", 1, 1, "A"),
]  # fmt: skip
TABLE = [("TaxType", 1, 1, "MVA"), ("Description", 1, 1, "Merverdiavgift"), ("TaxCodeDetails", 1, 999, TAX_CODE)]
MASTERS = [
    ("GeneralLedgerAccounts", 0, 1, [("Account", 1, 9999, ACCOUNT)]),
    ("Customers", 0, 1, [("Customer", 1, 9999, partner("CustomerID"))]),
    ("Suppliers", 0, 1, [("Supplier", 1, 9999, partner("SupplierID"))]),
    ("TaxTable", 0, 1, [("TaxTableEntry", 1, 999, TABLE)]),
]
ENTRIES = [
    ("NumberOfEntries", 1, 1, INTEGER), ("TotalDebit", 1, 1, MONEY), ("TotalCredit", 1, 1, MONEY),
    ("Journal", 0, 99, JOURNAL),
]  # fmt: skip
FILE = [("Header", 1, 1, HEADER), ("MasterFiles", 0, 1, MASTERS), ("GeneralLedgerEntries", 0, 1, ENTRIES)]


def read(data: bytes) -> ElementTree.Element:
    """The root of an audit file; it is well-formed and of the right name."""
    root = ElementTree.fromstring(data)
    assert root.tag == f"{SPACE}AuditFile"
    return root


def faults(element: ElementTree.Element, kind: Any = None, path: str = "") -> list[str]:
    """What does not fit the structure: order, occurrence, type of text."""
    kind = FILE if kind is None else kind
    if isinstance(kind, str):
        fits = not len(element) and re.fullmatch(kind, element.text or "")
        return [] if fits else [f"{path}: {element.text!r} is not {kind}"]
    found, children = [], list(element)
    for slot in kind:
        options = slot if isinstance(slot[0], tuple) else (slot,)
        taken = 0
        while children and taken < options[0][2]:
            match = [o for o in options if children[0].tag == SPACE + o[0]]
            if not match:
                break
            taken += 1
            found += faults(children.pop(0), match[0][3], f"{path}/{match[0][0]}")
        if taken < options[0][1]:
            found.append(f"{path}: {' or '.join(o[0] for o in options)} is missing")
    return [*found, *(f"{path}: {child.tag} stands where it must not" for child in children)]


def value(element: ElementTree.Element, path: str) -> str:
    """The text at a path below an element."""
    return element.findtext("/".join(SPACE + name for name in path.split("/"))) or ""


def every(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """All elements of a name below one."""
    return list(element.iter(SPACE + name))


def signed(element: ElementTree.Element, debit: str, credit: str) -> Decimal:
    """A debit or credit amount of an element, the debit positive."""
    owed, owing = value(element, debit), value(element, credit)
    assert bool(owed) != bool(owing)
    assert not (owed or owing).startswith("-")
    return Decimal(owed) if owed else -Decimal(owing)


def sums(root: ElementTree.Element) -> list[str]:
    """What does not add up: each transaction, the totals, balances against movements, personal accounts, tax codes."""
    found = []
    moved: dict[str, Decimal] = defaultdict(Decimal)
    persons: dict[str, Decimal] = defaultdict(Decimal)
    debit = credit = Decimal(0)
    codes = {value(row, "TaxCode") for row in every(root, "TaxCodeDetails")}
    for transaction in every(root, "Transaction"):
        whole = Decimal(0)
        for line in every(transaction, "Line"):
            amount = signed(line, "DebitAmount/Amount", "CreditAmount/Amount")
            whole += amount
            debit, credit = debit + max(amount, Decimal(0)), credit - min(amount, Decimal(0))
            moved[value(line, "AccountID")] += amount
            person = value(line, "CustomerID") or value(line, "SupplierID")
            persons[person] += amount
            found += [f"unknown tax code {code.text}" for code in every(line, "TaxCode") if code.text not in codes]
        if whole:
            found.append(f"{value(transaction, 'TransactionID')} does not balance")
    stated = root.find(f"{SPACE}GeneralLedgerEntries")
    assert stated is not None
    if int(value(stated, "NumberOfEntries")) != len(every(root, "Transaction")):
        found.append("NumberOfEntries")
    if (Decimal(value(stated, "TotalDebit")), Decimal(value(stated, "TotalCredit"))) != (debit, credit):
        found.append("TotalDebit or TotalCredit")
    for name in ("Opening", "Closing"):
        accounts = every(root, "Account")
        if sum(signed(a, f"{name}DebitBalance", f"{name}CreditBalance") for a in accounts):
            found.append(f"{name} balances do not add up")
    found += _movements(every(root, "Account"), "AccountID", moved)
    for role, group in (("CustomerID", "Customer"), ("SupplierID", "Supplier")):
        known = {value(p, role): p for p in every(root, group)}
        inner = {number: p.find(f"{SPACE}BalanceAccount") for number, p in known.items()}
        for number, balance in inner.items():
            assert balance is not None
            found += _moved(balance, number, persons.get(number, Decimal(0)))
    return found


def _movements(accounts: list[ElementTree.Element], key: str, moved: dict[str, Decimal]) -> list[str]:
    named = {value(account, key): account for account in accounts}
    found = [f"{number} moved and is not named" for number in moved if number not in named]
    for number, account in named.items():
        found += _moved(account, number, moved.get(number, Decimal(0)))
    return found


def _moved(element: ElementTree.Element, number: str, amount: Decimal) -> list[str]:
    begin = signed(element, "OpeningDebitBalance", "OpeningCreditBalance")
    end = signed(element, "ClosingDebitBalance", "ClosingCreditBalance")
    return [] if begin + amount == end else [f"{number}: {begin} + {amount} is not {end}"]
