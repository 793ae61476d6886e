"""What a correction after the lock is made of: its lines, its price and its session row (``adjustments``)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from roamclear.cdrs import store
from roamclear.cdrs.model import Billing, DisputeState, PayoutState, PricedLine, Rating, Session
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, NotFound
from roamclear.kernel.money import Money, total
from roamclear.kernel.record import plain

#: What a row of ours says in its ``source``; every other row came as a CDR.
SOURCE = "ADJUSTMENT"


def lines(ctx: Context, original: Session, refs: Sequence[str]) -> list[PricedLine]:
    """The lines of a session and of its corrections, one after the other."""
    found: list[PricedLine] = []
    known = store.sessions(ctx.db, original.issuer_id, refs)
    for each in (original, *(known[ref] for ref in refs if worth(known[ref]))):
        priced = store.rating(ctx.db, original.issuer_id, each.cdr_ref, each.rating_version)
        if priced is None:
            raise NotFound("this session has no price")
        found += priced.lines
    return found


def summed(lines: Iterable[PricedLine]) -> tuple[PricedLine, ...]:
    """Lines of one component at one price as one; what cancels out is left out."""
    sums: dict[tuple[Any, ...], PricedLine] = {}
    for line in lines:
        key = (line.component, line.unit_price, line.bracket, line.vat_category, line.vat_rate_percent)
        known = sums.get(key)
        update: dict[str, Any] = (
            {}
            if known is None
            else {
                "quantity": known.quantity + line.quantity,
                "amount": known.amount + line.amount,
            }
        )
        sums[key] = line.model_copy(update=update)
    return tuple(line for line in sums.values() if line.quantity or line.amount)


def row(
    ctx: Context, original: Session, key: str, lines: tuple[PricedLine, ...], kind: str, reason: str, author: str
) -> Rating:
    """The price of a correction under the original's contract version; its trace tells what it corrects and why."""
    base = store.rating(ctx.db, original.issuer_id, original.cdr_ref, original.rating_version)
    if base is None:
        raise NotFound("this session has no price")
    told = {"kind": kind, "of": original.cdr_ref, "reason": reason, "lines": [line.dump() for line in lines]}
    return base.model_copy(
        update={
            "cdr_ref": f"{original.cdr_ref}~{key}",
            "version": 1,
            "author": author,
            "reason": reason,
            "at_utc": ctx.now(),
            "lines": lines,
            "net": total((line.amount for line in lines), net(original).currency),
            "grid_total": None,
            "cdr_total": None,
            "flags": (),
            "trace": zlib.compress(numbers_json.dumps(plain({"adjustment": told})).encode(), 9),
        }
    )


def session(ctx: Context, original: Session, made: Rating, kind: str, run_id: str | None, *, borne: bool) -> Session:
    """The row under the original's contract, VAT and account; it was never a message, so no Sender lists it."""
    return original.model_copy(
        update={
            "cdr_ref": made.cdr_ref,
            "source": SOURCE,
            "energy_kwh": sum((line.quantity for line in made.lines if line.component == "ENERGY"), Decimal(0)),
            "received_at_utc": ctx.now(),
            "verified_at_utc": ctx.now(),
            "available_at_utc": None,
            "billing": Billing.IN_WINDOW if run_id else Billing.VERIFIED,
            "reasons": (),
            "warnings": (),
            "dispute": DisputeState.NONE,
            "dispute_id": None,
            "withheld": None,
            "payout": PayoutState.NONE,
            "rating_version": 1,
            "net": made.net,
            "cdr_total": None,
            "run_id": run_id,
            "left_run_id": None,
            "credit_of": original.cdr_ref,
            "counterpart": original.cdr_ref,
            "replaces": None,
            "origin": original.origin or original.cdr_ref,
            "adjustment": kind,
            "borne": borne,
            "changed": 0,
        }
    )


def worth(row: Session) -> Money:
    """What a correction counts: its price, and nothing where it left billing before its lock."""
    return Money.zero(row.currency) if row.billing is Billing.INVALIDATED else net(row)


def net(original: Session) -> Money:
    """The price of a session; ``Conflict`` where it has none."""
    if original.net is None:
        raise Conflict("this session has no price", cdr_ref=original.cdr_ref)
    return original.net
