"""The draft that waits for approval: whom it goes to, what it says, and approving exactly what was seen (row 55)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from roamclear.audit import service as audit
from roamclear.billing import drafts
from roamclear.billing import service as billing
from roamclear.billing.model import Recipient, Run, RunState
from roamclear.contracts import service as contracts
from roamclear.facts import service as facts
from roamclear.identity.issuer import Address
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, Stale
from roamclear.kernel.money import Money
from roamclear.packages import service as packages
from roamclear.rehearsal import service as rehearsal
from roamclear.rehearsal import working
from tests.integration import test_close as month
from tests.integration.test_rehearsal import awaiting, deliver, files_of, opened, text_of
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.corrections import credited
from tests.support.fonts import fonts_dir
from tests.support.moto_stack import Stage

RUN = month.REQUEST.run_id
FINANCE, CHECKER = b.actor(Role.FINANCE), b.actor(Role.FINANCE_APPROVER)
OTHER = Recipient(
    legal_name="Ronde Holding B.V.",
    address=Address(lines=("Zuidas 9",), postal_code="1082 MD", city="Amsterdam", country="NL"),
    buyer_reference="PO-DESK",
    order_reference="4500012345",
    note="Cost centre 88",
    contact_emails=("ap@ronde.example",),
)


@pytest.fixture
def memory() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        object.__setattr__(made.ctx, "fonts_dir", str(fonts_dir()))
        yield made


def run_of(stage: Stage) -> Run:
    return billing.run(stage.ctx, b.ISSUER, RUN)


def seen(stage: Stage) -> str:
    return drafts.draft(stage.ctx, CHECKER, b.ISSUER, RUN).content_hash


def addressed(stage: Stage, wanted: Recipient = OTHER) -> Run:
    return drafts.address_to(stage.ctx, FINANCE, b.ISSUER, RUN, wanted)


def approved(stage: Stage) -> Run:
    return billing.approve(stage.ctx, CHECKER, b.ISSUER, RUN, seen(stage))


def issued(stage: Stage) -> Run:
    return billing.issue(stage.ctx, b.ISSUER, RUN, packages.proof(stage.ctx))


def test_a_draft_that_waits_three_working_days_is_told_until_it_is_approved(memory: Stage) -> None:
    """Locked on Monday 9 November: Thursday at midnight."""
    awaiting(memory)
    faults: list[object] = []

    def told(at: datetime) -> list[tuple[str, Money | None]]:
        memory.clock.set(at)
        facts.nightly(memory.ctx, lambda *fault: faults.append(fault))
        rows = journal.open_of(memory.ctx, b.ISSUER, ExceptionType.APPROVAL_OVERDUE)
        return [(row.subject, row.expected) for row in rows]

    run = run_of(memory)
    assert run.locked_at_utc == datetime(2026, 11, 8, 23, 1, 1, tzinfo=UTC)
    assert told(datetime(2026, 11, 12, 22, 59, tzinfo=UTC)) == []
    for _ in range(2):
        assert told(datetime(2026, 11, 12, 23, 0, tzinfo=UTC)) == [(RUN, run.locked_net)]
    approved(memory)
    assert told(datetime(2026, 11, 13, 23, 0, tzinfo=UTC)) == []
    assert faults == []


def test_the_recipient_of_a_draft_stands_on_it_on_the_document_and_on_the_mail(memory: Stage) -> None:
    awaiting(memory)
    assert drafts.draft(memory.ctx, CHECKER, b.ISSUER, RUN).legal_name == "Ronde Mobiliteit B.V."
    for _ in range(2):
        assert addressed(memory).recipient == OTHER
    shown = drafts.draft(memory.ctx, CHECKER, b.ISSUER, RUN)
    assert (shown.legal_name, shown.contact_emails) == (OTHER.legal_name, OTHER.contact_emails)
    assert shown.changed_by == "finance"
    deliver(memory)
    for key in working.waiting(memory.ctx):
        working.work(memory.ctx, key)
    drawn = rehearsal.draft_of(memory.ctx, CHECKER, b.ISSUER, RUN)
    assert (drawn.content_hash, drawn.drawn) == (shown.content_hash, True)
    found = rehearsal.rehearsal(memory.ctx, CHECKER, b.ISSUER, str(drawn.rehearsal_id))
    text = text_of(files_of(memory, found)["pdf"])
    for said in ("Ronde Holding B.V.", "Zuidas 9", "PO-DESK", "4500012345", "Cost centre 88", "DRAFT"):
        assert said in text, said
    approved(memory)
    run = issued(memory)
    model = billing.document_model(memory.ctx, billing.document(memory.ctx, b.ISSUER, run.numbers[0]))
    assert (model.buyer.name, model.buyer_reference, model.order_reference) == (
        OTHER.legal_name, OTHER.buyer_reference, OTHER.order_reference,
    )  # fmt: skip
    assert model.notes == ("Cost centre 88",)
    assert billing.document(memory.ctx, b.ISSUER, run.numbers[0]).partner_name == OTHER.legal_name
    packages.render_documents(memory.ctx, b.ISSUER, RUN)
    packages.render_sessions(memory.ctx, b.ISSUER, RUN)
    packages.send(memory.ctx, b.ISSUER, RUN)
    assert memory.mail.sent[-1].recipients == OTHER.contact_emails
    # The contract is what it was, and so are the mails of its windows.
    terms = contracts.terms_now(memory.ctx, b.ISSUER, b.CONTRACT)
    assert (terms.counterparty.legal_name, terms.contact_emails) == (
        "Ronde Mobiliteit B.V.",
        ("finance@ronde.example",),
    )
    actions = [e.action for e in audit.history(memory.ctx, b.ISSUER, "RUN", RUN)]
    assert actions == ["WINDOW_OPENED", "LOCKED", "RECIPIENT_CHANGED", "WINDOW_CLOSED", "APPROVED"]


def test_a_credit_note_goes_to_whom_its_invoice_went(memory: Stage) -> None:
    awaiting(memory)
    addressed(memory)
    approved(memory)
    number = issued(memory).numbers[0]
    memory.clock.advance(timedelta(hours=1))
    note = credited(memory, number).note
    model = billing.document_model(memory.ctx, billing.document(memory.ctx, b.ISSUER, str(note)))
    assert (model.type_code.value, model.buyer.name, model.order_reference) == ("381", OTHER.legal_name, "4500012345")


def test_what_no_contract_could_have_is_refused_by_its_field(memory: Stage) -> None:
    awaiting(memory)
    abroad = Address(lines=("Rue 1",), postal_code="1000", city="Bruxelles", country="BE")
    for wanted, field in (
        (Recipient(address=abroad), "address.country"),
        (Recipient(contact_emails=("nobody",)), "contact_emails"),
    ):
        with pytest.raises(InvalidInput) as refused:
            addressed(memory, wanted)
        assert refused.value.field == field
    with pytest.raises(ValueError, match="printable"):
        Recipient(note="two\nlines")
    assert run_of(memory).recipient is None


def test_only_a_run_that_waits_and_only_finance(memory: Stage) -> None:
    opened(memory, auto_issue=False)
    with pytest.raises(Conflict):
        addressed(memory)
    with pytest.raises(Conflict):
        seen(memory)
    memory.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(memory.ctx, b.ISSUER, RUN)
    billing.park(memory.ctx, b.ISSUER, RUN, "APPROVED", "token")
    for role in (Role.FINANCE_APPROVER, Role.ADMIN, Role.VIEWER):
        with pytest.raises(Forbidden):
            drafts.address_to(memory.ctx, b.actor(role), b.ISSUER, RUN, OTHER)
    with pytest.raises(NotFound):
        drafts.draft(memory.ctx, b.emsp_user(), b.ISSUER, RUN)
    approved(memory)
    with pytest.raises(Conflict):
        addressed(memory)


def test_documents_that_wait_for_nobody_go_where_the_contract_says(memory: Stage) -> None:
    opened(memory)
    memory.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(memory.ctx, b.ISSUER, RUN)
    with pytest.raises(Conflict, match="wait for no approval"):
        addressed(memory)


def test_approving_takes_exactly_what_was_seen(memory: Stage) -> None:
    awaiting(memory)
    first = seen(memory)
    addressed(memory)
    with pytest.raises(Stale):
        billing.approve(memory.ctx, CHECKER, b.ISSUER, RUN, first)
    second = seen(memory)
    publish(memory, language="DE")
    with pytest.raises(Stale):
        billing.approve(memory.ctx, CHECKER, b.ISSUER, RUN, second)
    third = seen(memory)
    made = billing.approve(memory.ctx, CHECKER, b.ISSUER, RUN, third)
    assert (made.state, made.approved_hash) == (RunState.LOCKED, third)
    assert billing.approve(memory.ctx, CHECKER, b.ISSUER, RUN, third) == made
    with pytest.raises(Stale):
        billing.approve(memory.ctx, CHECKER, b.ISSUER, RUN, first)
    assert len({first, second, third}) == 3


def test_who_addresses_a_draft_does_not_approve_it(memory: Stage) -> None:
    awaiting(memory)
    both = b.actor(Role.FINANCE).model_copy(
        update={"grants": (*b.actor(Role.FINANCE).grants, *b.actor(Role.FINANCE_APPROVER).grants)}
    )
    drafts.address_to(memory.ctx, both, b.ISSUER, RUN, OTHER)
    with pytest.raises(Forbidden):
        billing.approve(memory.ctx, both, b.ISSUER, RUN, seen(memory))


def test_a_change_in_the_moment_of_the_approval_is_not_approved_with_it(
    memory: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    awaiting(memory)
    wanted, real = seen(memory), drafts.content_hash
    calls: list[str] = []

    def slow(ctx: Context, run: Run) -> str:
        found = real(ctx, run)
        calls.append(found)
        if len(calls) == 2:  # between the last look and the write
            monkeypatch.setattr(drafts, "content_hash", real)
            addressed(memory)
        return found

    monkeypatch.setattr(drafts, "content_hash", slow)
    with pytest.raises(Conflict):
        billing.approve(memory.ctx, CHECKER, b.ISSUER, RUN, wanted)
    assert run_of(memory).approved_by is None


def publish(stage: Stage, **changes: Any) -> None:
    terms = b.terms(auto_issue=False, **changes)
    today = date(2026, 11, 9)
    contracts.publish(stage.ctx, FINANCE, b.ISSUER, b.CONTRACT, name="Ronde", valid_from=today, terms=terms)


def test_what_changed_after_the_approval_is_approved_anew(memory: Stage) -> None:
    run = awaiting(memory)
    approved(memory)
    publish(memory, payment_days=14)
    for _ in range(2):
        with pytest.raises(Conflict) as refused:
            issued(memory)
        assert refused.value.details["rule"] == "APPROVAL_LAPSED"
    assert billing.counted(memory.ctx, b.ISSUER, "VW.380.2026") == 0
    # The resumed run asks again, and what is approved now is issued.
    assert billing.lock_outcome(memory.ctx, b.ISSUER, RUN)["needs_approval"]
    memory.clock.advance(timedelta(minutes=5))
    billing.park(memory.ctx, b.ISSUER, RUN, "APPROVED", "token-2")
    assert run_of(memory).state is RunState.AWAITING_APPROVAL
    approved(memory)
    assert memory.workflows.completed[-1][0] == "token-2"
    number = issued(memory).numbers[0]
    header = billing.document(memory.ctx, b.ISSUER, number)
    assert (header.due_date - header.issue_date).days == 14
    actions = [e.action for e in audit.history(memory.ctx, b.ISSUER, "RUN", run.run_id)]
    assert actions == ["WINDOW_OPENED", "LOCKED", "APPROVED", "APPROVAL_LAPSED", "APPROVED"]


def test_a_refused_document_is_repaired_and_approved_anew(memory: Stage) -> None:
    awaiting(memory)
    approved(memory)
    with pytest.raises(Conflict, match="cannot be issued"):
        billing.issue(memory.ctx, b.ISSUER, RUN, lambda document: ["buyer.city: is missing"])
    assert run_of(memory).state is RunState.FINALISING
    publish(memory, language="FR")
    with pytest.raises(Conflict, match="approve it anew"):
        issued(memory)
    assert billing.lock_outcome(memory.ctx, b.ISSUER, RUN)["needs_approval"]
    memory.clock.advance(timedelta(minutes=5))
    billing.park(memory.ctx, b.ISSUER, RUN, "APPROVED", "token-2")
    addressed(memory)
    assert approved(memory).state is RunState.FINALISING
    assert memory.workflows.completed[-1][0] == "token-2"
    assert len(issued(memory).numbers) == 1


def test_by_api(stage: Stage) -> None:
    object.__setattr__(stage.ctx, "fonts_dir", str(fonts_dir()))
    awaiting(stage)
    with environment(stage):
        api, path = Api(stage), f"/v1/runs/{RUN}"
        first = api.call("GET", f"{path}/draft", "FINANCE_APPROVER").body["content_hash"]
        made = api.call("PUT", f"{path}/recipient", "FINANCE", {"order_reference": "4500012345"})
        assert (made.status, made.body["recipient"]) == (200, {"order_reference": "4500012345"})
        assert api.call("PUT", f"{path}/recipient", "VIEWER", {"note": "x"}).status == 403
        assert api.call("PUT", f"{path}/recipient", "FINANCE", {"vat_id": "NL1"}).body["field"] == "vat_id"
        assert api.call("POST", f"{path}/approve", "FINANCE_APPROVER", {}).status == 422
        stale = api.call("POST", f"{path}/approve", "FINANCE_APPROVER", {"content_hash": first})
        assert (stale.status, stale.body["code"]) == (412, "STALE")
        shown = api.call("GET", f"{path}/draft", "FINANCE_APPROVER").body
        done = api.call("POST", f"{path}/approve", "FINANCE_APPROVER", {"content_hash": shown["content_hash"]})
        assert (done.status, done.body["state"]) == (200, "LOCKED")
        hidden = api.call("GET", path, "EMSP_USER", contract_id=b.CONTRACT).body
        assert {"recipient_by", "approved_hash", "approved_by", "draft_changed"}.isdisjoint(hidden)
        assert api.call("GET", f"{path}/draft", "EMSP_USER", contract_id=b.CONTRACT).status == 404
