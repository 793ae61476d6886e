"""Pure decisions of billing: lines, totals, numbers and references."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from roamclear.cdrs.model import PricedLine, Session
from roamclear.kernel.ids import rf_reference

_CONFUSED = str.maketrans({"O": "0", "I": "1", "L": "1"})


@dataclass(frozen=True, slots=True, order=True)
class LineKey:
    """What sessions share on one line (rules.md 7)."""

    section: str
    country: str
    component: str
    unit_price: Decimal
    contract_version: int
    vat_category: str
    vat_rate: Decimal


def vat_of_line(session: Session, line: PricedLine) -> tuple[str, Decimal]:
    """Category and rate in percent of a line: its own where its component is treated apart, else its session's."""
    if line.vat_category is not None:
        return line.vat_category, line.vat_rate_percent or Decimal(0)
    return session.vat_category or "", session.vat_rate_percent or Decimal(0)


def number(prefix: str, type_code: str, year: int, sequence: int) -> str:
    """A document number; its digits stay readable after O/0 and I/l/1 are folded.

    >>> number("VW", "380", 2026, 12)
    'VW-2026-000012'
    >>> number("VW", "381", 2026, 3)
    'VWC-2026-000003'
    """
    mark = {"380": "", "381": "C", "384": "K", "389": "G", "261": "H"}[type_code]
    return f"{prefix}{mark}-{year}-{sequence:06d}"


def is_credit(type_code: str) -> bool:
    """Whether a document of this type states what is owed less, as positive amounts."""
    return type_code in ("381", "261")


def series(prefix: str, type_code: str, year: int) -> str:
    """The series of a document: issuer prefix x type x issue year.

    >>> series("VW", "380", 2026)
    'VW.380.2026'
    """
    return f"{prefix}.{type_code}.{year}"


def normalised(number_text: str) -> str:
    """A document number as the matching compares it: no blanks or punctuation, O is 0, I and l are 1.

    >>> normalised("vw-2O26-00 00l2")
    'VW2026000012'
    """
    return re.sub(r"[^A-Z0-9]", "", number_text.upper()).translate(_CONFUSED)


def reference(number_text: str) -> str:
    """The RF reference of a document (ISO 11649, product.md row 74).

    >>> reference("VW-2026-000012")
    'RF46VW2026000012'
    """
    return rf_reference.make(normalised(number_text))


def placeholder(prefix: str, type_code: str, year: int) -> str:
    """A number of equal length for the checks before the real one is taken."""
    return number(prefix, type_code, year, 999_999)
