"""Closing a period: start, wait, open, lock, issue, send; and reading runs and documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from roamclear.billing import notices, rules, store
from roamclear.billing.chain import documents_of
from roamclear.billing.charges import fees_net
from roamclear.billing.corrections import credit_at_once
from roamclear.billing.corrections import start as start_correction
from roamclear.billing.crediting import fill
from roamclear.billing.crediting import settle as settle_correction
from roamclear.billing.drafts import approve, let_through
from roamclear.billing.issue import issue
from roamclear.billing.locking import lock
from roamclear.billing.model import INVOICED_STATES, LOCKED_STATES, Document, DocumentState, Run, RunState
from roamclear.billing.notices import notify_other, record_proof
from roamclear.billing.papers import final, numbered
from roamclear.billing.parts import Part, Place, Row, Rows, fees_by_place, fees_now, parts
from roamclear.billing.parts import documents as parts_of
from roamclear.billing.recovery import complete_due, fail, not_prepared, resume
from roamclear.billing.runs import (
    LOCK_AFTER,
    left,
    locked_piece,
    locked_sessions,
    members,
    park,
    prepare,
    start_due,
)
from roamclear.billing.runs import open_window as _open_window
from roamclear.billing.scan import not_included
from roamclear.billing.steps import Step
from roamclear.cdrs.model import Billing, Session
from roamclear.contracts import service as contracts
from roamclear.documents.model import InvoiceDocument
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, require_contract
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, InvariantBroken, NotFound
from roamclear.kernel.ids import rf_reference
from roamclear.kernel.retry import TimeLeft, always
from roamclear.kernel.writes import Put

__all__ = [
    "Part",
    "Place",
    "Row",
    "Rows",
    "Step",
    "approve",
    "billed_by",
    "by_reference",
    "complete_due",
    "counted",
    "credit_at_once",
    "document",
    "document_fact",
    "document_model",
    "documents",
    "documents_of",
    "effective",
    "every_run",
    "fail",
    "fees_by_place",
    "fees_net",
    "fees_now",
    "finish",
    "issue",
    "left",
    "let_through",
    "lock",
    "locked_piece",
    "locked_sessions",
    "members",
    "not_included",
    "not_prepared",
    "notify_other",
    "open_documents",
    "open_window",
    "park",
    "parts",
    "parts_of",
    "prepare",
    "record_proof",
    "replace_document",
    "resume",
    "run",
    "settle_correction",
    "start_correction",
    "start_due",
    "unnumbered",
]


def run(ctx: Context, issuer_id: str, run_id: str) -> Run:
    """One run, or ``NotFound``."""
    found = store.run(ctx.db, issuer_id, run_id)
    if found is None:
        raise NotFound("no such run")
    return found


def open_window(ctx: Context, issuer_id: str, run_id: str, time_left: TimeLeft = always) -> Run:
    """Decide the members of a run: by opening its control window, or, for a correction, by making its rows.

    A run that comes back in GRACE ran out of time: the next call goes on where this one stopped.
    """
    found = run(ctx, issuer_id, run_id)
    if found.corrects is not None:
        return fill(ctx, found, time_left)
    return _open_window(ctx, issuer_id, run_id, time_left)


def every_run(ctx: Context, issuer_id: str) -> list[Run]:
    """All runs of an issuer, by the end of their period, for work that nobody asked for in person."""
    return store.all_runs(ctx.db, issuer_id)


def billed_by(ctx: Context, issuer_id: str) -> dict[str, str]:
    """Which run bills a carried one, by the carried one's name."""
    return {r.run_id: r.billed_by for r in store.all_runs(ctx.db, issuer_id) if r.billed_by is not None}


def run_for(ctx: Context, actor: Actor, issuer_id: str, run_id: str) -> Run:
    """One run for who may see it."""
    scope = authorise(actor, Right.RUN_VIEW, issuer_id)
    found = store.run(ctx.db, issuer_id, run_id)
    if found is None:
        raise NotFound("no such object")
    require_contract(scope, found.contract_id)
    return found


def effective(session: Session, of_run: Run | None) -> Billing:
    """The billing state a reader sees: a member takes its run's state (rules.md 6)."""
    if of_run is None or session.run_id != of_run.run_id:
        return session.billing
    if of_run.state in INVOICED_STATES:
        return Billing.INVOICED
    return Billing.LOCKED if of_run.state in LOCKED_STATES else session.billing


