"""Another value for a stored rate: proposed by one person, decided by another; the first record stays.

Documents that were issued by the old value keep it (rules.md 7): billing lists them for whoever decides.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from roamclear.audit import service as audit
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, different_person
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action, Table
from roamclear.rates import store
from roamclear.rates.model import CorrectionState, Rate, RateCorrection

_RACES = (Table.AUDIT, Table.CLEARING)


def propose(
    ctx: Context, maker: Actor, issuer_id: str, currency: str, day: date, rate: Decimal, reason: str
) -> RateCorrection:
    """Ask for another value of a stored rate; the same by the same person again is the same.

    Raises:
        NotFound: no rate is stored for the currency and day.
        Conflict: another correction of it waits for its decision.
        InvalidInput: the value is the one in force.
    """
    authorise(maker, Right.RUN_PREPARE, issuer_id)

    def attempt() -> RateCorrection:
        known = store.of_day(ctx.db, issuer_id, currency, day)
        if not known:
            raise NotFound("no rate is stored for this currency and day")
        earlier = store.corrections(ctx.db, issuer_id, f"{currency}-{day.isoformat()}-")
        for each in earlier:
            if each.state is CorrectionState.PROPOSED:
                if (each.maker, each.new, each.reason) == (maker.actor_id, rate, reason):
                    return each
                raise Conflict("another correction of this rate waits", correction_id=each.correction_id)
        if known[-1].rate == rate:
            raise InvalidInput("this is the value in force", field="rate")
        made = RateCorrection(
            issuer_id=issuer_id,
            correction_id=f"{currency}-{day.isoformat()}-{len(earlier) + 1:03d}",
            currency=currency,
            day=day,
            number=known[-1].number + 1,
            old=known[-1].rate,
            new=rate,
            reason=reason,
            maker=maker.actor_id,
            made_at_utc=ctx.now(),
        )
        details = {"old": made.old, "new": made.new, "reason": reason}
        ctx.db.transact([store.correction_put(made, None), _log(ctx, made, maker, "CORRECTION_PROPOSED", details)])
        return made

    return again_on_race(attempt, tables=_RACES)


def approve(ctx: Context, checker: Actor, issuer_id: str, correction_id: str) -> RateCorrection:
    """A second person lets the new value count for what is issued from now on; again it is the same."""
    authorise(checker, Right.RUN_APPROVE, issuer_id)

    def attempt() -> RateCorrection:
        known = found(ctx, issuer_id, correction_id)
        different_person(known.maker, checker)
        if known.state is CorrectionState.APPROVED and known.decided_by == checker.actor_id:
            return known
        made = _decided(ctx, known, checker, CorrectionState.APPROVED)
        rate = Rate(
            issuer_id=issuer_id,
            currency=known.currency,
            day=known.day,
            rate=known.new,
            number=known.number,
            recorded_by=known.maker,
            recorded_at_utc=ctx.now(),
            approved_by=checker.actor_id,
            reason=known.reason,
        )
        log = _log(ctx, known, checker, "CORRECTED", {"old": known.old, "new": known.new, "maker": known.maker})
        ctx.db.transact([store.correction_put(made, known), store.save_put(rate), log])
        return made

    made = again_on_race(attempt, tables=_RACES)
    for row in journal.open_of(ctx, issuer_id, ExceptionType.RATE_CONFLICT):
        if row.subject.split("#")[0] == f"{made.currency}.{made.day.isoformat()}":
            journal.resolve(ctx, issuer_id, row.kind, row.subject, by=checker.actor_id, reason="the rate was corrected")
    return made


def refuse(ctx: Context, actor: Actor, issuer_id: str, correction_id: str) -> RateCorrection:
    """Decide against a correction as its second person, or take one's own back; again it is the same."""
    authorise(actor, Right.RUN_VIEW, issuer_id)

    def attempt() -> RateCorrection:
        known = found(ctx, issuer_id, correction_id)
        authorise(actor, Right.RUN_PREPARE if actor.actor_id == known.maker else Right.RUN_APPROVE, issuer_id)
        if known.state is CorrectionState.REFUSED:
            return known
        made = _decided(ctx, known, actor, CorrectionState.REFUSED)
        ctx.db.transact([store.correction_put(made, known), _log(ctx, known, actor, "CORRECTION_REFUSED", {})])
        return made

    return again_on_race(attempt, tables=_RACES)


def correction(ctx: Context, actor: Actor, issuer_id: str, correction_id: str) -> RateCorrection:
    """One correction, or ``NotFound``."""
    authorise(actor, Right.RUN_VIEW, issuer_id)
    return found(ctx, issuer_id, correction_id)


def corrections(ctx: Context, actor: Actor, issuer_id: str) -> list[RateCorrection]:
    """Every correction, by currency and day."""
    authorise(actor, Right.RUN_VIEW, issuer_id)
    return store.corrections(ctx.db, issuer_id)


def found(ctx: Context, issuer_id: str, correction_id: str) -> RateCorrection:
    """One correction for who was let in already, or ``NotFound``."""
    known = store.correction(ctx.db, issuer_id, correction_id)
    if known is None:
        raise NotFound("no such object")
    return known


def _decided(ctx: Context, known: RateCorrection, actor: Actor, state: CorrectionState) -> RateCorrection:
    if known.state is not CorrectionState.PROPOSED:
        raise Conflict("this correction was decided already", state=known.state.value)
    return known.model_copy(update={"state": state, "decided_by": actor.actor_id, "decided_at_utc": ctx.now()})


def _log(ctx: Context, made: RateCorrection, actor: Actor, action: str, details: dict[str, object]) -> Action:
    return audit.entry(
        ctx, issuer_id=made.issuer_id, kind="RATE", object_id=f"{made.currency}.{made.day.isoformat()}",
        actor_id=actor.actor_id, action=action, details={"correction": made.correction_id, **details},
    )  # fmt: skip
