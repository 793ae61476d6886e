"""``roamclear rate``: price a CDR's periods with a given tariff and print the whole calculation as one JSON object."""

from __future__ import annotations

import sys
from argparse import Namespace
from decimal import Decimal
from typing import Any

from roamclear.cli.files import read_object
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput
from roamclear.rating.model import Mismatch, Rating, Subtotals, TraceStep, Verification
from roamclear.rating.service import (
    detect_version,
    half_up,
    normalise_for_rating,
    normalise_tariff,
    plain,
    rate,
    verify_against,
)

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
#: Places of every printed amount.
PLACES = 10


def add(subparsers: Any) -> None:
    """Register ``rate``."""
    parser = subparsers.add_parser("rate", help="price the periods of a CDR with a tariff")
    parser.add_argument("--tariff", required=True, metavar="T.json", help="the tariff to price with")
    parser.add_argument("--cdr", required=True, metavar="C.json", help="the CDR whose periods are priced")
    parser.add_argument("--time-zone", required=True, metavar="ZONE", help="IANA zone of the EVSE, e.g. Europe/Berlin")
    parser.add_argument("--version", choices=VERSIONS, help="OCPI version of both files; left out, each tells its own")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Print the rating; ``InvalidInput`` says what was wrong with a file."""
    raw_cdr, raw_tariff = read_object(args.cdr), read_object(args.tariff)
    cdr_version = args.version or detect_version(raw_cdr)
    tariff_version = args.version or ("2.3.0" if "tax_included" in raw_tariff else cdr_version)
    charge = _named("the CDR", lambda: normalise_for_rating(raw_cdr, cdr_version))
    tariff = _named("the tariff", lambda: normalise_tariff(raw_tariff, tariff_version))
    rating = rate(charge, tariff, time_zone=args.time_zone)
    result = as_json(rating, verify_against(charge, rating))
    sys.stdout.write(numbers_json.dumps(result, indent=2) + "\n")
    return 0


def _named(what: str, read: Any) -> Any:
    try:
        return read()
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error.message}", field=error.field) from error


def as_json(rating: Rating, verification: Verification) -> dict[str, Any]:
    """The printed object: amounts as decimal strings half-up to 10 places, null where not derivable."""
    return {
        "currency": rating.currency,
        "total_excl_vat": amount(rating.total_excl_vat),
        "total_incl_vat": amount(rating.total_incl_vat),
        **_subtotals(rating.subtotals),
        "billed": {name: _quantity(getattr(rating.billed, name)) for name in rating.billed._fields},
        "flags": list(rating.flags),
        "trace": [_step(step) for step in rating.trace],
        "verification": _verification(verification),
    }


def amount(value: Decimal | None) -> str | None:
    """An amount as a decimal string, half-up to 10 places, no trailing zeros.

    >>> amount(Decimal("3.946111111111"))
    '3.9461111111'
    """
    return None if value is None else plain(half_up(value, PLACES))


def _subtotals(subtotals: Subtotals) -> dict[str, str | None]:
    return {name: amount(getattr(subtotals, name)) for name in ("energy", "time", "parking", "flat", "reservation")}


def _quantity(value: Decimal) -> int | Decimal:
    rounded = half_up(value, PLACES)
    return int(rounded) if rounded == rounded.to_integral_value() else Decimal(plain(rounded))


def _step(step: TraceStep) -> dict[str, Any]:
    return {name: amount(value) if isinstance(value, Decimal) else value for name, value in step.dump().items()}


def _verification(verification: Verification) -> dict[str, Any]:
    return {
        "ok": verification.ok,
        "checked": list(verification.checked),
        "mismatches": [_mismatch(m) for m in verification.mismatches],
    }


def _mismatch(mismatch: Mismatch) -> dict[str, Any]:
    return {
        "code": mismatch.code,
        "field": mismatch.field,
        "claimed": amount(mismatch.claimed),
        "computed": amount(mismatch.computed),
        "message": mismatch.message,
    }
