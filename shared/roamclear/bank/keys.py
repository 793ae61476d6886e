"""Identity of entries and transactions over all files they appear in (banking.md 4.2).

The bank's own reference is the identity where it gives one; else a digest of everything that does not change
between messages. Equal entries of one statement are told apart by counting, never merged. Transactions live under
their entry, so a batch that comes again with its details stays one booking.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date

from roamclear.bank.model import Sign, Transaction
from roamclear.bank.remittance import normalise
from roamclear.kernel.money import Money

_NO_REFERENCE = frozenset({"NONREF", "NOTPROVIDED", "NOTPROVIDEDREFERENCE", "NONE", "NOREF", "NA", "UNKNOWN"})


def given(reference: str | None) -> str | None:
    """A reference that says something: placeholders such as NONREF and NOTPROVIDED, and zeros, do not.

    >>> given("NOTPROVIDED") is None, given(" 000 ") is None, given("A1")
    (True, True, 'A1')
    """
    if reference is None:
        return None
    bare = "".join(c for c in reference.upper() if c.isascii() and c.isalnum())
    return None if not bare.strip("0") or bare in _NO_REFERENCE else reference.strip()


class EntryKeys:
    """Gives the entries of one statement their keys, counting equal ones."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._seen: Counter[str] = Counter()

    def key(
        self,
        *,
        amount: Money,
        sign: Sign,
        bank_reference: str | None,
        booked_on: date | None,
        value_on: date | None,
        bank_code: str,
        transactions: Sequence[Transaction],
    ) -> tuple[str, str]:
        """``(group key, entry key)``: the group is what one bank reference stands for, the entry is a part of it."""
        reference = given(bank_reference)
        if reference is not None:
            group = f"{self._account}|{amount.currency}|R|{reference}"
        else:
            digest = _digest(amount, sign, booked_on, value_on, bank_code, transactions)
            group = f"{self._account}|{amount.currency}|H|{digest}"
        part = f"{group}|{sign.value}{amount.amount_minor}"
        self._seen[part] += 1
        return group, f"{part}|{self._seen[part]}"


def _digest(
    amount: Money,
    sign: Sign,
    booked_on: date | None,
    value_on: date | None,
    bank_code: str,
    transactions: Sequence[Transaction],
) -> str:
    single = transactions[0] if len(transactions) == 1 else None
    lines = [text for transaction in transactions for text in transaction.remittance_lines]
    references = [r.value for transaction in transactions for r in transaction.references]
    parts = [
        booked_on.isoformat() if booked_on else "",
        value_on.isoformat() if value_on else "",
        str(amount.amount_minor),
        sign.value,
        bank_code,
        (single.end_to_end_id or "") if single else "",
        (single.transaction_id or "") if single else "",
        (single.debtor.account or "") if single else "",
        normalise("".join(lines + references)),
    ]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def transaction_keys(entry_key: str, transactions: Sequence[Transaction]) -> list[str]:
    """Entry key + bank reference, transaction id, UETR or place; equal ones are counted."""
    seen: Counter[str] = Counter()
    keys = []
    for transaction in transactions:
        own = given(transaction.bank_reference) or given(transaction.transaction_id) or transaction.uetr
        name = own or f"#{transaction.index}"
        seen[name] += 1
        keys.append(f"{entry_key}/{name}" if seen[name] == 1 else f"{entry_key}/{name}*{seen[name]}")
    return keys
