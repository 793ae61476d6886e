"""Sums of a document, in integers: VAT once per category on the document's sum, half-up (rules.md 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from roamclear.documents.invoice_model import Line, Totals, VatCategory, VatReason, VatTotal
from roamclear.kernel.money import HALF_UP, Money, total


def tax_of(taxable: Money, rate: Decimal) -> Money:
    """VAT of a sum at a rate in percent, rounded half-up once (BT-117 = BT-116 x BT-119 / 100, BR-CO-17).

    >>> tax_of(Money(137163, "EUR"), Decimal("19"))
    Money(26061, 'EUR')
    """
    return Money.from_decimal(taxable.to_decimal() * rate / 100, taxable.currency, rounding=HALF_UP)


def vat_breakdown(
    lines: Iterable[Line], currency: str, reasons: Mapping[VatCategory, VatReason] | None = None
) -> tuple[VatTotal, ...]:
    """One row per category and rate (BG-23), in the order category, rate descending; ``reasons`` for AE, O, Z and E.

    Only AE, O and E carry a reason in EN 16931 (BR-S-10 and BR-Z-10 forbid it elsewhere).
    """
    sums: dict[tuple[VatCategory, Decimal], Money] = {}
    for line in lines:
        key = (line.vat_category, Decimal(format(line.vat_rate.normalize(), "f")))
        sums[key] = sums.get(key, Money.zero(currency)) + line.net
    rows = []
    for (category, rate), taxable in sorted(sums.items(), key=lambda item: (_ORDER[item[0][0]], -item[0][1])):
        silent = category in (VatCategory.STANDARD, VatCategory.ZERO)
        reason = None if silent else (reasons or {}).get(category)
        rows.append(VatTotal(category=category, rate=rate, taxable=taxable, tax=tax_of(taxable, rate), reason=reason))
    return tuple(rows)


_ORDER = {category: place for place, category in enumerate(VatCategory)}


def totals(vat: Iterable[VatTotal], currency: str, *, prepaid: Money | None = None) -> Totals:
    """Document totals from the breakdown (BR-CO-10, 13, 14, 15, 16)."""
    rows = list(vat)
    net = total((row.taxable for row in rows), currency)
    tax = total((row.tax for row in rows), currency)
    paid = prepaid if prepaid is not None else Money.zero(currency)
    gross = net + tax
    return Totals(net=net, tax=tax, gross=gross, prepaid=paid, due=gross - paid)
