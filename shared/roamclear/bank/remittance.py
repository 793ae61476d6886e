"""Finds our references and invoice numbers in what payers write (rules.md 9, banking.md 4.3).

Payers change case, add blanks, drop or swap punctuation and mistake O for 0 or I and l for 1; banks cut lines
anywhere. Numbers are therefore compared after folding, but never inside a longer number: ``INV-2026-1`` is not in
``INV-2026-12``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from stdnum import iso11649

from roamclear.bank.model import Reference, ReferenceKind

_FOLD = {"O": "0", "I": "1", "L": "1"}
_RF_START = re.compile(r"(?<![A-Z0-9])R *F *[0-9] *[0-9]")
_QRR = re.compile(r"(?<![0-9])(?:[0-9] *){26}[0-9](?![0-9])")
_QRR_TABLE = (0, 9, 4, 6, 8, 2, 7, 1, 3, 5)
_DIGIT_CHAIN = re.compile(
    r"(?:(?P<word>[A-Za-z]{1,12})[ .:]+)?(?<![0-9A-Za-z])(?<![A-Za-z0-9][-/_])(?P<digits>[0-9](?:[0-9 ./_-]*[0-9])?)"
    r"(?![0-9A-Za-z])(?![-/_][A-Za-z])"
)
_SEPARATORS = frozenset(",;:+()&")
MAX_TEXT = 10_000


class Strength(StrEnum):
    """How surely a number was meant.

    ``COMPLETE`` stands by itself, ``TOUCHING`` has letters stuck to it, ``DOUBTFUL`` may go on behind a blank.
    """

    COMPLETE = "COMPLETE"
    TOUCHING = "TOUCHING"
    DOUBTFUL = "DOUBTFUL"


@dataclass(frozen=True, slots=True)
class Found:
    """A known number found in a text."""

    number: str
    strength: Strength


def normalise(value: str) -> str:
    """Fold a number or text: upper case, letters and digits only, O to 0, I and L to 1.

    >>> normalise("inv 2O26/ooo-l2")
    '1NV202600012'
    """
    return _folded(value)[0]


def _folded(value: str) -> tuple[str, list[int]]:
    letters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(value[:MAX_TEXT]):
        if char.isascii() and char.isalnum():
            upper = char.upper()
            letters.append(_FOLD.get(upper, upper))
            places.append(place)
    return "".join(letters), places


def compact_reference(value: str) -> str:
    """A structured reference without blanks, upper case.

    >>> compact_reference("rf18 5390 0754 7034")
    'RF18539007547034'
    """
    return "".join(value.split()).upper()


def classify_reference(value: str) -> Reference:
    """Say by check digits what a structured reference is: RF (ISO 11649), QRR / ISR (mod 10 recursive) or another.

    >>> classify_reference("RF18 5390 0754 7034").kind
    <ReferenceKind.RF: 'RF'>
    >>> classify_reference("21 00000 00003 13947 14300 09017").kind
    <ReferenceKind.QRR: 'QRR'>
    >>> classify_reference("RF19 5390 0754 7034").kind
    <ReferenceKind.OTHER: 'OTHER'>
    """
    compact = compact_reference(value)[:140]
    if is_rf(compact):
        return Reference(kind=ReferenceKind.RF, value=compact)
    if is_qrr(compact):
        return Reference(kind=ReferenceKind.QRR, value=compact)
    return Reference(kind=ReferenceKind.OTHER, value=compact)


def is_rf(compact: str) -> bool:
    """ISO 11649: RF, two check digits, 1 to 21 letters or digits, mod 97 = 1."""
    if not (5 <= len(compact) <= 25 and compact.startswith("RF") and compact.isascii() and compact.isalnum()):
        return False
    return bool(iso11649.is_valid(compact))


def is_qrr(compact: str) -> bool:
    """Swiss QR reference or old ISR: 27 digits, the last one by modulo 10 recursive, not all zeros."""
    if len(compact) != 27 or not compact.isascii() or not compact.isdigit() or not compact.strip("0"):
        return False
    carry = 0
    for digit in compact[:-1]:
        carry = _QRR_TABLE[(carry + int(digit)) % 10]
    return (10 - carry) % 10 == int(compact[-1])


def find_references(value: str) -> tuple[Reference, ...]:
    """Valid RF and QRR references written in free text, blanks inside allowed.

    Where several lengths of an RF reference satisfy the check digits all are given: only one that is open can match.

    >>> [r.value for r in find_references("Rechnung, Ref. rf18 5390 0754 7034 danke")]
    ['RF18539007547034']
    """
    upper = value[:MAX_TEXT].upper()
    found: dict[str, Reference] = {}
    for match in _RF_START.finditer(upper):
        for candidate in _rf_candidates(upper, match.start()):
            found.setdefault(candidate, Reference(kind=ReferenceKind.RF, value=candidate))
    for match in _QRR.finditer(upper):
        compact = match.group().replace(" ", "")
        if is_qrr(compact):
            found.setdefault(compact, Reference(kind=ReferenceKind.QRR, value=compact))
    return tuple(found.values())


def _rf_candidates(upper: str, start: int) -> list[str]:
    letters = ""
    candidates = []
    for place in range(start, min(len(upper), start + 60)):
        char = upper[place]
        if char.isascii() and char.isalnum():
            letters += char
        elif char not in " -./":
            break
        following = upper[place + 1 : place + 2]
        at_end = not (following.isascii() and following.isalnum())
        if char.isalnum() and at_end and is_rf(letters):
            candidates.append(letters)
        if len(letters) >= 25:
            break
    return candidates


class NumberIndex:
    """Known document numbers, folded once, to be found in many texts in one pass each."""

    def __init__(self, numbers: Iterable[str]) -> None:
        self._by_folded: dict[str, list[str]] = {}
        for number in numbers:
            folded = normalise(number)
            if len(folded) >= 4:
                self._by_folded.setdefault(folded, []).append(number)
        self._lengths = sorted({len(folded) for folded in self._by_folded}, reverse=True)
        self._prefixes = {_prefix(name) for names in self._by_folded.values() for name in names}
        self._tails: dict[str, list[tuple[str, list[str]]]] = {}
        for folded, names in self._by_folded.items():
            tail = _trailing_digits(folded)
            if len(tail) >= 5:
                self._tails.setdefault(tail[-5:], []).append((tail, names))

    def find(self, value: str) -> tuple[Found, ...]:
        """Numbers in the text, longest first at each place, none twice; two numbers that fold alike are both given.

        >>> [f.number for f in NumberIndex(["INV-2026-00012", "INV-2026-0001"]).find("inv 2026 00012")]
        ['INV-2026-00012']
        >>> NumberIndex(["2026-00012"]).find("12026-00012")
        ()
        """
        folded, places = _folded(value)
        found: dict[str, Found] = {}
        start = 0
        while start < len(folded):
            step = 1
            for length in self._lengths:
                names = self._by_folded.get(folded[start : start + length])
                if names is None or start + length > len(folded):
                    continue
                strength = _strength(value, folded, places, start, start + length)
                if strength is None:
                    continue
                for name in names:
                    shown = Strength.COMPLETE if strength is Strength.DOUBTFUL and _padded(name) else strength
                    if name not in found or shown is Strength.COMPLETE:
                        found[name] = Found(name, shown)
                step = length
                break
            start += step
        return tuple(found.values())

    def by_suffix(self, value: str) -> tuple[str, ...]:
        """Numbers of which the text holds at least the last five digits, cut at the front (rules.md 9).

        All digits that stand together in the text must be the end of the number: another year or a longer counter
        beside them speaks against it, and so does the prefix of another series before them.

        >>> NumberIndex(["INV-2026-000012", "INV-2026-000112"]).by_suffix("Rg. 00012")
        ('INV-2026-000012',)
        >>> NumberIndex(["INV-2026-000012"]).by_suffix("INV-2025-00012")
        ()
        """
        found: dict[str, None] = {}
        for match in _DIGIT_CHAIN.finditer(value[:MAX_TEXT]):
            digits = "".join(filter(_is_digit, match["digits"]))
            if not 5 <= len(digits) <= 30:
                continue
            word = normalise(match["word"] or "")
            for tail, names in self._tails.get(digits[-5:], ()):
                fitting = [n for n in names if not word or word not in self._prefixes or word == _prefix(n)]
                if tail.endswith(digits):
                    found.update(dict.fromkeys(fitting))
        return tuple(found)


def _prefix(number: str) -> str:
    match = re.match(r"[A-Za-z]*", number)
    return normalise(match.group()) if match else ""


def _trailing_digits(folded: str) -> str:
    match = re.search(r"[0-9]+$", folded)
    return match.group() if match else ""


def _strength(value: str, folded: str, places: list[int], start: int, end: int) -> Strength | None:
    """None where the match lies inside a longer number; else how freely it stands."""
    before = _neighbour(value, places, start - 1, places[start], -1) if start else ""
    after = _neighbour(value, places, end, places[end - 1], 1) if end < len(folded) else ""
    if _digit_like(before, folded[start]) or _digit_like(after, folded[end - 1]):
        return None
    more = _goes_on(value, places, end - 1, end) if end < len(folded) else False
    began = _goes_on(value, places, start - 1, start) if start else False
    if began:
        return Strength.TOUCHING
    if more:
        return Strength.DOUBTFUL
    return Strength.TOUCHING if before or after else Strength.COMPLETE


def _padded(number: str) -> bool:
    """Whether the counter is filled up with zeros: then no longer number of the same series begins with it."""
    match = re.search(r"[0-9]+$", number)
    return match is not None and match.group().startswith("0")


def _goes_on(value: str, places: list[int], left: int, right: int) -> bool:
    """Whether digits stand on both sides of a gap that may lie inside a number (blanks, dots, dashes, slashes)."""
    gap = value[places[left] + 1 : places[right]]
    digits = _is_digit(value[places[left]]) and _is_digit(value[places[right]])
    return digits and not any(char in _SEPARATORS for char in gap)


def _neighbour(value: str, places: list[int], index: int, edge: int, step: int) -> str:
    """The character that touches the match without a separator, or nothing."""
    return value[places[index]] if places[index] == edge + step else ""


def _is_digit(char: str) -> bool:
    return char.isascii() and char.isdigit()


def _digit_like(char: str, inner: str) -> bool:
    """A touching character that continues the number: a digit, or a letter that is often typed for one."""
    return bool(char) and _is_digit(inner) and (_is_digit(char) or char.upper() in _FOLD)
