"""From locked sessions to shares, exactly once (product.md row 105); it may stop anywhere and run again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from roamclear.billing import service as billing
from roamclear.cdrs.model import Session
from roamclear.contracts import service as contracts
from roamclear.evses import service as evses
from roamclear.evses.model import AccountVersion
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.writes import Action
from roamclear.payouts import rules, store
from roamclear.payouts.model import Parked

#: Lines between two checkpoints: what is written again at most after a crash.
_CHECKPOINT = 250
#: Parked shares that find their account in one transaction (two writes each, and the sum).
_PARKED = 40


def accrue_run(ctx: Context, issuer_id: str, run_id: str) -> int:
    """Give every locked session of a run its share line; returns how many sessions the run has.

    The account is the one that the lock froze on the session; the split is that of the account's version at session
    stop. The same run again, at once, or after a crash between any two writes, comes to the same rows.
    """
    return accrue(ctx, issuer_id, run_id, shared(ctx, issuer_id, run_id))


def shared(ctx: Context, issuer_id: str, run_id: str) -> Iterator[Session]:
    """The sessions of a run that somebody has a share of, in order."""
    if is_shared(ctx, issuer_id, run_id):
        yield from billing.locked_sessions(ctx, issuer_id, run_id)


def is_shared(ctx: Context, issuer_id: str, run_id: str) -> bool:
    """Whether a run has shares at all: what we buy ourselves (direction REVERSE) is nobody's."""
    run = billing.run(ctx, issuer_id, run_id)
    return not contracts.version(ctx, issuer_id, run.contract_id, run.contract_version).terms.is_reverse


def accrue(ctx: Context, issuer_id: str, run_id: str, sessions: Iterable[Session]) -> int:
    """``accrue_run`` over sessions that are given, always in the same order."""
    done = store.progress(ctx.db, issuer_id, run_id)
    shares = Shares(ctx, issuer_id, run_id)
    for session in sessions:
        shares.take(session, write=shares.count >= done)
        if shares.count > done and shares.count % _CHECKPOINT == 0:
            ctx.db.write(store.progress_put(issuer_id, run_id, shares.count))
    shares.finish()
    return shares.count


class Shares:
    """The shares of a run's sessions, one after the other: the sums of the accounts are kept, the lines are not."""

    def __init__(self, ctx: Context, issuer_id: str, run_id: str) -> None:
        self._ctx = ctx
        self._issuer_id = issuer_id
        self._run_id = run_id
        self._known: dict[str, list[AccountVersion]] = {}
        self._sums: dict[str, rules.AccrualSum] = {}
        self._unowned = set[str]()
        self.count = 0

    def take(self, session: Session, *, write: bool) -> None:
        """Count a session's share, and write its line where it has none for sure."""
        self.count += 1
        account_id = None if session.borne else session.account_id
        if account_id is None:
            put = store.parked_put(rules.parked(session, self._run_id))
            self._unowned |= {session.evse_id} if session.evse_id and not session.borne else set()
        else:
            versions = _versions(self._ctx, self._issuer_id, account_id, self._known)
            version = rules.version_at(versions, session.stop_utc)
            line = rules.share_line(session, self._run_id, account_id, version)
            self._sums.setdefault(account_id, rules.AccrualSum()).add(line)
            put = store.line_put(line, self._run_id)
        if write:
            store.put_once(self._ctx.db, put)

    def finish(self) -> None:
        """After the last session: the sum of each account, from which a payout may claim it."""
        for _, counted in sorted(self._sums.items()):
            store.put_once(self._ctx.db, store.accrual_put(counted.made(self._run_id, self._ctx.now())))
        if self._unowned:
            # An EVSE that was assigned between the lock and now told nobody: its shares were not parked yet.
            _release_all(self._ctx, self._issuer_id, self._unowned)


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
