"""The doors of the rating room: read a CDR or tariff, price it, check it, compare two prices. All of it is pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roamclear.kernel.lazy import exports
from roamclear.rating.normalise import detect_version, normalise_cdr, normalise_for_rating
from roamclear.rating.normalise_tariff import normalise_tariff

if TYPE_CHECKING:
    from roamclear.contracts.model import Basis as Basis
    from roamclear.rating.compare import Comparison as Comparison
    from roamclear.rating.compare import Tolerance as Tolerance
    from roamclear.rating.compare import Variance as Variance
    from roamclear.rating.compare import compare as compare
    from roamclear.rating.compare import lines_of_cdr as lines_of_cdr
    from roamclear.rating.consistency import duration_h as duration_h
    from roamclear.rating.consistency import seconds_for_hours as seconds_for_hours
    from roamclear.rating.consistency import self_consistency as self_consistency
    from roamclear.rating.consistency import volume_sum as volume_sum
    from roamclear.rating.countries import alpha2 as alpha2
    from roamclear.rating.countries import alpha3 as alpha3
    from roamclear.rating.currencies import is_currency as is_currency
    from roamclear.rating.engine import rate as rate
    from roamclear.rating.engine import reservation_expired as reservation_expired
    from roamclear.rating.exact import half_up as half_up
    from roamclear.rating.exact import plain as plain
    from roamclear.rating.grid import EvseFacts as EvseFacts
    from roamclear.rating.grid import GridLine as GridLine
    from roamclear.rating.grid import PriceGrid as PriceGrid
    from roamclear.rating.grid import Scope as Scope
    from roamclear.rating.grid import choose_line as choose_line
    from roamclear.rating.grid import rate_with_grid as rate_with_grid
    from roamclear.rating.rounding import round_components as round_components
    from roamclear.rating.rounding import round_lines as round_lines
    from roamclear.rating.verify import own_tariff as own_tariff
    from roamclear.rating.verify import verify as verify
    from roamclear.rating.verify import verify_against as verify_against
else:
    # The OCPI endpoint only reads what came in: what prices it is imported where it is used.
    __getattr__ = exports(
        __name__,
        {
            "roamclear.contracts.model": ("Basis",),
            "roamclear.rating.compare": (
                "Comparison",
                "Tolerance",
                "Variance",
                "compare",
                "lines_of_cdr",
            ),
            "roamclear.rating.consistency": (
                "duration_h",
                "seconds_for_hours",
                "self_consistency",
                "volume_sum",
            ),
            "roamclear.rating.countries": (
                "alpha2",
                "alpha3",
            ),
            "roamclear.rating.currencies": ("is_currency",),
            "roamclear.rating.engine": (
                "rate",
                "reservation_expired",
            ),
            "roamclear.rating.exact": (
                "half_up",
                "plain",
            ),
            "roamclear.rating.grid": (
                "EvseFacts",
                "GridLine",
                "PriceGrid",
                "Scope",
                "choose_line",
                "rate_with_grid",
            ),
            "roamclear.rating.rounding": (
                "round_components",
                "round_lines",
            ),
            "roamclear.rating.verify": (
                "own_tariff",
                "verify",
                "verify_against",
            ),
        },
    )

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
