"""Recording published rates and converting by them; ``corrections`` replaces a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from roamclear.audit import service as audit
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput
from roamclear.kernel.money import Money
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Table
from roamclear.rates import rules, store
from roamclear.rates.model import Converted, Rate

MOST_RATES = 50


def record(ctx: Context, actor: Actor, issuer_id: str, day: date, rates: Mapping[str, Decimal]) -> list[Rate]:
    """Keep what was published for a day: currency -> units per euro; the same again is the same.

    Raises:
        InvalidInput: the day has not come, there are too many, or the euro is among them.
        Conflict: another value is stored for one of them; stored values never change.
    """
    authorise(actor, Right.RUN_PREPARE, issuer_id)
    if day > ctx.now().date() + timedelta(days=1):
        raise InvalidInput("nothing is published for a day that has not come", field="day")
    if not 1 <= len(rates) <= MOST_RATES or rules.BASE in rates:
        raise InvalidInput(f"give 1 to {MOST_RATES} rates per euro, without the euro itself", field="rates")
    made = [
        Rate(
            issuer_id=issuer_id,
            currency=currency,
            day=day,
            rate=rate,
            recorded_by=actor.actor_id,
            recorded_at_utc=ctx.now(),
        )
        for currency, rate in sorted(rates.items())
    ]
    return [_save(ctx, actor, one) for one in made]


def listed(ctx: Context, actor: Actor, issuer_id: str, currency: str, first: date, last: date) -> list[Rate]:
    """The stored rates of a currency between two days with their corrections, the latest first."""
    authorise(actor, Right.RUN_VIEW, issuer_id)
    return store.between(ctx.db, issuer_id, currency, first, last)


def convert(ctx: Context, issuer_id: str, amount: Money, target: str, day: date) -> Converted | None:
    """An amount by the latest rates published until a day; None where the stored ones are not the latest (Art. 91)."""
    wanted = sorted({amount.currency, target} - {rules.BASE})
    known = {
        currency: rules.in_force(store.between(ctx.db, issuer_id, currency, rules.earliest(day), day))
        for currency in wanted
    }
    days = set.intersection(*(set(found) for found in known.values())) if known else set()
    if not days:
        return None
    latest = max(days)
    rate = rules.crossed({c: found[latest].rate for c, found in known.items()}, amount.currency, target)
    source = known[wanted[0]][latest].source
    return Converted(amount=rules.converted(amount, rate, target), rate=rate, day=latest, source=source)


def _save(ctx: Context, actor: Actor, made: Rate) -> Rate:
    def attempt() -> Rate:
        log = audit.entry(
            ctx, issuer_id=made.issuer_id, kind="RATE", object_id=f"{made.currency}.{made.day.isoformat()}",
            actor_id=actor.actor_id, action="RECORDED", details={"rate": made.rate, "source": made.source},
        )  # fmt: skip
        ctx.db.transact([store.save_put(made), log])
        return made

    try:
        return again_on_race(attempt)
    except ConditionFailed as lost:
        if lost.table != Table.CLEARING:
            raise
    known = store.of_day(ctx.db, made.issuer_id, made.currency, made.day)
    if not known or known[-1].rate != made.rate:
        raise Conflict(
            f"another rate is stored for {made.currency} on {made.day.isoformat()}; it is corrected by two persons",
            stored=str(known[-1].rate) if known else "",
        )
    return known[-1]