def lock_outcome(ctx: Context, issuer_id: str, run_id: str, time_left: TimeLeft = always) -> dict[str, Any]:
    """What the close does after the lock: NOT_YET before the instant, MORE while members are left, or how it ended."""
    found = run(ctx, issuer_id, run_id)
    if found.state is RunState.WINDOW and found.closes_at_utc and ctx.now() < found.closes_at_utc + LOCK_AFTER:
        return {"outcome": "NOT_YET"}
    if found.state is RunState.WINDOW and not notices.given(found):
        notices.announce(ctx, found)
        return {"outcome": "NOT_YET"}
    found = lock(ctx, issuer_id, run_id, time_left)
    if found.state is RunState.LOCKING:
        return {"outcome": "MORE"}
    if found.state is RunState.SETTLED:
        return {"outcome": "NOTHING_TO_BILL"}
    terms = contracts.version(ctx, issuer_id, found.contract_id, found.contract_version).terms
    needs_approval = not terms.auto_issue and found.approved_by is None
    return {"outcome": "LOCKED", "locked": found.locked, "needs_approval": needs_approval}


def find_document(ctx: Context, actor: Actor, issuer_id: str, text: str) -> Document | None:
    """The document of a number or RF reference in any spelling, for who may see it."""
    scope = authorise(actor, Right.DOCUMENT_VIEW, issuer_id)
    body = rf_reference.body(text) if rf_reference.is_valid(text) else text
    found = store.document_by_reference(ctx.db, issuer_id, rules.normalised(body))
    if found is None or (scope.contract_ids is not None and found.contract_id not in scope.contract_ids):
        return None
    return found


def finish(ctx: Context, issuer_id: str, run_id: str) -> Run:
    """The run's last step: what was sent is SENT."""
    found = run(ctx, issuer_id, run_id)
    if found.state is RunState.ISSUED:
        try:
            ctx.db.write(store.run_update(found, (RunState.ISSUED,), state=RunState.SENT, failed_step=None))
        except ConditionFailed:
            pass  # another worker finished it
    return run(ctx, issuer_id, run_id)


# ---- documents -----------------------------------------------------------------------------------------------------
def document(ctx: Context, issuer_id: str, number: str) -> Document:
    """One document's header, or ``NotFound``."""
    found = store.document(ctx.db, issuer_id, number)
    if found is None:
        raise NotFound("no such document")
    return found


def document_for(ctx: Context, actor: Actor, issuer_id: str, number: str) -> Document:
    """One document's header for who may see it."""
    scope = authorise(actor, Right.DOCUMENT_VIEW, issuer_id)
    found = store.document(ctx.db, issuer_id, number)
    if found is None:
        raise NotFound("no such object")
    require_contract(scope, found.contract_id)
    return found


def documents(ctx: Context, actor: Actor, issuer_id: str) -> list[Document]:
    """The documents an actor may see, in order of issue."""
    scope = authorise(actor, Right.DOCUMENT_VIEW, issuer_id)
    found = store.documents(ctx.db, issuer_id)
    return [d for d in found if scope.contract_ids is None or d.contract_id in scope.contract_ids]


def purchases(ctx: Context, issuer_id: str) -> list[Document]:
    """The self-billed documents of what an issuer buys, in order of issue."""
    return [header for header in store.documents(ctx.db, issuer_id) if header.self_billed is not None]


def document_model(ctx: Context, header: Document) -> InvoiceDocument:
    """The canonical model of an issued document, as every writer takes it."""
    kept = ctx.objects.get("documents", header.model_key)
    if kept is None:
        raise InvariantBroken("the model of an issued document is gone", number=header.number)
    return final(InvoiceDocument.load(numbers_json.loads(kept)), header)


def unnumbered(ctx: Context, header: Document) -> InvoiceDocument:
    """A rehearsed document under the number that stands for none, of equal length (rules.md 7)."""
    prefix = identity.issuer(ctx, header.issuer_id).number_prefix
    holder = rules.placeholder(prefix, header.type_code, header.issue_date.year)
    return numbered(document_model(ctx, header), holder, header.issue_date, header.due_date)


def open_documents(ctx: Context, issuer_id: str, contract_id: str) -> list[Document]:
    """Unpaid documents of a contract, the earliest due first."""
    return store.open_documents(ctx.db, issuer_id, contract_id)


def counted(ctx: Context, issuer_id: str, series: str) -> int:
    """The last number of a series, 0 before its first."""
    found = store.counter(ctx.db, issuer_id, series)
    return found.last if found else 0


def by_reference(ctx: Context, issuer_id: str, normalised: str) -> Document | None:
    """The document whose normalised number is this, or None (``rules.normalised``, also the body of its RF)."""
    return store.document_by_reference(ctx.db, issuer_id, normalised)


def replace_document(known: Document, **update: object) -> tuple[Document, Put]:
    """The next state of a document and the write that puts it over exactly the one that was read."""
    made = known.model_copy(update=update)
    return made, store.document_replace(made, known)


def document_fact(header: Document, at: datetime, name: str) -> Put:
    """A fact of a document for the transaction of its change."""
    return store.document_fact(header, at, name)


def is_open(header: Document) -> bool:
    """Whether anything is still to be paid to us."""
    if header.self_billed is not None:
        return False  # what we owe is paid by a payout, never by money that comes in
    return bool(header.open_amount) and header.state not in (DocumentState.CANCELLED, DocumentState.UNCOLLECTIBLE)
