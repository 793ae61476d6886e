"""Extending and reading audit chains."""

from __future__ import annotations

from typing import Any

from roamclear.audit import rules, store
from roamclear.audit.model import AuditEntry
from roamclear.kernel.context import Context
from roamclear.kernel.record import plain
from roamclear.kernel.writes import Put


def entry(
    ctx: Context,
    *,
    issuer_id: str,
    kind: str,
    object_id: str,
    actor_id: str,
    action: str,
    details: dict[str, Any] | None = None,
) -> Put:
    """The write that extends an object's chain; it goes into the transaction of the change.

    Two writers may extend the same head: one loses on the audit table and runs again (``retry.again_on_race``).
    """
    head = store.last(ctx.db, issuer_id, kind, object_id)
    link = AuditEntry(
        issuer_id=issuer_id,
        kind=kind,
        object_id=object_id,
        sequence=head.sequence + 1 if head else 1,
        at_utc=ctx.now(),
        actor_id=actor_id,
        action=action,
        details=plain(details or {}),
        previous=head.digest if head else rules.GENESIS,
        digest="",
    )
    return store.entry_put(rules.seal(link))


def history(ctx: Context, issuer_id: str, kind: str, object_id: str) -> list[AuditEntry]:
    """Everything that was done to an object, oldest first."""
    return list(store.chain(ctx.db, issuer_id, kind, object_id))


def broken_link(ctx: Context, issuer_id: str, kind: str, object_id: str) -> int | None:
    """The first link of a chain that does not hold, or None."""
    return rules.broken_link(history(ctx, issuer_id, kind, object_id))
