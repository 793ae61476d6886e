"""Corrections after the lock: rows of our own beside the locked session, which itself never changes (row 43).

An adjustment credits or charges a part of a locked session under its contract, VAT category, rate and currency
(rules.md 7). It has no OCPI body: the body of the CDR at its ``origin`` stands behind it, so its hash in a lock
manifest is that of the original's bytes. Its row is written once, under ``<original>~<key>``; ids of CDRs are kept in
capital letters, so a key in small letters is never the id of a CDR.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from roamclear.audit import service as audit
from roamclear.cdrs import store
from roamclear.cdrs.model import (
    Adjusted,
    Billing,
    DisputeState,
    PayoutState,
    PricedLine,
    Rating,
    Session,
)
from roamclear.cdrs.pricing import mirrored
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed, Conflict, InvalidInput, NotFound
from roamclear.kernel.money import Money, total
from roamclear.kernel.record import plain

#: What a row of ours says in its ``source``; every other row came as a CDR.
SOURCE = "ADJUSTMENT"
#: The kind of rows that bill what a lock withheld (``Session.withheld``), or take it back.
WITHHELD = "WITHHELD"
_KEY = re.compile(r"[a-z][a-z0-9-]{0,40}")
_FIXED = (Billing.LOCKED, Billing.INVOICED)
#: Corrections of one session; more is a loop, not a correction.
_MOST = 50
_TRIES = 12


def adjust(
    ctx: Context,
    original: Session,
    *,
    key: str,
    lines: tuple[PricedLine, ...],
    kind: str,
    reason: str,
    author: str,
    run_id: str | None = None,
    borne: bool = False,
) -> Session:
    """Correct a locked session by the sum of ``lines`` (a minus stands in quantity and amount), once per key.

    Without ``run_id`` the row is VERIFIED and joins the contract's next run; with it, it is a member of that
    correction run. ``kind`` names the cause (``REPRICE``, ``CREDIT``, ``CANCEL``); ``borne`` keeps payouts out of it.

    Raises:
        InvalidInput: the key, the lines or their currency are not usable.
        Conflict: the session is not locked, more would be credited than was billed, or the key did another thing.
    """
    _check(original, key, lines)
    row = _row(ctx, original, key, lines, kind, reason, author)
    made = _session(ctx, original, row, kind, run_id, borne=borne)
    for _ in range(_TRIES):
        known = store.session(ctx.db, original.issuer_id, made.cdr_ref)
        if known is not None:
            return _same(known, made)
        sums = store.adjusted(ctx.db, original.issuer_id, original.cdr_ref)
        _refuse_beyond(original, sums, row.net)
        after = sums.model_copy(update={"minor": sums.minor + row.net.amount_minor, "refs": (*sums.refs, made.cdr_ref)})
        log = audit.entry(
            ctx,
            issuer_id=original.issuer_id,
            kind="CDR",
            object_id=original.cdr_ref,
            actor_id=author,
            action="ADJUSTED",
            details={"kind": kind, "adjustment": made.cdr_ref, "net": row.net, "reason": reason},
        )
        try:
            ctx.db.transact([store.create(made), store.rating_put(row), store.adjusted_put(after, sums), log])
            return made
        except ConditionFailed:
            continue  # another worker made it, or corrected the same session by another key
    raise Busy("a session is corrected by too many at once")


def bill_again(
    ctx: Context, original: Session, cancellation: Session, *, key: str, reason: str, author: str
) -> Session | None:
    """Bill a session anew whose document was cancelled: a VERIFIED row of what was credited, for the next run (row 66).

    It is written once; from then on corrections of the session are those of this row (``current``). A session that its
    CPO withdrew meanwhile is not billed anew (None).

    Raises:
        Conflict: the session was not credited by this cancellation, or was billed anew under another key.
    """
    for _ in range(_TRIES):
        sums = store.adjusted(ctx.db, original.issuer_id, original.cdr_ref)
        ref = f"{original.cdr_ref}~{key}"
        if sums.successor is not None:
            known = store.session(ctx.db, original.issuer_id, sums.successor)
            if known is None or known.cdr_ref != ref:
                raise Conflict("this session is billed anew already", successor=sums.successor)
            return known
        if sums.withdrawn is not None:
            return None
        credited = store.rating(ctx.db, original.issuer_id, cancellation.cdr_ref, cancellation.rating_version)
        if cancellation.cdr_ref not in sums.refs or credited is None:
            raise Conflict("this session is still billed", cdr_ref=original.cdr_ref)
        row = _row(ctx, original, key, mirrored(credited.lines), "BILLED_AGAIN", reason, author)
        made = _session(ctx, original, row, "BILLED_AGAIN", None, borne=cancellation.borne).model_copy(
            update={"credit_of": original.credit_of, "replaces": original.cdr_ref} | _still_agreed(ctx, original, sums)
        )
        log = audit.entry(
            ctx,
            issuer_id=original.issuer_id,
            kind="CDR",
            object_id=original.cdr_ref,
            actor_id=author,
            action="BILLED_AGAIN",
            details={"row": ref, "net": row.net, "reason": reason},
        )
        after = sums.model_copy(update={"successor": ref})
        try:
            ctx.db.transact([store.create(made), store.rating_put(row), store.adjusted_put(after, sums), log])
            return made
        except ConditionFailed:
            continue
    raise Busy("a session is corrected by too many at once")


def outstanding(ctx: Context, original: Session) -> Money:
    """What is billed of a locked session after all corrections so far."""
    return outstanding_of(original, store.adjusted(ctx.db, original.issuer_id, original.cdr_ref))


def outstanding_of(original: Session, sums: Adjusted) -> Money:
    """``outstanding`` of sums that were read."""
    return _net(original) + Money(sums.minor, _net(original).currency)


def outstanding_each(ctx: Context, issuer_id: str, sessions: Sequence[Session]) -> Iterator[tuple[Session, Money]]:
    """``outstanding`` of many sessions, in their order."""
    sums = store.adjusted_many(ctx.db, issuer_id, [s.cdr_ref for s in sessions])
    for session in sessions:
        known = sums.get(session.cdr_ref, Adjusted(issuer_id=issuer_id, cdr_ref=session.cdr_ref))
        yield session, outstanding_of(session, known)


def before_each(ctx: Context, issuer_id: str, rows: Sequence[Session]) -> dict[str, Money]:
    """What was billed of a corrected session right before each of these corrections of it, by the correction."""
    originals = store.sessions(ctx.db, issuer_id, {row.credit_of for row in rows if row.credit_of})
    sums = store.adjusted_many(ctx.db, issuer_id, list(originals))
    others = store.sessions(ctx.db, issuer_id, {ref for known in sums.values() for ref in known.refs})
    found = {}
    for row in rows:
        original, known = originals.get(row.credit_of or ""), sums.get(row.credit_of or "")
        if original is not None and known is not None and row.cdr_ref in known.refs:
            earlier = known.refs[: known.refs.index(row.cdr_ref)]
            found[row.cdr_ref] = _net(original) + total((_net(others[ref]) for ref in earlier), _net(original).currency)
    return found


def withheld_rows(ctx: Context, original: Session, sums: Adjusted) -> list[Session]:
    """The rows that billed, since the lock, of what it had withheld."""
    rows = store.sessions(ctx.db, original.issuer_id, sums.refs)
    return [rows[ref] for ref in sums.refs if rows[ref].adjustment == WITHHELD]


def everything(ctx: Context, original: Session) -> tuple[PricedLine, ...]:
    """The lines that credit all that is left of a locked session; none where nothing is left."""
    sums = store.adjusted(ctx.db, original.issuer_id, original.cdr_ref)
    return mirrored(_summed(_lines(ctx, original, sums.refs)))


def amount(part: Money) -> tuple[PricedLine, ...]:
    """The line that credits an amount: as many units of 1.00, so that all of a document stand on one line."""
    return (PricedLine(component="CREDIT", quantity=-part.to_decimal(), unit_price=Decimal(1), amount=-part),)


def current(ctx: Context, original: Session) -> Session:
    """The row that bills a session now: itself, or what billed it anew after a cancellation."""
    *_, (last, _) = chain(ctx, original)
    return last


def chain(ctx: Context, original: Session) -> Iterator[tuple[Session, Adjusted]]:
    """The rows that billed a session one after the other, itself first, each with its corrections."""
    found: Session | None = original
    for _ in range(_MOST):
        if found is None:
            return
        sums = store.adjusted(ctx.db, found.issuer_id, found.cdr_ref)
        yield found, sums
        found = store.session(ctx.db, found.issuer_id, sums.successor) if sums.successor else None


def returns(ctx: Context, original: Session) -> bool:
    """Whether a session is credited for the moment only: its document was cancelled, and it is to be billed anew."""
    sums = store.adjusted(ctx.db, original.issuer_id, original.cdr_ref)
    if not sums.refs or sums.successor is not None or sums.withdrawn is not None:
        return False
    last = store.session(ctx.db, original.issuer_id, sums.refs[-1])
    return last is not None and last.adjustment == "CANCEL" and last.borne


def body_ref(session: Session) -> str:
    """The CDR whose body stands behind a session."""
    return session.origin or session.cdr_ref


def is_ours(session: Session) -> bool:
    """Whether a row was made by us after the lock."""
    return session.origin is not None


# ---- inside --------------------------------------------------------------------------------------------------------
def _check(original: Session, key: str, lines: tuple[PricedLine, ...]) -> None:
    if not _KEY.fullmatch(key):
        raise InvalidInput("a key is 1 to 41 small letters, digits and dashes, a letter first", field="key")
    if not lines or any(line.amount.currency != _net(original).currency for line in lines):
        raise InvalidInput("give lines in the currency of the session", field="lines")
    if original.billing not in _FIXED:
        raise Conflict("this session is not locked", billing=original.billing.value, cdr_ref=original.cdr_ref)


def _refuse_beyond(original: Session, sums: Adjusted, by: Money) -> None:
    """What is left keeps the sign of what was billed: never more is credited than that."""
    if sums.successor is not None:
        raise Conflict("this session is billed by another row now", successor=sums.successor)
    if len(sums.refs) >= _MOST:
        raise Conflict("this session was corrected too often", cdr_ref=original.cdr_ref)
    left = outstanding_of(original, sums) + by
    sign = -1 if _net(original).amount_minor < 0 else 1
    if left.amount_minor * sign < 0:
        raise Conflict(
            "more would be credited than is billed", cdr_ref=original.cdr_ref, billed=outstanding_of(original, sums)
        )


def _same(known: Session, made: Session) -> Session:
    if (known.net, known.credit_of, known.adjustment) != (made.net, made.credit_of, made.adjustment):
        raise Conflict("this key corrected the session otherwise", cdr_ref=known.cdr_ref)
    return known


def _still_agreed(ctx: Context, original: Session, sums: Adjusted) -> dict[str, Any]:
    """What goes on for a session that is billed anew: a price that its dispute granted, and what it still waits for."""
    found: dict[str, Any] = {}
    if original.dispute in (DisputeState.PARTIAL, DisputeState.ACCEPTED):
        found = {"dispute": original.dispute, "dispute_id": original.dispute_id}
    if original.withheld is not None and not withheld_rows(ctx, original, sums):
        found["withheld"] = original.withheld
    return found


def _lines(ctx: Context, original: Session, refs: Iterable[str]) -> list[PricedLine]:
    found: list[PricedLine] = []
    for ref, version in ((original.cdr_ref, original.rating_version), *((ref, 1) for ref in refs)):
        row = store.rating(ctx.db, original.issuer_id, ref, version)
        if row is None:
            raise NotFound("this session has no price")
        found += row.lines
    return found


def _summed(lines: Iterable[PricedLine]) -> tuple[PricedLine, ...]:
    """Lines of one component at one price as one; what cancels out is left out."""
    sums: dict[tuple[str, Decimal, str | None], PricedLine] = {}
    for line in lines:
        key = (line.component, line.unit_price, line.bracket)
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


def _row(
    ctx: Context, original: Session, key: str, lines: tuple[PricedLine, ...], kind: str, reason: str, author: str
) -> Rating:
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
            "net": total((line.amount for line in lines), _net(original).currency),
            "grid_total": None,
            "cdr_total": None,
            "flags": (),
            "trace": zlib.compress(numbers_json.dumps(plain({"adjustment": told})).encode(), 9),
        }
    )


def _session(ctx: Context, original: Session, row: Rating, kind: str, run_id: str | None, *, borne: bool) -> Session:
    """The row under the original's contract, VAT and account; it was never a message, so no Sender lists it."""
    return original.model_copy(
        update={
            "cdr_ref": row.cdr_ref,
            "source": SOURCE,
            "energy_kwh": sum((line.quantity for line in row.lines if line.component == "ENERGY"), Decimal(0)),
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
            "net": row.net,
            "cdr_total": None,
            "run_id": run_id,
            "left_run_id": None,
            "credit_of": original.cdr_ref,
            "counterpart": original.cdr_ref,
            "replaces": None,
            "origin": body_ref(original),
            "adjustment": kind,
            "borne": borne,
            "changed": 0,
        }
    )


def _net(original: Session) -> Money:
    if original.net is None:
        raise Conflict("this session has no price", cdr_ref=original.cdr_ref)
    return original.net
