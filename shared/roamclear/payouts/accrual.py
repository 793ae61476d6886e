"""From locked sessions to shares, exactly once (product.md row 105); it may stop anywhere and run again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from roamclear.billing import service as billing
from roamclear.cdrs.model import Session
from roamclear.evses import service as evses
from roamclear.evses.model import AccountVersion
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.writes import Action
from roamclear.payouts import rules, store
from roamclear.payouts.model import Parked, ShareLine

#: Lines between two checkpoints: what is written again at most after a crash.
_CHECKPOINT = 250
#: Parked shares that find their account in one transaction (two writes each, and the sum).
_PARKED = 40


def accrue_run(ctx: Context, issuer_id: str, run_id: str) -> int:
    """Give every locked session of a run its share line; returns how many sessions the run has.

    The account is the one that the lock froze on the session; the split is that of the account's version at session
    stop. The same run again, at once, or after a crash between any two writes, comes to the same rows.
    """
    return accrue(ctx, issuer_id, run_id, billing.locked_sessions(ctx, issuer_id, run_id))


def accrue(ctx: Context, issuer_id: str, run_id: str, sessions: Iterable[Session]) -> int:
    """``accrue_run`` over sessions that are given, always in the same order."""
    done = store.progress(ctx.db, issuer_id, run_id)
    known: dict[str, list[AccountVersion]] = {}
    groups: dict[str, list[ShareLine]] = defaultdict(list)
    count, unowned = 0, set[str]()
    for session in sessions:
        count += 1
        if session.account_id is None or session.borne:
            put = store.parked_put(rules.parked(session, run_id))
            unowned |= {session.evse_id} if session.evse_id and not session.borne else set()
        else:
            version = rules.version_at(_versions(ctx, issuer_id, session.account_id, known), session.stop_utc)
            line = rules.share_line(session, run_id, session.account_id, version)
            groups[session.account_id].append(line)
            put = store.line_put(line, run_id)
        if count > done:
            store.put_once(ctx.db, put)
            if count % _CHECKPOINT == 0:
                ctx.db.write(store.progress_put(issuer_id, run_id, count))
    for _, lines in sorted(groups.items()):
        store.put_once(ctx.db, store.accrual_put(rules.accrual(lines, run_id, ctx.now())))
    if unowned:
        # An EVSE that was assigned between the lock and now told nobody: its shares were not parked yet.
        _release_all(ctx, issuer_id, unowned)
    return count


def release_parked(ctx: Context, issuer_id: str, evse_id: str) -> int:
    """Give parked shares of an EVSE to the account that is paid for it now; returns how many found one."""
    return _release_all(ctx, issuer_id, {evse_id})


def _release_all(ctx: Context, issuer_id: str, evse_ids: set[str]) -> int:
    by_account: dict[tuple[str, str, str], list[Parked]] = defaultdict(list)
    for row in store.parked_rows(ctx.db, issuer_id):
        if row.account_id is None and not row.borne and row.evse_id is not None and row.evse_id in evse_ids:
            account = evses.payee(ctx, issuer_id, row.evse_id, row.stop_utc)
            if account is not None:
                by_account[account, row.run_id, row.gross.currency].append(row)
    freed = 0
    for (account, run_id, _), rows in sorted(by_account.items()):
        for at in range(0, len(rows), _PARKED):
            freed += _release(ctx, issuer_id, account, run_id, rows[at : at + _PARKED])
    return freed


def _release(ctx: Context, issuer_id: str, account_id: str, run_id: str, rows: list[Parked]) -> int:
    versions = evses.account_versions(ctx, issuer_id, account_id)
    lines = [rules.share_line(r, run_id, account_id, rules.version_at(versions, r.stop_utc)) for r in rows]
    group = rules.group_of(run_id, [row.cdr_ref for row in rows])
    actions: list[Action] = [store.accrual_put(rules.accrual(lines, group, ctx.now()))]
    actions += [store.parked_taken(row, account_id) for row in rows]
    actions += [store.line_put(line, group) for line in lines]
    try:
        ctx.db.transact(actions)
    except ConditionFailed:
        return 0  # another worker gave them away
    return len(rows)


def _versions(
    ctx: Context, issuer_id: str, account_id: str, known: dict[str, list[AccountVersion]]
) -> list[AccountVersion]:
    if account_id not in known:
        known[account_id] = evses.account_versions(ctx, issuer_id, account_id)
    return known[account_id]
