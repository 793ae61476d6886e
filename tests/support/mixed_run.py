"""A run of many different sessions, laid into a stage as the processing leaves them: the same one for the same seed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from roamclear.cdrs import service as cdrs
from roamclear.cdrs import store
from roamclear.cdrs.model import Billing, DisputeState, PricedLine, Rating, Session
from roamclear.kernel.money import Money, total
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage

_MONTH = 30 * 86_400
#: One price in two spellings: which one is printed must not depend on the pieces.
_PRICES = (Decimal("0.39"), Decimal("0.390"), Decimal("0.4"), Decimal("0"))
_VAT = (("S", Decimal(19)), ("S", Decimal("7.0")), ("AE", Decimal(0)), ("O", Decimal(0)))


def lay(stage: Stage, seed: int, sessions: int, **contract: Any) -> list[Session]:
    """Put so many sessions of October into a stage of one contract; some are on hold, some correct others."""
    from tests.integration import test_close as month

    month.start(stage, **contract)
    ref = month.push(stage, b.cdr(1, start=datetime(2026, 10, 1, tzinfo=UTC)))
    session, rating = cdrs.session(stage.ctx, b.ISSUER, ref), cdrs.rating(stage.ctx, b.ISSUER, ref, 1)
    body = cdrs.original(stage.ctx, b.ISSUER, ref)
    assert session is not None
    assert rating is not None
    assert body is not None
    chance = random.Random(seed)
    made = []
    for number in range(2, sessions + 2):
        mine, priced = _varied(chance, number, session, rating, made)
        stage.ctx.db.write(store.original_put(body.model_copy(update={"cdr_ref": mine.cdr_ref})))
        stage.ctx.db.write(store.rating_put(priced))
        stage.ctx.db.write(store.create(mine))
        made.append(mine)
    return made


@cache
def rows(seed: int, sessions: int) -> list[tuple[Session, Rating, str]]:
    """The same sessions with their prices, in no stage."""
    stage = memory_stage.fresh()
    made = lay(stage, seed, sessions)
    found = cdrs.ratings(stage.ctx, b.ISSUER, made)
    return [(s, found[s.cdr_ref], "ADJUSTMENT" if s.credit_of else "PERIOD") for s in made]


def _varied(
    chance: random.Random, number: int, session: Session, rating: Rating, before: list[Session]
) -> tuple[Session, Rating]:
    name = f"{session.cdr_ref}-{number:06d}"
    later = timedelta(seconds=chance.randrange(_MONTH - 4000))
    category, rate = chance.choice(_VAT)
    lines = tuple(_line(chance, component) for component in _components(chance))
    priced = rating.model_copy(
        update={"cdr_ref": name, "lines": lines, "net": total((line.amount for line in lines), "EUR")}
    )
    correcting = chance.choice(before) if before and chance.random() < 0.15 else None
    waits = chance.random() < 0.1
    update: dict[str, Any] = {
        "cdr_ref": name,
        # Ids of more than 36 characters stand apart in records, and corrections carry the id of what they correct.
        "cdr_id": correcting.cdr_id if correcting else f"C-{number:06d}" + "X" * chance.choice((0, 0, 0, 40)),
        "session_id": f"S-{number}",
        "party": chance.choice((b.PARTY, "DEABC", "ATXYZ")),
        "country": chance.choice(("DE", "AT", "FR")),
        "start_utc": session.start_utc + later,
        "stop_utc": session.stop_utc + later,
        "energy_kwh": Decimal(chance.randrange(1, 90_000)).scaleb(-chance.choice((0, 1, 3))),
        "net": priced.net,
        "vat_category": category,
        "vat_rate_percent": rate,
        "credit_of": correcting.cdr_ref if correcting else None,
        "origin": session.cdr_ref if correcting else None,
    }
    if waits:
        update |= {"billing": Billing.ON_HOLD, "reasons": ("METER",), "verified_at_utc": None}
    elif chance.random() < 0.1:
        update |= {"dispute": DisputeState.OPEN, "dispute_id": f"D-{number}"}
    return session.model_copy(update=update), priced


def _components(chance: random.Random) -> list[str]:
    if chance.random() < 0.1:
        return []
    every = ["ENERGY", "ENERGY", "FLAT", "TIME", "PARKING", "CAP"]
    return sorted(chance.sample(every, chance.randrange(1, 5)))


def _line(chance: random.Random, component: str) -> PricedLine:
    apart = chance.random() < 0.1
    return PricedLine(
        component=component,
        quantity=Decimal(chance.randrange(-50, 60_000)).scaleb(-chance.choice((0, 2, 3))),
        unit_price=chance.choice(_PRICES),
        amount=Money(chance.randrange(-50, 3_000), "EUR"),
        vat_category="S" if apart else None,
        vat_rate_percent=Decimal(20) if apart else None,
    )
