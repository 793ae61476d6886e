"""Runs below the smallest invoice of their contract wait for a later one (product.md row 65, decision 0023).

Nothing is moved: a carried run keeps its sessions, its fees, its lock and its payouts. It is only billed later, by the
documents of the run that names it in ``carries``. A carried amount is therefore never a line of its own, and taxable
once, with its sessions (rules.md 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from roamclear.audit import service as audit
from roamclear.billing import mails, store
from roamclear.billing.charges import fees_net
from roamclear.billing.model import Run, RunState
from roamclear.contracts import service as contracts
from roamclear.contracts.model import Contract, Terms
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy, ConditionFailed, InvariantBroken, Unavailable
from roamclear.kernel.money import Money, total
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action, Table

_TRIES = 6


def waiting(ctx: Context, run: Run) -> list[Run]:
    """Carried runs of the contract, of periods before this one, that no run has taken yet; the oldest first."""
    if run.kind != "CLOSE":
        return []
    rows = store.carried(ctx.db, run.issuer_id, run.contract_id)
    found = [store.run(ctx.db, run.issuer_id, run_id) for run_id in rows if run_id != run.run_id]
    return sorted((r for r in found if r is not None and r.end <= run.first), key=lambda r: (r.end, r.run_id))


def settle(ctx: Context, run: Run) -> Run:
    """Decide once what a LOCKED run does: carry, or go to its documents and take along what was carried before.

    The run that is returned is CARRIED, FINALISING, or wherever another worker has brought it.
    """
    for _ in range(_TRIES):
        if run.state is not RunState.LOCKED:
            return run
        earlier = waiting(ctx, run)
        terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
        head = contracts.head(ctx, run.issuer_id, run.contract_id)
        reason = why(run, earlier, terms, head)
        try:
            if reason is None:
                _take(ctx, run, earlier)
            else:
                _carry(ctx, run, reason)
        except ConditionFailed:
            pass  # another worker decided, or another run took one of them: look again
        run = _read(ctx, run)
    raise Busy("a run is settled by too many at once")


def why(run: Run, earlier: Sequence[Run], terms: Terms, head: Contract) -> str | None:
    """Why a run is carried, or None where it is billed.

    It is billed from the smallest invoice on, after as many carried periods as the contract allows, with the last
    period of a calendar year, and once the contract has ended. A negative sum counts by its size (rules.md 6).
    """
    if run.kind != "CLOSE":
        return None
    least = Money(terms.min_invoice_minor, run.currency)
    found = total((_net(each) for each in (*earlier, run)), run.currency)
    last_day = run.end - timedelta(days=1)
    year_ends = (last_day + timedelta(days=1)).year > run.first.year
    ended = head.valid_to is not None and head.valid_to <= run.end
    if not abs(found) < least or len(earlier) >= terms.min_invoice_periods or year_ends or ended:
        return None
    if not found and not earlier:
        return None  # nothing to carry
    return f"{found} is below the smallest invoice of {least}"


def runs_of(ctx: Context, run: Run) -> list[Run]:
    """The runs whose sessions stand on a run's documents: its own, then those it carries, the oldest first."""
    found = [store.run(ctx.db, run.issuer_id, run_id) for run_id in run.carries]
    return [run, *(each for each in found if each is not None)]


def finished(ctx: Context, run: Run, numbers: tuple[str, ...]) -> None:
    """Close a run with its documents, and the runs it carries with it, in one transaction.

    Raises:
        ConditionFailed: another worker did it.
    """
    state = RunState.ISSUED if numbers else RunState.SETTLED
    actions: list[Action] = [store.run_update(run, (RunState.FINALISING,), state=state, numbers=numbers)]
    for each in runs_of(ctx, run)[1:]:
        actions.append(store.run_update(each, (RunState.CARRIED,), state=RunState.SETTLED, numbers=numbers))
    if numbers:
        actions.append(store.fact(run, ctx.now(), "run.issued"))
    ctx.db.transact(actions)


def _net(run: Run) -> Money:
    if run.locked_net is None:
        raise InvariantBroken("a run without a lock is neither billed nor carried", run_id=run.run_id)
    return run.locked_net + fees_net(run.fees, run.currency)


def _carry(ctx: Context, run: Run, reason: str) -> None:
    moved = store.run_update(run, (RunState.LOCKED,), state=RunState.CARRIED, carried_reason=reason)
    told = store.fact(run, ctx.now(), "run.carried")
    _logged(ctx, run, "CARRIED", {"net": _net(run), "reason": reason}, [moved, store.carried_put(run), told])


def tell(ctx: Context, issuer_id: str, run_id: str) -> None:
    """Say to the partner that a run was carried, once; a run that was billed meanwhile is told of all the same.

    Raises:
        Unavailable: the mail was not taken; the fact is told again.
    """
    run = store.run(ctx.db, issuer_id, run_id)
    if run is None or run.carried_reason is None:
        return
    if not mails.carried(ctx, run, _net(run)):
        raise Unavailable("the mail service did not take a mail", run_id=run_id)


def _take(ctx: Context, run: Run, earlier: Sequence[Run]) -> None:
    taken = tuple(each.run_id for each in earlier)
    moved = store.run_update(run, (RunState.LOCKED,), state=RunState.FINALISING, carries=taken)
    if not taken:
        ctx.db.write(moved)
        return
    actions: list[Action] = [moved]
    for each in earlier:
        update = store.run_update(each, (RunState.CARRIED,), billed_by=run.run_id)
        actions += [store.only_once(update, "billed_by"), store.carried_gone(each)]
    _logged(ctx, run, "CARRIED_TAKEN", {"runs": taken}, actions)


def _logged(ctx: Context, run: Run, action: str, details: dict[str, object], actions: list[Action]) -> None:
    def attempt() -> None:
        log = audit.entry(
            ctx,
            issuer_id=run.issuer_id,
            kind="RUN",
            object_id=run.run_id,
            actor_id="system:close",
            action=action,
            details=details,
        )
        ctx.db.transact([*actions, log])

    again_on_race(attempt, tables=(Table.AUDIT,))


def _read(ctx: Context, run: Run) -> Run:
    found = store.run(ctx.db, run.issuer_id, run.run_id)
    if found is None:
        raise InvariantBroken("a run is gone", run_id=run.run_id)
    return found
