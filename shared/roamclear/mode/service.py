"""The gate before everything that cannot be taken back: numbers, mails, payments (rules.md 10).

A restored table tells that it is one in two ways, without anybody remembering to say so. Every sweep counts a beat in
the tables and outside of them; tables that lag behind were restored. And before a number or a payment is posted, the
archive is asked for its copy: one that is there already means that it was posted once, in a future that was lost.
"""

from __future__ import annotations

from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InRecovery
from roamclear.ledger.model import Event
from roamclear.mode import store
from roamclear.mode.model import Mode, StageMode


def recovering(ctx: Context) -> bool:
    """Whether the stage is in RECOVERY."""
    known = store.read(ctx)
    return known is not None and known.mode is Mode.RECOVERY


def current(ctx: Context) -> StageMode:
    """The mode with its reason."""
    return store.read(ctx) or StageMode()


def require_normal(ctx: Context) -> None:
    """Refuse while the stage is in RECOVERY.

    Raises:
        InRecovery: with the reason; the caller comes again when a clean comparison lifted it.
    """
    known = store.read(ctx)
    if known is not None and known.mode is Mode.RECOVERY:
        raise InRecovery(f"the stage is in RECOVERY: {known.reason}")


def require_unposted(ctx: Context, issuer_id: str, event: Event, subject: str) -> None:
    """Refuse to post what the archive already holds; the stage was restored and enters RECOVERY."""
    require_normal(ctx)
    if store.entry_was_copied(ctx, issuer_id, event.value, subject):
        enter(ctx, f"{event.value} {subject} was posted before; the tables are older than the archive")
        require_normal(ctx)


def beat(ctx: Context) -> Mode:
    """Count a sweep in the tables and outside; tables that lag behind enter RECOVERY.

    A beat is counted in the tables before it is kept outside, so what lies outside is read first: another sweep that
    beats in between is then never taken for a restore.
    """
    outside = store.beat_outside(ctx)
    known = store.read(ctx)
    if known is not None and known.mode is Mode.RECOVERY:
        return Mode.RECOVERY
    counted = known.beat if known else 0
    if outside > counted:
        enter(ctx, f"the tables are at beat {counted}, {outside} was kept outside; they were restored")
        return Mode.RECOVERY
    made = (known or StageMode()).model_copy(update={"beat": counted + 1, "beat_at_utc": ctx.now()})
    try:
        ctx.db.write(store.put(made, known))
    except ConditionFailed:
        return current(ctx).mode  # another sweep counted
    store.keep_beat(ctx, counted + 1)
    return Mode.NORMAL


def enter(ctx: Context, reason: str) -> None:
    """Put the stage into RECOVERY; the first reason stays."""
    for _ in range(5):
        known = store.read(ctx)
        if known is not None and known.mode is Mode.RECOVERY:
            return
        made = (known or StageMode()).model_copy(
            update={"mode": Mode.RECOVERY, "reason": reason[:500], "since_utc": ctx.now()}
        )
        try:
            ctx.db.write(store.put(made, known))
            return
        except ConditionFailed:
            continue
    raise InRecovery("the stage could not be put into RECOVERY; it is tried again")


def lift(ctx: Context) -> StageMode:
    """Back to NORMAL, at the beat that was kept outside; only a clean comparison may ask for it."""
    known = store.read(ctx)
    made = StageMode(beat=max(store.beat_outside(ctx), known.beat if known else 0), beat_at_utc=ctx.now())
    ctx.db.write(store.put(made, known))
    return made
