"""The month close as Step Functions runs it: gates, an empty period, approval, steps that give up, repeats."""

from __future__ import annotations

import pytest

from roamclear.billing import proof
from roamclear.billing import service as billing
from roamclear.billing.model import Document, RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.kernel.money import Money
from tests.support import builders as b
from tests.workflow.month import CONTRACTS, SESSION_MINOR, Month, run_id

pytestmark = pytest.mark.e2e
GATES = ["ParkUntilOpen", "OpenWindow", "IsOpen", "ParkUntilClose", "Lock", "IsLocked"]
PAPERS = ["IssueInvoice", "IsIssued", "Render", "SendInvoice", "Finish", "Done"]
#: The two branches of Render; the laptop's history leaves them out, that of AWS does not.
BRANCHES = {"RenderPdf", "RenderXlsx", "IsDrawn", "Drawn"}


def documents(month: Month, contract_id: str) -> list[Document]:
    """What was issued to a contract."""
    found = billing.documents(month.ctx, b.actor("FINANCE"), b.ISSUER)
    return [d for d in found if d.contract_id == contract_id]


def settled(month: Month, contract_id: str, attempt: int) -> None:
    """Sweep until an execution ended well."""
    month.swept_until(lambda: month.status(contract_id, attempt) != "RUNNING", f"the end of {contract_id}")
    assert month.status(contract_id, attempt) == "SUCCEEDED"


def sent_once(month: Month, contract_id: str) -> Document:
    """The run is over with one document over its sessions."""
    run = month.run(contract_id)
    assert run is not None
    assert (run.state, run.failed_step, len(run.numbers)) == (RunState.SENT, None, 1)
    (document,) = documents(month, contract_id)
    count = CONTRACTS[contract_id][1]
    assert (document.number, document.sessions) == (run.numbers[0], count)
    assert document.net == Money(count * SESSION_MINOR, "EUR")
    files = list(month.ctx.objects.keys("documents", f"{b.ISSUER}/{run_id(contract_id)}/{document.number}"))
    assert sorted(f.rsplit(".", 1)[1] for f in files) == ["csv", "ndjson", "pdf", "xlsx", "xml", "xml"]
    return document


def test_the_schedule_starts_each_contract_once(month: Month) -> None:
    """Twice at once and once more: the same execution is started by one of them only."""
    assert sorted(name for answer in month.started for name in answer) == sorted(
        f"{b.ISSUER}.{run_id(c)}" for c in CONTRACTS
    )
    assert month.started[-1] == []


def test_a_plain_close_goes_through_every_gate_once(month: Month) -> None:
    document = sent_once(month, "C-PLAIN")
    assert document.issue_date.isoformat() == "2026-11-09"
    assert month.status("C-PLAIN") == "SUCCEEDED"
    entered = month.entered("C-PLAIN")
    assert entered[:3] == ["Begin", "Prepare", "IsReady"]
    # Two sweeps completed each gate at the same moment, and it was passed once.
    assert [s for s in entered[3:] if s not in BRANCHES] == [*GATES, *PAPERS]
    assert month.exceptions("C-PLAIN") == set()


def test_a_period_without_sessions_ends_at_its_opening(month: Month) -> None:
    assert month.status("C-EMPTY") == "SUCCEEDED"
    assert month.entered("C-EMPTY")[3:] == ["ParkUntilOpen", "OpenWindow", "IsOpen", "Finish", "Done"]
    run = month.run("C-EMPTY")
    assert run is not None
    assert (run.state, run.numbers, run.notice_ids) == (RunState.SETTLED, (), ())
    assert documents(month, "C-EMPTY") == []


def test_a_run_waits_for_its_approval(month: Month) -> None:
    assert (month.status("C-ASKED"), documents(month, "C-ASKED")) == ("RUNNING", [])
    seen = month.draft("FINANCE_APPROVER", "C-ASKED")
    assert month.post("FINANCE", "C-ASKED", "approve", **seen).status == 403
    assert month.post("FINANCE_APPROVER", "C-NONE", "approve", **seen).status == 404
    assert month.post("FINANCE_APPROVER", "C-ASKED", "approve", content_hash="0" * 64).status == 412
    for _ in range(2):
        assert month.post("FINANCE_APPROVER", "C-ASKED", "approve", **seen).status in (200, 409)
    settled(month, "C-ASKED", 0)
    sent_once(month, "C-ASKED")
    run = month.run("C-ASKED")
    assert run is not None
    assert run.approved_by == month.stack.actor_id("FINANCE_APPROVER")
    assert month.entered("C-ASKED").count("IssueInvoice") == 1


