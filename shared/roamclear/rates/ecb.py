"""Reading the euro reference rates of the ECB (eurofxref): a cube of days, each a cube of currencies. Pure.

``eurofxref-daily.xml`` holds the last day, ``eurofxref-hist-90d.xml`` those of ninety days.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from xml.parsers import expat

from roamclear.kernel.errors import Unavailable

HOSTS = frozenset({"www.ecb.europa.eu"})
DAILY, NINETY_DAYS = "/eurofxref-daily.xml", "/eurofxref-hist-90d.xml"
#: Every file has it: a day without it is not complete.
ALWAYS = "USD"
_MOST_DAYS = 120
_MOST_CURRENCIES = 60
_FEWEST_CURRENCIES = 10
_RATE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_NAMESPACE = "http://www.ecb.int/vocabulary/2002-08-01/eurofxref"


def read(body: bytes) -> dict[date, dict[str, Decimal]]:
    """Units per euro by day and currency.

    Raises:
        Unavailable: the file is not what the ECB publishes; nothing of it is taken.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError) as error:
        raise Unavailable("the file of the ECB cannot be read") from error
    for found in reader.days.values():
        if len(found) < _FEWEST_CURRENCIES or ALWAYS not in found:
            raise Unavailable("the file of the ECB is not complete")
    if not reader.days:
        raise Unavailable("the file of the ECB holds no day")
    return reader.days


class _Reader:
    def __init__(self) -> None:
        self.days: dict[date, dict[str, Decimal]] = {}
        self._day: dict[str, Decimal] | None = None

    def doctype(self, *_: object) -> None:
        raise ValueError("a document type")

    def start(self, name: str, given: dict[str, str]) -> None:
        if name != f"{_NAMESPACE} Cube":
            return
        if "time" in given:
            day = date.fromisoformat(given["time"])
            if day in self.days or len(self.days) >= _MOST_DAYS:
                raise ValueError("a day stands twice, or there are too many")
            self._day = self.days[day] = {}
        elif "currency" in given:
            currency, rate = given["currency"], given.get("rate", "")
            if self._day is None or not _CURRENCY.fullmatch(currency) or not _RATE.fullmatch(rate):
                raise ValueError("no rate of a day")
            if currency in self._day or len(self._day) >= _MOST_CURRENCIES or not Decimal(rate):
                raise ValueError("a currency stands twice, or no rate")
            self._day[currency] = Decimal(rate)
