"""Handing outbox facts and received bodies to the room that answers them, at least once, each by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile

from roamclear.audit import days as audit_days
from roamclear.billing import approvals, carry, early, notices, overdue, reminders, self_billing
from roamclear.billing import service as billing
from roamclear.cdrs import backdating
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.jobs import service as jobs
from roamclear.contracts import review as contract_review
from roamclear.contracts import service as contracts
from roamclear.deliveries import service as deliveries
from roamclear.disputes import service as disputes
from roamclear.disputes import withheld
from roamclear.evses import service as evses
from roamclear.facts import store
from roamclear.facts.parking import Tell, close, close_answered, isolated
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.retry import TimeLeft, always
from roamclear.ocpi import claims as record_claims
from roamclear.ocpi import reconciliation as invoice_records
from roamclear.payouts import mails as payout_mails
from roamclear.payouts import service as payouts
from roamclear.privacy import service as privacy
from roamclear.reconciliation import service as reconciliation
from roamclear.rehearsal import service as rehearsal
from roamclear.retention import service as retention
from roamclear.webhooks import service as webhooks
from roamclear.webhooks.sessions import Listeners

__all__ = [
    "CONSUMERS",
    "answer",
    "answer_waiting",
    "isolated",
    "leave_behind",
    "nightly",
    "sweep",
    "take_in",
    "took_in",
]

#: A sweep leaves alone what the stream may still be working on.
SETTLE = timedelta(minutes=1)
#: How long a CDR of no contract waits (product.md J.1).
HOLD_DAYS = 90


def _assigned(ctx: Context, row: Row) -> None:
    cdrs.retry_evse(ctx, row["issuer_id"], row["payload"]["evse_id"])
    payouts.release_parked(ctx, row["issuer_id"], row["payload"]["evse_id"])


def _registered(ctx: Context, row: Row) -> None:
    # The register may have learned the zone, group or power that a waiting session lacks.
    cdrs.retry_evse(ctx, row["issuer_id"], row["payload"]["evse_id"])


def _deactivated(ctx: Context, row: Row) -> None:
    evses.follow_deactivation(ctx, row["issuer_id"], row["payload"]["account_id"])


def _published(ctx: Context, row: Row) -> None:
    # Closed first: what still stands is told again by the sessions that are looked at again.
    for party in row["payload"].get("parties", []):
        reason = "a contract covers the party now"
        for kind in (ExceptionType.NO_CONTRACT, ExceptionType.AMBIGUOUS_CONTRACT, ExceptionType.VAT_MISSING):
            journal.resolve(ctx, row["issuer_id"], kind, party, by="system:contract", reason=reason)
    cdrs.retry_contract(ctx, row["issuer_id"], row["payload"]["contract_id"])


def _backdated(ctx: Context, row: Row) -> None:
    told = row["payload"]
    backdating.follow(ctx, row["issuer_id"], told["contract_id"], told["proposal_id"])


def _job_step(ctx: Context, row: Row) -> None:
    jobs.advance(ctx, row["issuer_id"], row["payload"]["job_id"])


def _locked(ctx: Context, row: Row) -> None:
    payouts.accrue_piece(ctx, row["issuer_id"], row["payload"]["run_id"])


def _debited(ctx: Context, row: Row) -> None:
    payouts.confirm_debit(ctx, row["issuer_id"], row["payload"])


def _returned(ctx: Context, row: Row) -> None:
    payouts.take_return(ctx, row["issuer_id"], row["payload"])


def _approved(ctx: Context, row: Row) -> None:
    billing.start_correction(ctx, row["issuer_id"], row["payload"]["correction_id"])


def _left_behind(ctx: Context, row: Row) -> None:
    # Processed by the sweep; whoever hears of CDRs hears of this one too.
    issuer_id, ref = row["issuer_id"], row["payload"]["cdr_ref"]
    Listeners(ctx).tell(cdrs.process(ctx, issuer_id, ref))
    body = store.body_key(issuer_id, ref)
    close(ctx, issuer_id, body.pk, body.sk)


def _intake_left_behind(ctx: Context, row: Row) -> None:
    issuer_id, payload = row["issuer_id"], row["payload"]
    found = store.intake_row(ctx.db, payload)
    if found is not None:
        took_in(ctx, found)
    close(ctx, issuer_id, payload["pk"], payload["sk"])


def _credited(ctx: Context, row: Row) -> None:
    billing.credit_at_once(ctx, row["issuer_id"], row["payload"]["cdr_ref"])


def _issued(ctx: Context, row: Row) -> None:
    billing.settle_correction(ctx, row["issuer_id"], row["payload"]["number"])
    reconciliation.rematch(ctx, row["issuer_id"])
    _recorded(ctx, row)


def _noted(ctx: Context, row: Row) -> None:
    billing.settle_correction(ctx, row["issuer_id"], row["payload"]["number"])
    _recorded(ctx, row)


def _accepted(ctx: Context, row: Row) -> None:
    payouts.take_over(ctx, row["issuer_id"], row["payload"]["number"])


def _recorded(ctx: Context, row: Row) -> None:
    invoice_records.publish_invoice(ctx, row["issuer_id"], row["payload"]["number"])


def _handed_over(ctx: Context, row: Row) -> None:
    deliveries.answer_waiting(ctx, row["payload"]["message_id"])


def _mail_failed(ctx: Context, row: Row) -> None:
    if row["payload"]["kind"] == "WINDOW_OPENED":
        notices.bounced(ctx, row["issuer_id"], row["payload"]["subject"], row["payload"]["message_id"])


def _opened(ctx: Context, row: Row) -> None:
    reminders.plan(ctx, row["issuer_id"], row["payload"]["run_id"])


def _accepted_early(ctx: Context, row: Row) -> None:
    early.follow(ctx, row["issuer_id"], row["payload"]["run_id"])


def _carried(ctx: Context, row: Row) -> None:
    carry.tell(ctx, row["issuer_id"], row["payload"]["run_id"])


def _resolved(ctx: Context, row: Row) -> None:
    withheld.settle(ctx, row["issuer_id"], row["payload"]["dispute_id"])
    # The price first: a mail that is not taken has the fact told again.
    backdating.after_dispute(ctx, row["issuer_id"], row["payload"]["cdr_ref"])
    disputes.tell(ctx, row)


def _awaits_approval(ctx: Context, row: Row) -> None:
    rehearsal.draft(ctx, row["issuer_id"], row["payload"]["run_id"])


#: A fact that is not named here has no consumer yet and is acknowledged as it is.
CONSUMERS: dict[str, Callable[[Context, Row], None]] = {
    "run.awaits_approval": _awaits_approval,
    "run.draft_changed": _awaits_approval,
    "evse.assigned": _assigned,
    "evse.registered": _registered,
    "account.deactivated": _deactivated,
    "contract.version_published": _published,
    "contract.backdated": _backdated,
    "cdrs.job_step": _job_step,
    "window.opened": _opened,
    "window.accepted": _accepted_early,
    "dispute.created": disputes.tell,
    "dispute.list_filed": disputes.tell,
    "dispute.updated": disputes.tell,
    "dispute.commented": disputes.tell,
    "dispute.resolved": _resolved,
    "run.locked": _locked,
    "run.carried": _carried,
    "payouts.accrual_step": _locked,
    "cdr.credited": _credited,
    "cdr.left_behind": _left_behind,
    "intake.left_behind": _intake_left_behind,
    "correction.approved": _approved,
    "creditnote.issued": _noted,
    "invoice.issued": _issued,
    "invoice.record_step": _recorded,
    "selfbilling.issued": _noted,
    "selfbilling.accepted": _accepted,
    "cash.debited": _debited,
    "cash.returned": _returned,
    "mail.failed": _mail_failed,
    "mail.handed_over": _handed_over,
}


def answer(ctx: Context, row: Row) -> None:
    """Let the consumer of a fact do its work, then forget the fact; a crash between repeats the work harmlessly."""
    consumer = CONSUMERS.get(row["fact"])
    if consumer is not None:
        consumer(ctx, row)
    webhooks.publish(ctx, row)
    store.acknowledge(ctx.db, row)


def took_in(ctx: Context, row: Row, *, listeners: Listeners | None = None) -> None:
    """What arrived at the intake table: a body, a differing body, a refused message, a location.

    ``listeners`` are told what became of a body.
    """
    issuer_id, pk, sk = row["issuer_id"], row["pk"], row["sk"]
    if "expired_at_utc" in row:
        return  # nothing came: its detail was given up after its term
    if sk == "ORIGINAL":
        made = cdrs.process(ctx, issuer_id, row["cdr_ref"])
        if listeners is not None:
            listeners.tell(made)
    elif sk.startswith("CONFLICT#"):
        privacy.came_later(ctx, issuer_id, row["cdr_ref"])
        journal.raise_once(
            ctx,
            issuer_id,
            ExceptionType.CDR_ID_CONFLICT,
            f"{row['cdr_ref']}#{row['sha256'][:16]}",
            "another content came under the id of a known CDR; the first one stays",
            partner=row["partner_id"],
            next_action="the CPO credits the CDR and sends a new one",
            details={"cdr_ref": row["cdr_ref"], "sha256": row["sha256"]},
        )
    elif "#INGEST#" in pk and not row.get("sandbox"):
        journal.raise_once(
            ctx,
            issuer_id,
            ExceptionType.CDR_REJECTED,
            f"{row['partner_id']}#{sk}",
            f"a message was refused: {row.get('message', '')}"[:500],
            partner=row["partner_id"],
            details={"field": str(row.get("field", "")), "sha256": str(row.get("sha256", ""))},
        )
    elif row.get("kind") == "RECEIVED_RECORD":
        record_claims.check(ctx, issuer_id, row["party"], row["object_id"])
    elif sk == "LOCATION":
        evses.register_location(ctx, issuer_id, row["party"], store.location_of(row))


def take_in(ctx: Context, row: Row, tell: Tell, *, listeners: Listeners | None = None) -> bool:
    """``took_in``, isolated; what no sweep finds by itself is left behind as a fact where it failed."""
    done = isolated(ctx, row, partial(took_in, listeners=listeners), tell)
    if not done:
        leave_behind(ctx, row)
    return done


def leave_behind(ctx: Context, row: Row) -> None:
    """Let the sweep answer what arrived; bodies it finds by itself, and their pieces say nothing."""
    told = row["sk"].startswith("CONFLICT#") or row.get("kind") in ("INGEST", "RECEIVED_RECORD", "LOCATION")
    if told and not row.get("sandbox") and "expired_at_utc" not in row:
        try:
            ctx.db.write(store.left_behind(row))
        except ConditionFailed:
            return  # left behind by an earlier try


def sweep(ctx: Context, tell: Tell, time_left: TimeLeft = always) -> dict[str, int]:
    """Everything that is due by the one clock or was left behind; it may run any number of times.

    A part that fails is parked with its reason and stops neither the other parts nor the other issuers. Facts that
    wait are answered while there is ``time_left``: where many do (twenty runs lock at one instant), what is due by the
    clock has its turn all the same.
    """
    done = {"facts": 0, "cdrs": 0, "due": 0, "disputes": 0, "reminders": 0, "statements": 0, "jobs": 0, "purchases": 0}
    parts: dict[str, Callable[[Context, str], int]] = {
        "cdrs": cdrs.sweep,
        "due": billing.complete_due,
        "disputes": disputes.settle_unanswered,
        "reminders": reminders.send_due,
        "statements": payout_mails.send_due,
        "jobs": jobs.sweep_jobs,
        "purchases": self_billing.accept_silent,
    }

    def run(_: Context, row: Row) -> None:
        done[row["sk"]] += parts[row["sk"]](ctx, row["issuer_id"])

    for issuer_id in identity.issuer_ids(ctx):
        done["facts"] += answer_waiting(ctx, issuer_id, ctx.now() - SETTLE, tell, time_left)
        for part in parts:
            row = {"issuer_id": issuer_id, "pk": f"{issuer_id}#SWEEP", "sk": part, "replayed": True}
            isolated(ctx, row, run, tell)
    return done


def answer_waiting(ctx: Context, issuer_id: str, before: datetime, tell: Tell, time_left: TimeLeft = always) -> int:
    """Answer the facts from before an instant that nobody acknowledged; how many were answered in the time."""
    waiting = takewhile(lambda _: time_left(), store.pending(ctx.db, issuer_id, before))
    return sum(isolated(ctx, {**row, "replayed": True}, answer, tell) for row in waiting)


def nightly(ctx: Context, tell: Tell) -> dict[str, int]:
    """The nightly retry of everything that waits, then the expiry of what waited too long (product.md row 12).

    Before it, bodies that no sweep saw are processed, and the records of self-billing partners are compared again: a
    run may have locked meanwhile.

    A retry that fails is parked with its reason; it stops neither the expiry, nor other contracts, nor other issuers.
    """
    done = {"behind": 0, "freed": 0, "expired": 0}

    def retry(_: Context, row: Row) -> None:
        done["freed"] += cdrs.retry_waiting(ctx, row["issuer_id"], row.get("contract_id"))

    def expire(_: Context, row: Row) -> None:
        limit = HOLD_DAYS
        if head := row.get("head"):
            limit = contracts.terms_now(ctx, row["issuer_id"], head.contract_id).hold_expiry_days
        done["expired"] += cdrs.expire(ctx, row["issuer_id"], row.get("contract_id"), limit)

    def look(_: Context, row: Row) -> None:
        if head := row.get("head"):
            contract_review.tell(ctx, head)

    def remind(_: Context, row: Row) -> None:
        if head := row.get("head"):
            overdue.tell(ctx, head)

    def compare(_: Context, row: Row) -> None:
        record_claims.check_all(ctx, row["issuer_id"])

    def await_approval(_: Context, row: Row) -> None:
        approvals.tell(ctx, row["issuer_id"])

    def look_again(_: Context, row: Row) -> None:
        done["behind"] += cdrs.sweep_again(ctx, row["issuer_id"])

    def answered(_: Context, row: Row) -> None:
        close_answered(ctx, row["issuer_id"])

    def lock(_: Context, row: Row) -> None:
        audit_days.lock_days(ctx, row["issuer_id"], retention.until(ctx, row["issuer_id"]))

    for issuer_id in identity.issuer_ids(ctx):
        row = {"issuer_id": issuer_id, "pk": f"{issuer_id}#NIGHTLY", "sk": "RECORDS", "replayed": True}
        isolated(ctx, {**row, "sk": "BODIES"}, look_again, tell)
        isolated(ctx, row, compare, tell)
        isolated(ctx, {**row, "sk": "DIGEST"}, lock, tell)
        isolated(ctx, {**row, "sk": "APPROVALS"}, await_approval, tell)
        isolated(ctx, {**row, "sk": "PARKED"}, answered, tell)
        for head in (None, *contracts.heads(ctx, issuer_id)):
            name = head.contract_id if head else None
            row = {"issuer_id": issuer_id, "pk": f"{issuer_id}#NIGHTLY", "contract_id": name, "head": head}
            for what, work in (("RETRY", retry), ("EXPIRE", expire), ("REVIEW", look), ("OVERDUE", remind)):
                isolated(ctx, {**row, "sk": f"{what}#{name or '-'}", "replayed": True}, work, tell)
    return done
