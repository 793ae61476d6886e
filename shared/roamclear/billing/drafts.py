"""The draft of a run that waits for approval: to whom it is addressed, what it says, and the word that lets it go on.

Whom a document goes to may be changed on its draft, for this run alone; the contract stays as it is (row 55).
What a person approves is named by a hash over everything that the documents will say. Number, dates and the list of
sessions that are left out are those of the issue.
"""

from __future__ import annotations

import hashlib

from pydantic import ValidationError

from roamclear.audit import service as audit
from roamclear.billing import carry, recipients, self_billing, store
from roamclear.billing.model import Draft, Recipient, Run, RunState
from roamclear.contracts import checks
from roamclear.contracts import service as contracts
from roamclear.contracts.model import ContractVersion, Counterparty, Terms
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise, different_person
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed, Conflict, InvalidInput, NotFound, Stale
from roamclear.kernel.record import plain
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import local_date
from roamclear.kernel.writes import Put, Table, Update

_RACES = (Table.AUDIT, Table.CLEARING)
#: A run that was approved and fell back stays where it is: what it took along of carried runs is decided already.
_WAITING = (RunState.LOCKED, RunState.AWAITING_APPROVAL, RunState.FINALISING)
#: What of the terms of the day stands on a document or decides where it goes (decision 0019).
_STANDING = (
    "counterparty", "language", "payment_rule", "payment_days", "payment_day", "payment_months", "delivery_channel",
    "contact_emails", "self_billing", "direction",
)  # fmt: skip
#: Of the issuer: who may push CDRs for it says nothing on a document.
_NOT_PRINTED = frozenset({"created_at_utc", "parties", "emsp_parties", "changed"})


def draft(ctx: Context, actor: Actor, issuer_id: str, run_id: str) -> Draft:
    """The draft of a run as it would be approved now, for the issuer's own people.

    Raises:
        NotFound: there is no such run, or the actor is of the partner.
        Conflict: the run does not wait for an approval.
    """
    scope = authorise(actor, Right.RUN_VIEW, issuer_id)
    if scope.contract_ids is not None:
        raise NotFound("no such object")
    run = _run(ctx, issuer_id, run_id)
    _undecided(run)
    terms = _standing(ctx, run).terms
    return Draft(
        run_id=run_id,
        state=run.state,
        content_hash=content_hash(ctx, run),
        legal_name=terms.counterparty.legal_name,
        address=terms.counterparty.address,
        buyer_reference=terms.counterparty.buyer_reference,
        order_reference=run.recipient.order_reference if run.recipient else None,
        note=run.recipient.note if run.recipient else None,
        contact_emails=terms.contact_emails,
        changed=run.recipient,
        changed_by=run.recipient_by,
    )


def address_to(ctx: Context, actor: Actor, issuer_id: str, run_id: str, wanted: Recipient) -> Run:
    """Say to whom the documents of this run go, until it is approved; what is left out stays the contract's.

    Who does so may not approve the run. The same again changes nothing.

    Raises:
        InvalidInput: a value no contract could have, by its field, or another country: that one decides the VAT.
        Conflict: the run does not wait for an approval.
    """
    authorise(actor, Right.RUN_PREPARE, issuer_id)

    def attempt() -> Run:
        run = _run(ctx, issuer_id, run_id)
        _undecided(run)
        if contracts.version(ctx, issuer_id, run.contract_id, run.contract_version).terms.auto_issue:
            raise Conflict("the documents of this contract wait for no approval", state=run.state.value)
        if run.recipient == wanted or (run.recipient is None and wanted == Recipient()):
            return run
        _check(ctx, run, wanted)
        columns = {"recipient": wanted, "recipient_by": actor.actor_id, "draft_changed": run.draft_changed + 1}
        update = store.only_once(store.run_update(run, (run.state,), **columns), "approved_by")
        log = _log(ctx, run, actor.actor_id, "RECIPIENT_CHANGED", {"before": run.recipient, "after": wanted})
        told = store.fact(run, ctx.now(), "run.draft_changed")
        ctx.db.transact([_as_read(update, run), told, log])
        return _run(ctx, issuer_id, run_id)

    return again_on_race(attempt, tables=_RACES)


def approve(ctx: Context, actor: Actor, issuer_id: str, run_id: str, seen: str) -> Run:
    """A second pair of eyes lets exactly the draft it saw go on to its documents; again is the same.

    Raises:
        Stale: what would be issued is not what ``seen`` names.
        Forbidden: the actor changed to whom the documents go.
    """
    authorise(actor, Right.RUN_APPROVE, issuer_id)
    run = _run(ctx, issuer_id, run_id)
    if run.recipient_by is not None:
        different_person(run.recipient_by, actor)
    if run.approved_by is not None and run.approved_hash == seen:
        return _go_on(ctx, run)
    if content_hash(ctx, run) != seen:
        raise Stale("the draft is not the one that was looked at")
    return let_through(ctx, issuer_id, run_id, by=actor.actor_id, seen=seen)