def test_a_refused_invoice_takes_no_number_until_it_is_repaired(month: Month) -> None:
    run = month.run("C-BROKEN")
    assert run is not None
    assert (run.state, run.failed_step, run.numbers) == (RunState.FINALISING, "IssueInvoice", ())
    assert documents(month, "C-BROKEN") == []
    assert month.exceptions("C-BROKEN") == {"RUN_FAILED", "EINVOICE_INVALID"}
    month.until(lambda: month.status("C-BROKEN") == "FAILED", "the execution ends as failed")
    assert month.entered("C-BROKEN")[-2:] == ["FailRun", "Failed"]
    # The first try and the four of the retry rule.
    assert sum(e["type"] == "TaskFailed" for e in month.events("C-BROKEN")) == 5
    month.repair("C-BROKEN")
    assert month.post("VIEWER", "C-BROKEN", "resume").status == 403
    assert month.post("FINANCE", "C-BROKEN", "resume").status == 200
    assert month.post("FINANCE", "C-BROKEN", "resume").status == 409
    settled(month, "C-BROKEN", 1)
    sent_once(month, "C-BROKEN")
    assert month.exceptions("C-BROKEN") == set()
    assert month.exceptions("C-BROKEN", "RESOLVED") == {"RUN_FAILED", "EINVOICE_INVALID"}


def test_a_step_that_gave_up_behind_the_number_goes_on_with_the_same_number(month: Month) -> None:
    run, (before,) = month.run("C-LOST"), documents(month, "C-LOST")
    assert run is not None
    assert (run.state, run.failed_step, run.numbers) == (RunState.ISSUED, "Render", (before.number,))
    assert month.exceptions("C-LOST") == {"RUN_FAILED"}
    month.until(lambda: month.status("C-LOST") == "FAILED", "the execution ends as failed")
    # Resumed without a repair it fails again, and is told again.
    assert month.post("FINANCE", "C-LOST", "resume").status == 200
    month.swept_until(lambda: month.status("C-LOST", 1) == "FAILED", "the second attempt fails too")
    assert month.exceptions("C-LOST") == {"RUN_FAILED"}
    month.repair("C-LOST")
    assert month.post("FINANCE", "C-LOST", "resume").status == 200
    settled(month, "C-LOST", 2)
    after = sent_once(month, "C-LOST")
    assert (after.number, after.net, after.issued_at_utc) == (before.number, before.net, before.issued_at_utc)
    assert month.exceptions("C-LOST") == set()


def test_what_is_over_is_not_done_again(month: Month) -> None:
    """Another execution of a finished close finds nothing to do."""
    mails = month.mails()
    states, name = month.stack.boto("stepfunctions"), f"{b.ISSUER}.{run_id('C-PLAIN')}.R9"
    given = f'{{"issuer_id":"{b.ISSUER}","contract_id":"C-PLAIN","period":"2026-10","kind":"CLOSE"}}'
    states.start_execution(stateMachineArn=month.stack.outputs["CloseStateMachineArn"], name=name, input=given)
    month.until(lambda: month.status("C-PLAIN", 9) != "RUNNING", "the end of the repeat")
    assert month.status("C-PLAIN", 9) == "SUCCEEDED"
    assert month.entered("C-PLAIN", 9) == ["Begin", "Prepare", "IsReady", "NothingToDo"]
    assert month.mails() == mails


def test_numbers_are_gapless_and_every_session_is_billed_once(month: Month) -> None:
    """After all repeats and faults; this test stands last."""
    found = billing.documents(month.ctx, b.actor("FINANCE"), b.ISSUER)
    assert sorted(d.number for d in found) == [f"VW-2026-{n:06d}" for n in range(1, 5)]
    refs = [f"DEVWK*CDR-{n:06d}" for n in range(1, 13)]
    sessions = cdrs.sessions(month.ctx, b.ISSUER, refs).values()
    assert [s.billing for s in sessions] == [Billing.LOCKED] * 12
    assert sum(d.sessions for d in found) == 12
    broken = [e for e in proof.equations(month.ctx, b.ISSUER) if not e.holds]
    assert broken == []
