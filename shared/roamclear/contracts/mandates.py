"""Where a domestic invoice must be an e-invoice, and since when (product.md D.5, as known on 21 Nov 2026); pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Mandate:
    """The duty to issue e-invoices between businesses of a country.

    ``network``: only delivery through an access point, platform or state portal counts. Elsewhere the PDF with the XML
    inside, sent by mail, is an e-invoice. ``also_foreign``: sellers of the country owe it for foreign buyers as well.
    """

    country: str
    since: date
    network: bool = True
    also_foreign: bool = False


#: The first day on which the duty holds for some businesses: a contract cannot know the issuer's size.
MANDATES = (
    Mandate("BE", date(2026, 1, 1)),
    Mandate("DE", date(2027, 1, 1), network=False),
    Mandate("FR", date(2026, 9, 1)),
    Mandate("GR", date(2026, 1, 1)),
    Mandate("HR", date(2026, 1, 1)),
    Mandate("IT", date(2019, 1, 1)),
    Mandate("LV", date(2028, 1, 1)),
    Mandate("PL", date(2026, 2, 1), also_foreign=True),
    Mandate("RO", date(2024, 1, 1)),
)


def mandate(seller_country: str, buyer_country: str, day: date) -> Mandate | None:
    """The duty that holds for an invoice of a day, or None.

    >>> mandate("BE", "BE", date(2025, 12, 31)) is None, mandate("BE", "BE", date(2026, 1, 1)).country
    (True, 'BE')
    >>> mandate("BE", "NL", date(2026, 6, 1)) is None, mandate("PL", "DE", date(2026, 6, 1)).country
    (True, 'PL')
    """
    for row in MANDATES:
        domestic = buyer_country == seller_country
        if row.country == seller_country and row.since <= day and (domestic or row.also_foreign):
            return row
    return None
