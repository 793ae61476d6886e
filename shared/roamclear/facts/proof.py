"""The whole proof of rules.md 8: every room's equations over stored data, for every issuer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from roamclear.accounting import service as accounting
from roamclear.audit import days as audit
from roamclear.billing import proof as billing
from roamclear.cdrs import proof as cdrs
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.ledger import proof as ledger_proof
from roamclear.ledger import service as ledger
from roamclear.ledger.proof import Equation
from roamclear.payouts import proof as payouts
from roamclear.reconciliation import proof as reconciliation

Part = Callable[[Context, str], list[Equation]]


def _ledger(ctx: Context, issuer_id: str) -> list[Equation]:
    since = identity.issuer(ctx, issuer_id).created_at_utc or ctx.now()
    return ledger_proof.balanced(ledger.entries(ctx, issuer_id, since))


def _copies(ctx: Context, issuer_id: str) -> list[Equation]:
    """Every entry of this month and the one before lies unchanged under Object Lock (older ones were proved then)."""
    created = identity.issuer(ctx, issuer_id).created_at_utc or ctx.now()
    entries, equal = ledger.copies(ctx, issuer_id, max(created, ctx.now() - timedelta(days=31)))
    return [
        Equation(name="ledger entries = archived copies", scope=issuer_id, unit="entries", left=entries, right=equal)
    ]


PARTS: tuple[Part, ...] = (
    cdrs.equations,
    billing.equations,
    payouts.equations,
    reconciliation.equations,
    _ledger,
)


def _audit(ctx: Context, issuer_id: str) -> list[Equation]:
    """The copied audit entries of yesterday and today stand unchanged in the table, and locked days give their digest.

    The copies are listed: an entry that somebody removed from the table is missed there (rules.md 8).
    """
    copies, equal = audit.counts(ctx, issuer_id)
    broken = len(list(audit.broken_days(ctx, issuer_id)))
    return [
        Equation(name="audit copies = audit entries", scope=issuer_id, unit="entries", left=copies, right=equal),
        Equation(name="locked audit digests hold", scope=issuer_id, unit="days that differ", left=broken, right=0),
    ]


#: Before a part that does not hold is computed again: whoever posts at this moment is done by then.
_PAUSE_S = 30
Pause = Callable[[int], None]


def _at_once(seconds: int) -> None:
    """No pause: who calls is the only worker."""


#: What only the night asks: the copies are made by a stream, so right after a posting they may not be there yet.
NIGHTLY = (*PARTS, _copies, _audit, accounting.equations)


def prove(ctx: Context, issuer_id: str, parts: tuple[Part, ...] = PARTS, *, pause: Pause = _at_once) -> list[Equation]:
    """The equations of an issuer; each broken one is an exception once a day."""
    found = equations(ctx, issuer_id, parts, pause=pause)
    for equation in found:
        if not equation.holds:
            journal.raise_once(
                ctx,
                issuer_id,
                ExceptionType.PROOF_FAILED,
                f"{ctx.now():%Y-%m-%d}#{equation.name}#{equation.scope}",
                f"{equation.name} ({equation.scope}): {equation.left} is not {equation.right} {equation.unit}",
                severity="HIGH",
                next_action="stop the close and look: stored data contradict each other",
            )
    return found


def equations(
    ctx: Context, issuer_id: str, parts: tuple[Part, ...] = NIGHTLY, *, pause: Pause = _at_once
) -> list[Equation]:
    """The equations of an issuer as they stand; nothing is written.

    A part reads its two sides one after the other, and others write meanwhile: what does not hold is computed once
    more, and an equation that held in either reading holds.
    """
    found = {part: _computed(ctx, issuer_id, part) for part in parts}
    doubtful = [part for part, told in found.items() if not all(each.holds for each in told)]
    if doubtful:
        pause(_PAUSE_S)
    for part in doubtful:
        held = {_named(each): each for each in found[part] if each.holds}
        again = _computed(ctx, issuer_id, part)
        found[part] = [each if each.holds else held.get(_named(each), each) for each in again]
    return [equation for told in found.values() for equation in told]


def _named(equation: Equation) -> tuple[str, str, str]:
    return equation.name, equation.scope, equation.unit


def _computed(ctx: Context, issuer_id: str, part: Part) -> list[Equation]:
    """A part's equations; stored data that cannot even be read is a broken equation, and stops no other part."""
    try:
        return part(ctx, issuer_id)
    except Exception as error:
        name = f"{part.__module__.rpartition('.')[0].rpartition('.')[2]} could be computed ({type(error).__name__})"
        return [Equation(name=name, scope=issuer_id, unit="parts", left=0, right=1)]


def prove_all(ctx: Context, *, only: str | None = None, pause: Pause = _at_once) -> list[Equation]:
    """The proof of every issuer, or of one."""
    wanted = [identity.issuer(ctx, only).issuer_id] if only else identity.issuer_ids(ctx)
    return [equation for issuer_id in wanted for equation in prove(ctx, issuer_id, NIGHTLY, pause=pause)]
