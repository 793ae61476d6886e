"""The doors of the rating room: read a CDR or tariff, price it, check it, compare two prices. All of it is pure."""

from __future__ import annotations

from roamclear.contracts.model import Basis
from roamclear.rating.compare import Comparison, Tolerance, Variance, compare, lines_of_cdr
from roamclear.rating.consistency import duration_h, seconds_for_hours, self_consistency, volume_sum
from roamclear.rating.countries import alpha2, alpha3
from roamclear.rating.currencies import is_currency
from roamclear.rating.engine import rate, reservation_expired
from roamclear.rating.exact import half_up, plain
from roamclear.rating.grid import EvseFacts, GridLine, PriceGrid, Scope, choose_line, rate_with_grid
from roamclear.rating.normalise import detect_version, normalise_cdr, normalise_for_rating
from roamclear.rating.normalise_tariff import normalise_tariff
from roamclear.rating.rounding import round_components, round_lines
from roamclear.rating.verify import own_tariff, verify, verify_against

__all__ = [
    "Basis",
    "Comparison",
    "EvseFacts",
    "GridLine",
    "PriceGrid",
    "Scope",
    "Tolerance",
    "Variance",
    "alpha2",
    "alpha3",
    "choose_line",
    "compare",
    "detect_version",
    "duration_h",
    "half_up",
    "is_currency",
    "lines_of_cdr",
    "normalise_cdr",
    "normalise_for_rating",
    "normalise_tariff",
    "own_tariff",
    "plain",
    "rate",
    "rate_with_grid",
    "reservation_expired",
    "round_components",
    "round_lines",
    "seconds_for_hours",
    "self_consistency",
    "verify",
    "verify_against",
    "volume_sum",
]