def let_through(ctx: Context, issuer_id: str, run_id: str, *, by: str, seen: str | None = None) -> Run:
    """The approval itself; a rehearsal plays it, whoever else calls this has asked for the right."""

    def attempt() -> None:
        found = _run(ctx, issuer_id, run_id)
        if seen is not None and content_hash(ctx, found) != seen:
            raise Stale("the draft is not the one that was looked at")
        state = RunState.FINALISING if found.state is RunState.FINALISING else RunState.LOCKED
        columns = {"state": state, "approved_by": by, "approved_hash": seen, "approval_lapsed": None}
        waiting = (state,) if state is RunState.FINALISING else (RunState.LOCKED, RunState.AWAITING_APPROVAL)
        log = _log(ctx, found, by, "APPROVED", {"content_hash": seen} if seen else {})
        ctx.db.transact([_as_read(store.run_update(found, waiting, **columns), found), log])

    again_on_race(attempt)
    return _go_on(ctx, _run(ctx, issuer_id, run_id))


def require_approved(ctx: Context, run: Run) -> None:
    """Refuse to issue what is not what was approved: its approval lapses, and the resumed run asks for another.

    Raises:
        Conflict: the contract, the issuer or what is carried changed since the approval.
    """
    lapsed = Conflict("what was approved has changed since; resume the run and approve it anew", rule="APPROVAL_LAPSED")
    if run.approval_lapsed:
        raise lapsed
    if run.approved_hash is None or run.numbers or content_hash(ctx, run) == run.approved_hash:
        return

    def attempt() -> None:
        columns = {"approved_by": None, "approved_hash": None, "approval_token": None, "approval_lapsed": True}
        update = store.run_update(run, (RunState.LOCKED, RunState.FINALISING), **columns)
        log = _log(ctx, run, "system:close", "APPROVAL_LAPSED", {"content_hash": run.approved_hash})
        ctx.db.transact([store.while_it_is(update, "approved_hash", run.approved_hash), log])

    try:
        again_on_race(attempt)
    except ConditionFailed:
        pass  # another worker noticed too
    raise lapsed


def content_hash(ctx: Context, run: Run) -> str:
    """SHA-256 over what the documents of a run would say if they were issued now."""
    terms = _standing(ctx, run).terms
    issuer = identity.issuer(ctx, run.issuer_id)
    settled = run.state is RunState.FINALISING
    earlier = [] if settled else carry.waiting(ctx, run)
    head = contracts.head(ctx, run.issuer_id, run.contract_id)
    agreed = contracts.version(ctx, run.issuer_id, run.contract_id, run.contract_version).terms
    waits = run.kind == "CLOSE" and not settled and run.locked_net is not None
    paid_to = self_billing.payment(ctx, run.issuer_id, terms)
    said = {
        "manifest": run.manifest,
        "fees": run.fees,
        "carries": run.carries if settled else [each.run_id for each in earlier],
        "carried": carry.why(run, earlier, agreed, head) is not None if waits else False,
        "terms": {name: getattr(terms, name) for name in _STANDING},
        "recipient": run.recipient,
        "issuer": {name: value for name, value in issuer.dump().items() if name not in _NOT_PRINTED},
        "payment": paid_to,
    }
    return hashlib.sha256(numbers_json.dumps(plain(said), sort_keys=True).encode()).hexdigest()


def _standing(ctx: Context, run: Run) -> ContractVersion:
    today = local_date(ctx.now(), run.zone)
    return recipients.addressed(contracts.terms_at(ctx, run.issuer_id, run.contract_id, today), run.recipient)


def _check(ctx: Context, run: Run, wanted: Recipient) -> None:
    """The rules of a contract, asked of the terms of the day with the recipient in them."""
    today = local_date(ctx.now(), run.zone)
    terms = contracts.terms_at(ctx, run.issuer_id, run.contract_id, today).terms
    if wanted.address is not None and wanted.address.country != terms.counterparty.address.country:
        told = "another country changes the VAT: publish a version of the contract"
        raise InvalidInput(told, field="address.country")
    made = recipients.merged(terms, wanted)
    try:
        Counterparty.model_validate(dict(made.counterparty))
        Terms.model_validate(dict(made))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidInput(f"{field}: {first['msg']}", field=field) from error
    absent = checks.missing(made, identity.issuer(ctx, run.issuer_id), today)
    before = checks.missing(terms, identity.issuer(ctx, run.issuer_id), today)
    if new := [name for name in absent if name not in before]:
        raise InvalidInput(f"the document needs {new[0]}", field=new[0])


def _undecided(run: Run) -> None:
    if run.state not in _WAITING or run.approved_by is not None or run.kind != "CLOSE":
        raise Conflict("this run does not wait for an approval", state=run.state.value)
    if run.state is RunState.FINALISING and not run.approval_lapsed:
        raise Conflict("this run does not wait for an approval", state=run.state.value)


def _as_read(update: Update, run: Run) -> Update:
    """The same write, refused where somebody changed the draft since it was read."""
    if run.draft_changed:
        return store.while_it_is(update, "draft_changed", run.draft_changed)
    return store.only_once(update, "recipient")


def _go_on(ctx: Context, run: Run) -> Run:
    if run.approval_token:
        ctx.workflows.complete(run.approval_token, {"run_id": run.run_id, "gate": "APPROVED"})
    return run


def _run(ctx: Context, issuer_id: str, run_id: str) -> Run:
    found = store.run(ctx.db, issuer_id, run_id)
    if found is None:
        raise NotFound("no such run")
    return found


def _log(ctx: Context, run: Run, by: str, action: str, details: dict[str, object]) -> Put:
    return audit.entry(
        ctx, issuer_id=run.issuer_id, kind="RUN", object_id=run.run_id, actor_id=by, action=action, details=details
    )
