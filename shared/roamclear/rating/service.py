"""The doors of the rating room: read a CDR or tariff, price it, check it, compare two prices."""

from __future__ import annotations

from roamclear.rating.countries import alpha2, alpha3
from roamclear.rating.normalise import detect_version, normalise_cdr, normalise_for_rating
from roamclear.rating.normalise_tariff import normalise_tariff

__all__ = ["alpha2", "alpha3", "detect_version", "normalise_cdr", "normalise_for_rating", "normalise_tariff"]
