"""Corrections after the lock: rows of our own beside the locked session, which itself never changes (row 43).

An adjustment credits or charges a part of a locked session under its contract, VAT category, rate and currency
(rules.md 7). It has no OCPI body: the body of the CDR at its ``origin`` stands behind it, so its hash in a lock
manifest is that of the original's bytes. Its row is written once, under ``<original>~<key>``; ids of CDRs are kept in
capital letters, so a key in small letters is never the id of a CDR.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from roamclear.audit import service as audit
from roamclear.cdrs import adjustment_rows, store
from roamclear.cdrs.adjustment_rows import net
from roamclear.cdrs.model import (
    Adjusted,
    Billing,
    DisputeState,
    PricedLine,
    Session,
)
from roamclear.cdrs.pricing import by_vat, mirrored
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed, Conflict, InvalidInput
from roamclear.kernel.money import Money, total
from roamclear.kernel.writes import Put

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
    A correction of a correction is one of the session behind it too.

    Raises:
        InvalidInput: the key, the lines or their currency are not usable.
        Conflict: the session is not locked, more would be credited than was billed, or the key did another thing.
    """
    _check(original, key, lines)
    row = adjustment_rows.row(ctx, original, key, lines, kind, reason, author)
    made = adjustment_rows.session(ctx, original, row, kind, run_id, borne=borne)
    for _ in range(_TRIES):
        known = store.session(ctx.db, original.issuer_id, made.cdr_ref)
        if known is not None:
            return _same(known, made)
        sums = store.adjusted(ctx.db, original.issuer_id, original.cdr_ref)
        _refuse_beyond(original, sums, row.net)
        corrected = _behind(ctx, original)
        if kind == WITHHELD and not all(outstanding_of(*each) for each in ((original, sums), *corrected)):
            raise Conflict("nothing is billed of this session any more", cdr_ref=original.cdr_ref)
        behind = [_counted(each, known, made) for each, known in corrected]
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
            after = store.adjusted_put(_with(sums, made), sums)
            ctx.db.transact([store.create(made), store.rating_put(row), after, *behind, log])
            return made
        except ConditionFailed:
            continue  # another worker made it, or corrected the same session by another key
    raise Busy("a session is corrected by too many at once")


