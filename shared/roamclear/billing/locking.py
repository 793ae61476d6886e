"""From the end of the window to the locked run (rules.md 6, product.md B5); it may stop anywhere and run again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from roamclear.billing import carry, manifest, notices, store, tally
from roamclear.billing.fees_back import service as fees_back
from roamclear.billing.model import Run, RunState
from roamclear.billing.runs import LOCK_AFTER, all_members, known_run, log_entry
from roamclear.cdrs import adjustments
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState, Session
from roamclear.contracts import service as contracts
from roamclear.contracts.fees import FeeCharge
from roamclear.contracts.model import ContractVersion
from roamclear.disputes import withheld
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict
from roamclear.kernel.money import Money
from roamclear.kernel.retry import TimeLeft, again_on_race, always
from roamclear.kernel.writes import Put
from roamclear.retention import service as retention


def lock(ctx: Context, issuer_id: str, run_id: str, time_left: TimeLeft = always) -> Run:
    """Lock the run by ONE conditional write, then flag its members; from that write on nothing lands any more.

    Where the time runs out before all members are flagged, the run comes back LOCKING and the next call goes on.
    """
    run = known_run(ctx, issuer_id, run_id)
    if run.state is RunState.WINDOW:
        if run.closes_at_utc is None or ctx.now() < run.closes_at_utc + LOCK_AFTER:
            raise Conflict("the window is still open", run_id=run_id)
        if not notices.given(run):
            raise Conflict("the eMSP was not told of the window", rule="WINDOW_NOTICE_FAILED", run_id=run_id)
        try:
            ctx.db.write(store.run_update(run, (RunState.WINDOW,), state=RunState.LOCKING, locking_at_utc=ctx.now()))
        except ConditionFailed:
            pass  # another worker locked it
        run = known_run(ctx, issuer_id, run_id)
    if run.state is not RunState.LOCKING:
        return run
    if not _flag_all(ctx, run, time_left):
        return run
    return _locked(ctx, run)


def _flag_all(ctx: Context, run: Run, time_left: TimeLeft) -> bool:
    """Flag what is not flagged yet; False when the time ran out."""
    terms = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version)
    for session in all_members(ctx, run):
        if session.run_id == run.run_id and session.billing is Billing.IN_WINDOW:
            if not time_left():
                return False
            _flag(ctx, run, session, terms)
    return time_left()


def _flag(ctx: Context, run: Run, session: Session, terms: ContractVersion) -> None:
    after, writes = _decided(ctx, run, session, terms)
    writes = [*writes, *cdrs.told(after, session, ctx.now()), *adjustments.lowered(ctx, session, after)]
    try:
        if len(writes) > 1:
            ctx.db.transact(writes)
        else:
            ctx.db.write(writes[0])
    except ConditionFailed:
        # Only another flagging worker can have written since LOCKING; read again and see that it did.
        again = cdrs.session(ctx, run.issuer_id, session.cdr_ref)
        if again is None or again.billing is Billing.IN_WINDOW:
            raise


def _decided(ctx: Context, run: Run, session: Session, terms: ContractVersion) -> tuple[Session, list[Put]]:
    """A member as the lock leaves it: billed, or, where its dispute has no answer, as the contract says."""
    policy = terms.terms.unanswered_policy
    disputed = session.dispute is DisputeState.OPEN
    # The credit of a correction that was credited with its session is on its way: it is not dropped on top of that.
    credited = disputed and session.net is not None and adjustments.absorbed(ctx, session, session.net)
    if not disputed or policy == "BILL" or (policy == "DROP" and credited):
        after, moved = cdrs.changed(session, billing=Billing.LOCKED)
        return after, [moved]
    divided = None if credited else withheld.divide(ctx, session, terms.terms)
    if divided is not None:
        _tell_unanswered(ctx, run, session, divided[0].withheld, "what is not in dispute is billed")
        return divided
    after, moved = cdrs.changed(
        session,
        billing=Billing.INVALIDATED if policy == "DROP" else Billing.ON_HOLD,
        run_id=None,
        left_run_id=run.run_id,
        reasons=("DISPUTED",),
    )
    _tell_unanswered(ctx, run, session, session.net, f"policy {policy}")
    return after, [moved]


def _tell_unanswered(ctx: Context, run: Run, session: Session, amount: Money | None, what: str) -> None:
    journal.raise_once(
        ctx,
        run.issuer_id,
        ExceptionType.UNANSWERED_DISPUTE,
        f"{run.run_id}#{session.cdr_ref}",
        f"a dispute was not answered by the close; {what}",
        partner=run.contract_id,
        expected=amount,
        details={"dispute_id": session.dispute_id or "", "cdr_ref": session.cdr_ref},
    )


def _locked(ctx: Context, run: Run) -> Run:
    """Write the manifest and the totals, and tell the higher rooms."""
    fees_back.take(ctx, run)
    kept, gone = tally.Tally(ctx, run), _Left()
    entries = [_locked_entry(session) for session in kept.over(gone.kept_of(run, all_members(ctx, run)))]
    charged = kept.fees()
    root = _manifest(ctx, run, entries, charged)
    more = bool(entries or charged or carry.waiting(ctx, run))

    def attempt() -> None:
        columns = {
            # Nothing left to bill: the run is over, nobody will ask it again.
            "state": RunState.LOCKED if more else RunState.SETTLED,
            "locked_at_utc": ctx.now(),
            "locked": kept.count,
            "locked_net": kept.net,
            "routes": kept.routes,
            "fees": charged,
            "left": gone.count,
            "left_net": Money(gone.net_minor, run.currency),
            "disputed": gone.disputed,
            "withheld": Money(gone.withheld_minor, run.currency),
            "manifest": root,
        }
        log = log_entry(ctx, run, "LOCKED", {k: v for k, v in columns.items() if k != "state"})
        moved = store.run_update(run, (RunState.LOCKING,), **columns)
        ctx.db.transact([moved, store.fact(run, ctx.now(), "run.locked"), log])

    try:
        again_on_race(attempt)
    except ConditionFailed:
        pass  # another worker finished the lock
    return known_run(ctx, run.issuer_id, run.run_id)


class _Left:
    """Counts who left a run, who of all members was ever disputed, and what was withheld, while the others go by."""

    def __init__(self) -> None:
        self.count = 0
        self.net_minor = 0
        self.disputed = 0
        self.withheld_minor = 0

    def kept_of(self, run: Run, sessions: Iterable[Session]) -> Iterator[Session]:
        """The sessions that stayed."""
        for session in sessions:
            self.disputed += session.dispute is not DisputeState.NONE
            if session.run_id == run.run_id:
                # Of what is billed anew the lock before withheld it: its dispute stands elsewhere.
                own = session.withheld if session.dispute is DisputeState.OPEN else None
                self.withheld_minor += own.amount_minor if own else 0
                yield session
            else:
                self.count += 1
                self.net_minor += session.net.amount_minor if session.net else 0


def _manifest(ctx: Context, run: Run, entries: list[manifest.Locked], charged: tuple[FeeCharge, ...]) -> str:
    """Write the manifest of what is locked under Object Lock; its root goes onto the document."""
    priced = {entry.contract_version for entry in entries if entry.contract_version}
    versions = sorted(priced | {fee.contract_version for fee in charged})
    terms = {
        v: numbers_json.dumps(contracts.version(ctx, run.issuer_id, run.contract_id, v).terms.dump(), sort_keys=True)
        for v in versions
    }
    fees = [manifest.locked_fee(fee) for fee in charged]
    made = manifest.make(run.issuer_id, run.run_id, terms, entries, fees)
    key = manifest.key_of(run.issuer_id, run.run_id)
    retention.put(ctx, run.issuer_id, "archive", key, made.to_bytes(), "application/json")
    return made.root


def _locked_entry(session: Session) -> manifest.Locked:
    return manifest.Locked(
        cdr_ref=session.cdr_ref,
        sha256=session.sha256,
        contract_version=session.contract_version or 0,
        rating_version=session.rating_version,
        net_minor=session.net.amount_minor if session.net else 0,
        currency=session.currency,
    )
