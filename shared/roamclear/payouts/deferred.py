"""Which shares are owed and stand on no payout yet (the accrual pack of a month)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from roamclear.cdrs.model import Session
from roamclear.evses import service as evses
from roamclear.evses.model import AccountVersion
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.payouts import rules, store


class Shares:
    """The shares of sessions that stopped in ``[since, until)``, as they were owed at ``as_of``."""

    def __init__(self, ctx: Context, issuer_id: str, since: datetime, until: datetime, as_of: datetime) -> None:
        self._ctx = ctx
        self._issuer_id = issuer_id
        self._span = (since, until, as_of)
        self._versions: dict[str, list[AccountVersion]] = {}
        self._settled: dict[str, frozenset[str]] = {}

    def payee(self, session: Session) -> str | None:
        """The account that is owed a session's share, or None: parked, or borne by the house."""
        if session.account_id is not None or session.borne:
            return None if session.borne else session.account_id
        row = store.parked_row(self._ctx.db, self._issuer_id, session.stop_utc, session.cdr_ref)
        return row.account_id if row is not None else None

    def deferred(self, session: Session, account_id: str) -> Money:
        """The holder's share of a priced session, zero where a payout of that instant has it (rules.md 8)."""
        if session.cdr_ref in self._on_payouts(account_id):
            return Money.zero(session.currency)
        if account_id not in self._versions:
            self._versions[account_id] = evses.account_versions(self._ctx, self._issuer_id, account_id)
        version = rules.version_at(self._versions[account_id], session.stop_utc)
        return rules.share_line(session, "", account_id, version).share

    def _on_payouts(self, account_id: str) -> frozenset[str]:
        if account_id not in self._settled:
            self._settled[account_id] = frozenset(self._claimed(account_id))
        return self._settled[account_id]

    def _claimed(self, account_id: str) -> Iterable[str]:
        since, until, as_of = self._span
        groups = [g for g in store.accruals(self._ctx.db, self._issuer_id, account_id) if g.payout_id is not None]
        groups = [g for g in groups if g.last_stop_utc >= since and g.first_stop_utc < until]
        ids = {g.payout_id for g in groups if g.payout_id is not None}
        known = store.payouts_by_id(self._ctx.db, self._issuer_id, ids)
        for group in groups:
            payout = known.get(group.payout_id or "")
            if payout is not None and payout.created_at_utc < as_of:
                lines = store.lines(self._ctx.db, self._issuer_id, account_id, group.group)
                yield from (line.cdr_ref for line in lines)
