"""Giving up the detail of sessions after its term: bounded, resumable, any number of times (product.md row 139).

What came is walked in the order of its arrival, day by day, as far as the shortest term allows. A session that is not
final, or whose last document is younger, is looked at again on a later day; a session is never given up before its
money is settled everywhere (rules.md 5 and 6). In RECOVERY nothing is given up: what is restored may be needed.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

from roamclear.audit import service as audit
from roamclear.billing import detail as billing
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.detail import service as detail
from roamclear.cdrs.model import Session
from roamclear.contracts import service as contracts
from roamclear.disputes import detail as disputes
from roamclear.identity import service as identity
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, NotFound
from roamclear.kernel.retry import TimeLeft, again_on_race, always, each
from roamclear.kernel.time import local_date
from roamclear.kernel.writes import Table
from roamclear.mode import service as mode
from roamclear.ocpi import detail as refused
from roamclear.payouts import detail as payouts
from roamclear.privacy import store
from roamclear.privacy.model import DetailReport
from roamclear.retention import pseudonyms
from roamclear.retention import rules as terms_rules
from roamclear.retention import service as retention

#: What is not settled yet is looked at again after so many days.
PATIENCE = timedelta(days=30)
#: Rows that wait, read at once.
_PIECE = 200
_SESSION = "CDR"


def expire_all(ctx: Context, *, only: str | None = None, time_left: TimeLeft = always) -> list[DetailReport]:
    """Give up what is over at every issuer, as far as the time goes; the next call goes on.

    A fault at one issuer stops no other, but fails the call at its end.

    Raises:
        InRecovery: the stage was restored and is not compared yet.
    """
    mode.require_normal(ctx)
    wanted = [only] if only else identity.issuer_ids(ctx)
    return each(wanted, lambda issuer_id: Expiry(ctx, issuer_id).work(time_left))


def came_later(ctx: Context, issuer_id: str, cdr_ref: str) -> None:
    """A differing body came: under the id of a CDR whose detail has expired it is looked at with the next run."""
    body = cdrs.original(ctx, issuer_id, cdr_ref)
    if body is None or body.expired_at_utc is None:
        return
    today = local_date(ctx.now(), "UTC")
    ctx.db.write(store.waiting_put(issuer_id, today, _SESSION, cdr_ref, "CAME_LATER", ctx.now()))


class Expiry:
    """One run at one issuer."""

    def __init__(self, ctx: Context, issuer_id: str) -> None:
        self._ctx, self._issuer_id, self._began = ctx, issuer_id, ctx.now()
        self.terms = retention.terms(ctx, issuer_id)
        self._today = local_date(ctx.now(), "UTC")
        self.standing = billing.Standing(ctx, issuer_id)
        self._zones: dict[str, str] = {}
        self._names: pseudonyms.Pseudonyms | None = None
        self._waits: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._fault: Exception | None = None

    def work(self, time_left: TimeLeft) -> DetailReport:
        """What waited first, then what came; at last the report with its audit entry, where anything was given up."""
        self._again(time_left)
        return self.finish(self._walk(time_left).date())

    def finish(self, reached: date | None) -> DetailReport:
        """The report with its audit entry, where anything was given up; a fault on the way is raised now."""
        made = DetailReport(
            issuer_id=self._issuer_id,
            began_at_utc=self._began,
            epoch=self._names.epoch if self._names else 0,
            detail_months=self.terms.detail_months,
            detail_years=self.terms.detail_years,
            waiting=dict(sorted(self._waits.items())),
            reached=reached,
            **{name: self._done[name] for name in ("sessions", "bodies", "refused", "disputes")},
        )
        if any(self._done.values()):
            self._tell(made)
        if self._fault is not None:
            raise self._fault
        return made

    def until(self, rows: list[Session], received: datetime) -> tuple[str | None, datetime | None]:
        """(why the detail of a family may not go at all yet, or None; the instant from which on it may)."""
        last = received
        for row in rows:
            reason, told = self.standing.open_reason(row)
            reason = reason or payouts.open_reason(self._ctx, row)
            if reason is not None:
                return reason, None
            last = max(last, row.stop_utc, told or last)
        return None, terms_rules.detail_until(self.terms, last)

    def look(self, cdr_ref: str) -> tuple[str, date] | None:
        """Give up the detail of a CDR, or say why not yet and when to look again; None when nothing is left to do."""
        body = cdrs.original(self._ctx, self._issuer_id, cdr_ref)
        rows = detail.family(self._ctx, self._issuer_id, cdr_ref)
        if body is None:
            return None
        if not rows:
            return "NOT_PROCESSED", self._today + PATIENCE
        reason, due = self.until(rows, body.received_at_utc)
        if reason is not None or due is None:
            return reason or "OPEN", self._today + PATIENCE
        if self._ctx.now() < due:
            return "TERM", max(due.date(), self._today + timedelta(days=1))
        try:
            self._expire(cdr_ref, rows)
        except ConditionFailed:
            return "CHANGED", self._today + timedelta(days=1)
        return None

    def _expire(self, cdr_ref: str, rows: list[Session]) -> None:
        names = self._names = self._names or pseudonyms.current(self._ctx, self._issuer_id)
        for row in rows:
            zone = self._zone(row)
            if row.detail_expired_at_utc is None:
                day = detail.coarse(row.stop_utc, zone)
                alias = names.of("EVSE", row.evse_id) if row.evse_id else None
                # Found by the exact stop, which the row itself gives up last.
                payouts.coarsen(self._ctx, row, day, alias)
                billing.coarsen_members(self._ctx, row, day)
                if row.dispute_id is not None:
                    self._done["disputes"] += disputes.expire(self._ctx, self._issuer_id, row.dispute_id)
                self._done["sessions"] += 1
            detail.expire_row(self._ctx, row, names, zone)
        body = cdrs.original(self._ctx, self._issuer_id, cdr_ref)
        if body is not None:
            self._done["bodies"] += detail.expire_body(self._ctx, body, names, self._zone(rows[0]))

    def _again(self, time_left: TimeLeft) -> None:
        while time_left():
            due = store.waiting_due(self._ctx.db, self._issuer_id, self._today, _PIECE)
            for row in due:
                if not time_left():
                    return
                self.settle(row["subject"])
                self._gone(row)
            if len(due) < _PIECE:
                return

    def _gone(self, row: dict[str, Any]) -> None:
        try:
            self._ctx.db.write(store.waiting_gone(row))
        except ConditionFailed:
            return  # another body came while this was looked at: it waits for the next look

    def _walk(self, time_left: TimeLeft) -> datetime:
        day, position = store.mark(self._ctx.db, self._issuer_id) or (self._founded(), "")
        while self._is_over(day) and time_left():
            for place, cdr_ref in detail.received_after(self._ctx, self._issuer_id, day, position):
                if not time_left():
                    self._ctx.db.write(store.mark_put(self._issuer_id, day, position))
                    return day
                self.settle(cdr_ref)
                position = place
            self._done["refused"] += refused.expire_refused(self._ctx, self._issuer_id, day)
            day, position = day + timedelta(days=1), ""
            self._ctx.db.write(store.mark_put(self._issuer_id, day, position))
        return day

    def settle(self, subject: str) -> None:
        """Give up the detail of a CDR, or note when to look again."""
        waits: tuple[str, date] | None
        try:
            waits = self.look(subject)
        except Exception as error:
            # One that cannot be looked at stops no other; the run fails at its end, so that somebody looks.
            self._fault, waits = self._fault or error, ("FAILED", self._today + timedelta(days=1))
        if waits is not None:
            reason, on = waits
            self._waits[reason] += 1
            noted = store.waiting_put(self._issuer_id, on, _SESSION, subject, reason, self._ctx.now())
            self._ctx.db.write(noted)

    def _is_over(self, day: datetime) -> bool:
        """Whether a body that came at the end of a UTC day could be given up by now."""
        end = day + timedelta(days=1)
        return end <= self._ctx.now() and terms_rules.detail_until(self.terms, end) <= self._ctx.now()

    def _founded(self) -> datetime:
        at = identity.issuer(self._ctx, self._issuer_id).created_at_utc or self._ctx.now()
        return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    def _zone(self, row: Session) -> str:
        """Days are those of the contract, whose periods the sessions are summed by."""
        name = row.contract_id
        if name is None:
            return self.terms.zone
        if name not in self._zones:
            try:
                self._zones[name] = contracts.head(self._ctx, self._issuer_id, name).zone
            except NotFound:
                self._zones[name] = self.terms.zone
        return self._zones[name]

    def _tell(self, made: DetailReport) -> None:
        def attempt() -> None:
            turn = store.reports_at(self._ctx.db, self._issuer_id, made.began_at_utc)
            log = audit.entry(
                self._ctx, issuer_id=self._issuer_id, kind="DETAIL", object_id=f"{made.began_at_utc:%Y-%m}",
                actor_id="system:detail", action="DETAIL_EXPIRED", details=made.dump(),
            )  # fmt: skip
            self._ctx.db.transact([store.report_put(made, turn), log])

        again_on_race(attempt, tables=(Table.AUDIT, Table.CLEARING))