def bill_again(
    ctx: Context, original: Session, cancellation: Session, *, key: str, reason: str, author: str
) -> Session | None:
    """Bill a session anew whose document was cancelled: a VERIFIED row of what was credited, for the next run (row 66).

    It is written once; from then on corrections of the session are those of this row (``current``). A session that its
    CPO withdrew meanwhile is not billed anew (None), nor is a correction of which nothing is left to correct.

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
        row = adjustment_rows.row(ctx, original, key, mirrored(credited.lines), "BILLED_AGAIN", reason, author)
        made = adjustment_rows.session(ctx, original, row, "BILLED_AGAIN", None, borne=cancellation.borne).model_copy(
            update={"credit_of": original.credit_of, "replaces": original.cdr_ref} | _still_agreed(ctx, original, sums)
        )
        corrected = _behind(ctx, original)
        if any(_nothing_left(each, known, row.net) for each, known in corrected):
            return None
        if corrected:
            made = made.model_copy(update=dict.fromkeys(("credit_of", "counterpart"), corrected[0][0].cdr_ref))
        behind = [_counted(each, known, made) for each, known in corrected]
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
            puts = [store.create(made), store.rating_put(row), store.adjusted_put(after, sums), *behind]
            ctx.db.transact([*puts, log])
            return made
        except ConditionFailed:
            continue
    raise Busy("a session is corrected by too many at once")


def outstanding(ctx: Context, original: Session) -> Money:
    """What is billed of a locked session after all corrections so far."""
    return outstanding_of(original, store.adjusted(ctx.db, original.issuer_id, original.cdr_ref))


def is_billed(ctx: Context, session: Session) -> bool:
    """Whether anything is still billed of a locked row, and of the session that it corrects.

    Raises:
        Busy: that is between its cancellation and its return.
    """
    sums = store.adjusted(ctx.db, session.issuer_id, session.cdr_ref)
    return all(outstanding_of(*each) for each in ((session, sums), *_behind(ctx, session)))


def outstanding_of(original: Session, sums: Adjusted) -> Money:
    """``outstanding`` of sums that were read."""
    return net(original) + Money(sums.minor, net(original).currency)


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
            found[row.cdr_ref] = net(original) + total(
                (adjustment_rows.worth(others[ref]) for ref in earlier), net(original).currency
            )
    return found


def withheld_rows(ctx: Context, original: Session, sums: Adjusted) -> list[Session]:
    """The rows that billed, since the lock, of what it had withheld."""
    rows = store.sessions(ctx.db, original.issuer_id, sums.refs)
    return [rows[ref] for ref in sums.refs if rows[ref].adjustment == WITHHELD]


def everything(ctx: Context, original: Session) -> tuple[PricedLine, ...]:
    """The lines that credit all that is left of a locked session; none where nothing is left."""
    sums = store.adjusted(ctx.db, original.issuer_id, original.cdr_ref)
    return mirrored(adjustment_rows.summed(adjustment_rows.lines(ctx, original, sums.refs)))


def creditable(ctx: Context, correction: Session, *, again: bool = False) -> tuple[PricedLine, ...]:
    """The lines that undo what is left of a correction; none where the session behind it was credited with it.

    Never more is given back than is billed of that session. What was credited of it is charged once more only while
    something else of it is billed, or where it is credited ``again`` at once.
    """
    lines = everything(ctx, correction)
    corrected = store.session(ctx.db, correction.issuer_id, correction.credit_of or "")
    if not lines or corrected is None:
        return lines
    sums = store.adjusted(ctx.db, corrected.issuer_id, corrected.cdr_ref)
    rest, by = outstanding_of(corrected, sums), total((line.amount for line in lines), net(correction).currency)
    if by.amount_minor * _sign(corrected) < 0:
        fits = (rest + by).amount_minor * _sign(corrected) >= 0
        return lines if fits else by_vat(amount(rest)[0], lines) if rest else ()
    gone = sums.successor is not None or returns(ctx, corrected)
    return () if gone or not (rest or again) else lines


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
    if last is None or last.credit_of != original.cdr_ref:
        return False
    return last.adjustment == "CANCEL" and last.borne


def body_ref(session: Session) -> str:
    """The CDR whose body stands behind a session."""
    return session.origin or session.cdr_ref


def is_ours(session: Session) -> bool:
    """Whether a row was made by us after the lock."""
    return session.origin is not None


def returns_credit(session: Session) -> bool:
    """Whether a row bills a credit CDR anew: another body stands behind it than behind what it corrects."""
    if session.replaces is None or session.origin is None or session.credit_of is None:
        return False
    name, _, key = session.credit_of.partition(f"{session.origin}~")
    return session.credit_of != session.origin and not (not name and _KEY.match(key))


# ---- inside --------------------------------------------------------------------------------------------------------
def _check(original: Session, key: str, lines: tuple[PricedLine, ...]) -> None:
    if not _KEY.fullmatch(key):
        raise InvalidInput("a key is 1 to 41 small letters, digits and dashes, a letter first", field="key")
    if not lines or any(line.amount.currency != net(original).currency for line in lines):
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
    if left.amount_minor * _sign(original) < 0:
        raise Conflict(
            "more would be credited than is billed", cdr_ref=original.cdr_ref, billed=outstanding_of(original, sums)
        )


def _behind(ctx: Context, corrected: Session) -> list[tuple[Session, Adjusted]]:
    """The rows that bill now what a correction corrects, and what that corrects, each with its corrections.

    Raises:
        Busy: one of them is between its cancellation and its return.
    """
    found: list[tuple[Session, Adjusted]] = []
    row = corrected
    while row.credit_of is not None and len(found) < _MOST:
        before = store.session(ctx.db, row.issuer_id, row.credit_of)
        if before is None:
            break
        *_, (row, sums) = chain(ctx, before)
        if returns(ctx, row):
            raise Busy("a session is between its cancellation and its return", cdr_ref=row.cdr_ref)
        found.append((row, sums))
    return found


def absorbed(ctx: Context, session: Session, by: Money) -> bool:
    """Whether a correction may not fall by an amount before its lock: it was credited with its session already."""
    corrected, sums = _corrected(ctx, session)
    return corrected is not None and outstanding_of(corrected, sums).amount_minor * _sign(corrected) < by.amount_minor


def lowered(ctx: Context, known: Session, made: Session) -> list[Put]:
    """The sum of the session behind a correction that is lowered or dropped before its lock; nothing for others."""
    corrected, sums = _corrected(ctx, known)
    if corrected is None:
        return []
    by = adjustment_rows.worth(made) - adjustment_rows.worth(known)
    if not by:
        return []
    _refuse_beyond(corrected, sums, by)
    return [store.adjusted_put(sums.model_copy(update={"minor": sums.minor + by.amount_minor}), sums)]


def _corrected(ctx: Context, session: Session) -> tuple[Session | None, Adjusted]:
    """What a correction of ours corrects, with its corrections; None once another row bills that, or is about to."""
    ref = session.credit_of
    if ref is None or not is_ours(session):
        return None, Adjusted(issuer_id=session.issuer_id, cdr_ref=session.cdr_ref)
    corrected, sums = store.session(ctx.db, session.issuer_id, ref), store.adjusted(ctx.db, session.issuer_id, ref)
    gone = corrected is None or sums.successor is not None or returns(ctx, corrected)
    return None if gone else corrected, sums


def _counted(corrected: Session, sums: Adjusted, made: Session) -> Put:
    """The next sum of a row behind a correction, with a correction of that."""
    _refuse_beyond(corrected, sums, net(made))
    return store.adjusted_put(_with(sums, made), sums)


def _nothing_left(corrected: Session, sums: Adjusted, by: Money) -> bool:
    """Whether a correction that returns would charge what was credited whole, or credit what was credited since."""
    left, sign = outstanding_of(corrected, sums), _sign(corrected)
    return not left if by.amount_minor * sign > 0 else (left + by).amount_minor * sign < 0


def _sign(original: Session) -> int:
    return -1 if net(original).amount_minor < 0 else 1


def _with(sums: Adjusted, made: Session) -> Adjusted:
    update = {"minor": sums.minor + net(made).amount_minor, "refs": (*sums.refs, made.cdr_ref)}
    return sums.model_copy(update=update)


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
