"""Recording mails, answering what the provider reports of them, and reading an object's delivery log.

A report may come before its mail is recorded, twice, or never be about a mail of ours: it is kept under its message id,
and answered when both are there.
"""

from __future__ import annotations

from roamclear.deliveries import store
from roamclear.deliveries.model import Entry, Failure, Mail, What
from roamclear.deliveries.rules import read_failure
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.writes import Put

__all__ = ["answer_waiting", "entry", "failed", "log", "mailed", "read_failure", "take"]

_SAID = {
    What.BOUNCED: "a mail came back",
    What.COMPLAINED: "a recipient reported a mail as unwanted",
    What.REFUSED: "the mail service refused a mail after taking it",
}


def mailed(mail: Mail) -> list[Put]:
    """The writes that record a mail; they go into the transaction of what the mail changes."""
    line = Entry(
        issuer_id=mail.issuer_id,
        subject=mail.subject,
        entry_id=f"MAIL#{mail.message_id}",
        at_utc=mail.at_utc,
        what=What.MAILED,
        recipients=mail.recipients,
        reason=mail.kind,
    )
    return [store.mail_put(mail), store.entry_put(line), store.fact(mail, "mail.handed_over", mail.message_id)]


def entry(made: Entry) -> Put:
    """The write of another line of a log, once; refused where the line is there."""
    return store.entry_put(made)


def take(ctx: Context, told: Failure) -> str:
    """Keep a report and answer it where its mail is known: ``ANSWERED``, or ``WAITING`` for its mail."""
    ctx.db.write(store.failure_put(told))
    mail = store.mail(ctx.db, told.message_id)
    if mail is None:
        return "WAITING"
    _answer(ctx, mail, told)
    return "ANSWERED"


def answer_waiting(ctx: Context, message_id: str) -> int:
    """Answer what was reported of a mail before it was recorded; how many reports there are."""
    mail = store.mail(ctx.db, message_id)
    found = store.failures(ctx.db, message_id) if mail else []
    for told in found:
        if mail is not None:
            _answer(ctx, mail, told)
    return len(found)


def failed(ctx: Context, message_id: str) -> bool:
    """Whether a mail reached none of its recipients, for good."""
    mail = store.mail(ctx.db, message_id)
    if mail is None:
        return False
    reports = [told for told in store.failures(ctx.db, message_id) if told.lasting and told.what is not What.COMPLAINED]
    return {r.lower() for r in mail.recipients} <= {r for told in reports for r in told.recipients}


def log(ctx: Context, issuer_id: str, subject: str) -> list[Entry]:
    """Everything that is known of an object's deliveries, oldest first."""
    return store.entries(ctx.db, issuer_id, subject)


def _answer(ctx: Context, mail: Mail, told: Failure) -> None:
    """Tell the journal, then log the report with its fact; the exception first, so that no crash loses it."""
    journal.raise_once(
        ctx,
        mail.issuer_id,
        ExceptionType.DELIVERY_FAILED,
        f"{mail.business_key}#{told.what.value}",
        f"{_SAID[told.what]}: {', '.join(told.recipients)} ({told.reason or 'no reason given'})"[:800],
        severity="HIGH" if told.lasting else "WARN",
        partner=mail.partner,
        document=mail.subject,
        next_action="send it again to another contact",
    )
    line = Entry(
        issuer_id=mail.issuer_id,
        subject=mail.subject,
        entry_id=f"FAILURE#{told.message_id}#{told.event_id}",
        at_utc=told.at_utc,
        what=told.what,
        recipients=told.recipients,
        reason=told.reason,
    )
    facts = [store.fact(mail, "mail.failed", told.event_id)] if told.lasting else []
    try:
        ctx.db.transact([store.entry_put(line), *facts])
    except ConditionFailed:
        return  # it was answered before
