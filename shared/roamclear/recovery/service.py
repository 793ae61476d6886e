"""``roamclear recover``: forward to where the stage was, then compare, and only then NORMAL (rules.md 10).

The tables are brought forward from the kept changes; ledger and audit entries that are still missing come from their
copies under Object Lock. What cannot be brought back is named, and the stage stays in RECOVERY.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.cdrs import proof as cdrs
from roamclear.facts import proof
from roamclear.facts import service as facts
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.errors import NotFound
from roamclear.kernel.writes import Key, Table
from roamclear.ledger.model import Event
from roamclear.mode import service as mode
from roamclear.mode.model import Mode
from roamclear.payouts import service as payouts
from roamclear.payouts.model import BatchState
from roamclear.recovery import store
from roamclear.recovery.model import Difference, Report

#: Changes are taken from this long before the last beat of the restored tables.
_MARGIN = timedelta(minutes=30)
_MOST_DIFFERENCES = 1000
#: Bodies without a session are no fault here: what came during the recovery waits for the sweep.
_PARTS = tuple(part for part in proof.NIGHTLY if part is not cdrs.equations)


def recover(ctx: Context, *, apply: bool, since: datetime | None = None, by: str = "system:recover") -> Report:
    """Compare, and with ``apply`` bring forward first and lift RECOVERY when nothing differs.

    It may run any number of times, and again after a crash anywhere.
    """
    if not apply:
        return _compared(ctx, 0, restore=False)
    mode.enter(ctx, f"a recovery was started by {by}")
    began = since or (mode.current(ctx).beat_at_utc or ctx.now()) - _MARGIN
    replayed = store.replay(ctx, began)
    failed: list[str] = []
    for issuer_id in identity.issuer_ids(ctx):
        # What was told and not yet heard: without it shares and open items would be behind the documents.
        until = ctx.now() + timedelta(seconds=1)
        facts.answer_waiting(ctx, issuer_id, until, lambda row, error: failed.append(f"{row['fact']}: {error}"))
    report = _compared(ctx, replayed, restore=True)
    report = report.model_copy(update={"unanswered": tuple(failed[:100])})
    if not report.clean:
        return report
    log = audit.entry(
        ctx, issuer_id="@", kind="STAGE", object_id="MODE", actor_id=by, action="RECOVERED",
        details={"since": began, "replayed": replayed, "entries": report.entries, "reason": report.reason},
    )  # fmt: skip
    ctx.db.write(log)
    mode.lift(ctx)
    return report.model_copy(update={"mode": Mode.NORMAL})


def _compared(ctx: Context, replayed: int, *, restore: bool) -> Report:
    known = mode.current(ctx)
    entries, found = 0, []
    for chunk in store.copies(ctx):
        entries += len(chunk)
        for table, key, name in store.missing(ctx, chunk):
            if restore:
                store.restore_entry(ctx, table, key, name)
                replayed += 1
            else:
                found.append(_missing(table, key))
        for table, key, _ in chunk:
            if table is Table.LEDGER and len(found) < _MOST_DIFFERENCES:
                found += _behind(ctx, key)
    equations = [e for issuer_id in identity.issuer_ids(ctx) for e in proof.equations(ctx, issuer_id, _PARTS)]
    broken = [f"{e.name} ({e.scope}): {e.left} is not {e.right} {e.unit}" for e in equations if not e.holds]
    return Report(
        mode=known.mode,
        reason=known.reason,
        replayed=replayed,
        entries=entries,
        differences=tuple(found[:_MOST_DIFFERENCES]),
        broken_equations=tuple(broken[:100]),
    )


def _missing(table: Table, key: Key) -> Difference:
    issuer, kind, subject = key.pk.split("#", 2)
    return Difference(
        kind=f"{kind}_MISSING",
        issuer_id=issuer,
        subject=f"{subject} {key.sk}",
        message=f"the archive holds this entry, the {table.value} table does not",
    )


def _behind(ctx: Context, key: Key) -> Iterator[Difference]:
    """What the room of a posted event should hold and does not."""
    issuer, _, rest = key.pk.split("#", 2)
    event, _, subject = rest.partition("#")
    check = _CHECKS.get(event)
    message = check(ctx, issuer, subject) if check else None
    if message:
        yield Difference(kind=f"{event}_BEHIND", issuer_id=issuer, subject=subject, message=message)


def _document(ctx: Context, issuer_id: str, number: str) -> str | None:
    try:
        header = billing.document(ctx, issuer_id, number)
    except NotFound:
        return "the document was numbered and posted; its header is missing"
    if billing.counted(ctx, issuer_id, header.series) < int(number.rsplit("-", 1)[1]):
        return "the counter of the series is behind this number"
    if not ctx.objects.get("documents", header.model_key):
        return "the model of the document is missing"
    return None


def _batch(ctx: Context, issuer_id: str, batch_id: str) -> str | None:
    try:
        found = payouts.find_batch(ctx, issuer_id, batch_id)
    except NotFound:
        return "the batch was exported; its row is missing"
    if found.state in (BatchState.MADE, BatchState.APPROVED):
        return f"the batch was exported and reads {found.state.value}: it must not be exported again"
    return None


def _payout(ctx: Context, issuer_id: str, payout_id: str) -> str | None:
    try:
        payouts.payout(ctx, issuer_id, payout_id)
    except NotFound:
        return "the payout was posted; its row is missing"
    return None


_CHECKS: dict[str, Callable[[Context, str, str], str | None]] = {
    Event.INVOICE_ISSUED.value: _document,
    Event.CREDIT_ISSUED.value: _document,
    Event.SELF_BILLED.value: _document,
    Event.BATCH_EXPORTED.value: _batch,
    Event.PAYOUT_READY.value: _payout,
}
