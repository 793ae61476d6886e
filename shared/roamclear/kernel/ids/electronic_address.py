"""Electronic addresses of Peppol participants: a scheme of the EAS list and an id that fits it (BT-34, BT-49).

The list and the formats are those of the rules of Peppol BIS Self-Billing 3.0 (CL008, COMMON-R040 to R050).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from stdnum import ean
from stdnum.au import abn
from stdnum.be import vat as belgian
from stdnum.no import orgnr as norwegian
from stdnum.se import orgnr as swedish

from roamclear.kernel.errors import InvalidInput

#: Schemes that name a participant of the network; an e-mail address (EM) is none.
SCHEMES = frozenset({
    "0002", "0007", "0009", "0037", "0060", "0088", "0096", "0097", "0106", "0130", "0135", "0142", "0147", "0151",
    "0170", "0177", "0183", "0184", "0188", "0190", "0191", "0192", "0193", "0195", "0196", "0198", "0199", "0200",
    "0201", "0202", "0204", "0208", "0209", "0210", "0211", "0212", "0213", "0215", "0216", "0218", "0221", "0230",
    "0235", "9901", "9906", "9907", "9910", "9913", "9914", "9915", "9918", "9919", "9920", "9922", "9923", "9924",
    "9925", "9926", "9927", "9928", "9929", "9930", "9931", "9932", "9933", "9934", "9935", "9936", "9937", "9938",
    "9939", "9940", "9941", "9942", "9943", "9944", "9945", "9946", "9947", "9948", "9949", "9950", "9951", "9952",
    "9953", "9957", "9959",
})  # fmt: skip


def _shaped(pattern: str, check: Callable[[str], bool] = lambda _: True) -> Callable[[str], bool]:
    shape = re.compile(pattern, re.ASCII)
    return lambda text: shape.fullmatch(text) is not None and check(text)


_FORMATS: dict[str, Callable[[str], bool]] = {
    "0007": _shaped(r"\d{10}", swedish.is_valid),
    "0088": _shaped(r"\d{13}", ean.is_valid),
    "0151": _shaped(r"\d{11}", abn.is_valid),
    "0184": _shaped(r"DK\d{8}"),
    "0192": _shaped(r"\d{9}", norwegian.is_valid),
    "0208": _shaped(r"\d{10}", belgian.is_valid),
}


def is_participant(scheme: str | None) -> bool:
    """Whether ids of a scheme name participants of the network.

    >>> is_participant("0088"), is_participant("EM"), is_participant(None)
    (True, False, False)
    """
    return scheme in SCHEMES


def validate(scheme: str, text: str) -> str:
    """The id as it is, or ``InvalidInput`` where it does not fit its scheme; schemes without a format take any.

    >>> validate("0088", "7300010000001")
    '7300010000001'
    """
    fits = _FORMATS.get(scheme, bool)
    if not fits(text):
        raise InvalidInput(f"not an id of scheme {scheme}", field="electronic_address")
    return text


def is_valid(scheme: str, text: str) -> bool:
    """Whether ``validate`` takes it.

    >>> is_valid("0208", "0403019261"), is_valid("0208", "0403019260"), is_valid("0192", "923609016")
    (True, False, True)
    >>> is_valid("0184", "DK12345674"), is_valid("0184", "12345674"), is_valid("0088", "7300010000002")
    (True, False, False)
    >>> is_valid("0007", "5567212047"), is_valid("0007", "5567212048"), is_valid("0151", "51824753556")
    (True, False, True)
    """
    try:
        validate(scheme, text)
    except InvalidInput:
        return False
    return True
