"""Fees as lines of a document, and what a document says of periods that were carried over (product.md rows 32, 65)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

from roamclear.billing.model import Run
from roamclear.contracts.fees import FeeCharge, FeeKind
from roamclear.documents import model as doc
from roamclear.documents.days import period_text
from roamclear.documents.words import word
from roamclear.kernel.money import HALF_UP, Money


def lines(run: Run, charges: Iterable[FeeCharge], language: doc.Language, sign: int) -> Iterator[doc.Line]:
    """One line per fee, under its own name and with its own VAT.

    A line's period lies inside that of the invoice (PEPPOL-EN16931-R110, R111), so an earlier one stands in words.
    """
    for charge in charges:
        quantity = charge.quantity * sign
        own = run.first <= charge.first and charge.end <= run.end
        days = [] if own else [period_text(charge.first, charge.end - timedelta(days=1), language)]
        yield doc.Line(
            section=doc.Section(kind=doc.SectionKind.FEES),
            component=doc.Component.SERVICE,
            name=charge.name,
            description=" · ".join([*days, *_details(charge, language)]) or None,
            quantity=Decimal(format(quantity.normalize(), "f")),
            unit=doc.Unit.KWH if charge.kind is FeeKind.PER_KWH and not charge.minimum else doc.Unit.PIECE,
            net=charge.net if sign > 0 else -charge.net,
            unit_price=charge.unit_price,
            contract_version=str(charge.contract_version),
            vat_category=doc.VatCategory(charge.vat_category),
            vat_rate=charge.vat_rate,
            period_start=charge.first if own else None,
            period_end=charge.end - timedelta(days=1) if own else None,
        )


def notes(carried: Iterable[Run], language: doc.Language) -> tuple[str, ...]:
    """Which periods were carried over to this document, because each was below the smallest invoice."""
    periods = [run.period for run in carried]
    return (word("note.carried", language).format(periods=", ".join(periods)),) if periods else ()


def _details(charge: FeeCharge, language: doc.Language) -> Iterator[str]:
    """What the quantity and price of the line do not say."""
    if charge.minimum:
        yield word("fee.minimum", language)
    if charge.kind is FeeKind.PERCENT and charge.counted is not None:
        counted = Money.from_decimal(charge.counted, charge.net.currency, rounding=HALF_UP)
        text = f"{_local(counted.to_decimal(), language)} {counted.currency}"
        share = word("fee.tiers", language) if charge.percent is None else f"{_plain(charge.percent, language)}\u00a0%"
        yield word("fee.percent", language).format(share=share, amount=text)
    elif charge.minimum and charge.counted is not None:
        yield f"{_plain(charge.counted, language)} {word(f'fee.{charge.kind}', language)}"
    elif charge.counted is not None and charge.unit_price is None:
        yield word("fee.tiers", language)


def _plain(value: Decimal, language: doc.Language) -> str:
    return _local(value.normalize(), language)


def _local(value: Decimal, language: doc.Language) -> str:
    """Digits with the point of the language; the library that knows more is not loaded where documents are modelled."""
    text = format(value, "f")
    return text if language is doc.Language.EN else text.replace(".", ",")
