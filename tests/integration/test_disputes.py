"""The way of a dispute: review, questions, words, evidence, lists, the one escalation, and what silence means."""

# Longer than 400 lines: every turn of a dispute is taken in the same open window.

from __future__ import annotations

import email
import email.policy
import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roamclear.audit import service as audit
from roamclear.billing import service as billing
from roamclear.billing.model import Run
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, DisputeState
from roamclear.disputes import service as disputes
from roamclear.disputes import uploads
from roamclear.disputes.model import Answer, Claim, Dispute, Query, Reason, Side, State
from roamclear.documents import tables
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Grant, Role
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable, WindowClosed
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Key, Remove, Table
from tests.integration.test_close import CLOSES, OPENS, open_run, push, start, state
from tests.integration.test_notices import Refusing, kinds
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage

USER, AGENT, FINANCE = b.emsp_user(), b.actor("DISPUTE_AGENT"), b.actor("FINANCE")
STRANGER = b.emsp_user("C-OTHER")
LOCK = CLOSES + timedelta(seconds=61)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """These are use cases: the tables in memory do."""
    with memory_stage.stage() as made:
        yield made


@pytest.fixture
def window(stage: Stage) -> tuple[Stage, Run, list[str]]:
    """An open window with six sessions of 8.30 each."""
    start(stage)
    refs = [push(stage, b.cdr(n)) for n in range(1, 7)]
    return stage, open_run(stage), refs


def file(stage: Stage, ref: str, **claim: Any) -> Dispute:
    made = Claim(cdr_ref=ref, **({"reason": Reason.ENERGY_TOO_HIGH, "text": "too much"} | claim))
    return disputes.file(stage.ctx, USER, b.ISSUER, made)


def find(stage: Stage, made: Dispute) -> Dispute:
    return disputes.dispute(stage.ctx, FINANCE, b.ISSUER, made.dispute_id)


def later(stage: Stage, **by: int) -> None:
    stage.clock.set(stage.clock.now() + timedelta(**by))


def thread(stage: Stage, made: Dispute) -> list[tuple[str, str, str]]:
    found = disputes.side_by_side(stage.ctx, FINANCE, b.ISSUER, made.dispute_id)["thread"]
    return [(e.kind, e.side.value, e.text) for e in found]


def test_review_question_answer_rejection_and_the_one_escalation(window: tuple[Stage, Run, list[str]]) -> None:
    stage, run, refs = window
    ctx, made = stage.ctx, file(stage, refs[0])
    later(stage, hours=9)
    assert disputes.review(ctx, AGENT, b.ISSUER, made.dispute_id).state is State.UNDER_REVIEW
    again = disputes.review(ctx, AGENT, b.ISSUER, made.dispute_id)
    assert (again.assignee, again.changed) == ("dispute_agent", 1)
    asked = disputes.request_info(ctx, AGENT, b.ISSUER, made.dispute_id, text="which meter?")
    # Asked on Monday 2 November: five working days end with Monday 9 November.
    assert asked.info_due_utc == datetime(2026, 11, 9, 23, tzinfo=UTC)
    assert disputes.clocks(asked, ctx.now())["waits_for"] == "EMSP"
    with pytest.raises(Conflict, match="asked already"):
        disputes.request_info(ctx, AGENT, b.ISSUER, made.dispute_id, text="and which car?")
    with pytest.raises(Forbidden):
        disputes.give_info(ctx, AGENT, b.ISSUER, made.dispute_id, text="ours")
    given = disputes.give_info(ctx, USER, b.ISSUER, made.dispute_id, text="meter 4711")
    assert (given.state, given.info_due_utc, given.answer_due_utc) == (State.UNDER_REVIEW, None, made.answer_due_utc)
    assert disputes.clocks(given, ctx.now())["waits_for"] == "CPO"
    disputes.reject(ctx, AGENT, b.ISSUER, made.dispute_id, answer="our meter is right")
    session = cdrs.session(ctx, b.ISSUER, refs[0])
    assert session
    assert session.dispute is DisputeState.REJECTED
    with pytest.raises(InvalidInput):
        disputes.escalate(ctx, USER, b.ISSUER, made.dispute_id, contacts=(), text="no")
    with pytest.raises(NotFound):
        disputes.escalate(ctx, STRANGER, b.ISSUER, made.dispute_id, contacts=("A",), text="no")
    raised = disputes.escalate(ctx, USER, b.ISSUER, made.dispute_id, contacts=("Key account",), text="we insist")
    assert raised.escalation
    assert raised.escalation.first_answer == "our meter is right"
    assert (raised.state, raised.resolved_by, raised.escalation.cpo_contact) == (State.ESCALATED, None, "Finance")
    session = cdrs.session(ctx, b.ISSUER, refs[0])
    assert session
    assert session.dispute is DisputeState.OPEN
    final = disputes.reject(ctx, FINANCE, b.ISSUER, made.dispute_id, answer="still right")
    assert final.state is State.REJECTED
    with pytest.raises(Conflict, match="final"):
        disputes.escalate(ctx, USER, b.ISSUER, made.dispute_id, contacts=("Key account",), text="again")
    assert [kind for kind, _, _ in thread(stage, made)] == [
        "CLAIM", "INFO_REQUESTED", "INFO_GIVEN", "REJECTED", "ESCALATED", "REJECTED",
    ]  # fmt: skip
    stage.clock.set(LOCK)
    assert billing.lock(ctx, b.ISSUER, run.run_id).locked == 6


def test_silence_of_the_emsp_is_expired_and_billed(window: tuple[Stage, Run, list[str]]) -> None:
    stage, run, refs = window
    made = file(stage, refs[0])
    stage.clock.set(CLOSES - timedelta(hours=1))
    disputes.request_info(stage.ctx, AGENT, b.ISSUER, made.dispute_id, text="which meter?")
    stage.clock.set(LOCK)
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    assert state(stage, refs[0]) == (Billing.ON_HOLD, ("DISPUTED",))
    due = find(stage, made).info_due_utc
    assert due == datetime(2026, 11, 13, 23, tzinfo=UTC)
    stage.clock.set(due - timedelta(seconds=1))
    assert disputes.settle_unanswered(stage.ctx, b.ISSUER) == 0
    stage.clock.set(due + timedelta(seconds=1))
    with pytest.raises(Conflict, match="over"):
        disputes.give_info(stage.ctx, USER, b.ISSUER, made.dispute_id, text="late")
    assert disputes.settle_unanswered(stage.ctx, b.ISSUER) == 1
    assert disputes.settle_unanswered(stage.ctx, b.ISSUER) == 0
    assert (find(stage, made).state, find(stage, made).resolved_by) == (State.EXPIRED, "system:disputes")
    assert state(stage, refs[0]) == (Billing.VERIFIED, ())


def test_information_given_after_the_close_gives_the_cpo_its_days_again(window: tuple[Stage, Run, list[str]]) -> None:
    stage, run, refs = window
    made = file(stage, refs[0])
    stage.clock.set(LOCK)
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    stage.clock.set(datetime(2026, 11, 12, 9, tzinfo=UTC))
    disputes.request_info(stage.ctx, AGENT, b.ISSUER, made.dispute_id, text="which meter?")
    stage.clock.set(datetime(2026, 11, 16, 9, tzinfo=UTC))
    assert disputes.settle_unanswered(stage.ctx, b.ISSUER) == 0  # the CPO's own time stands still meanwhile
    given = disputes.give_info(stage.ctx, USER, b.ISSUER, made.dispute_id, text="meter 4711")
    assert given.answer_due_utc == datetime(2026, 11, 23, 23, tzinfo=UTC)
    stage.clock.set(given.answer_due_utc + timedelta(seconds=1))
    assert disputes.settle_unanswered(stage.ctx, b.ISSUER) == 1
    assert find(stage, made).state is State.ACCEPTED


def test_a_cpo_may_not_ask_for_ever(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    made = file(stage, refs[0])
    for _ in range(3):
        disputes.request_info(stage.ctx, AGENT, b.ISSUER, made.dispute_id, text="and?")
        disputes.give_info(stage.ctx, USER, b.ISSUER, made.dispute_id, text="this")
    with pytest.raises(Conflict, match="3 times"):
        disputes.request_info(stage.ctx, AGENT, b.ISSUER, made.dispute_id, text="and?")


def test_a_dispute_holds_a_session_once(window: tuple[Stage, Run, list[str]]) -> None:
    stage, run, refs = window
    made, billed = file(stage, refs[0]), file(stage, refs[1])
    disputes.reject(stage.ctx, AGENT, b.ISSUER, billed.dispute_id, answer="no")
    stage.clock.set(LOCK)
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    disputes.reject(stage.ctx, AGENT, b.ISSUER, made.dispute_id, answer="no")
    with pytest.raises(WindowClosed) as caught:
        disputes.escalate(stage.ctx, USER, b.ISSUER, billed.dispute_id, contacts=("K",), text="we insist")
    assert caught.value.details["closed_at_utc"] == "2026-11-08T23:00:00Z"
    raised = disputes.escalate(stage.ctx, USER, b.ISSUER, made.dispute_id, contacts=("K",), text="we insist")
    assert raised.answer_due_utc == datetime(2026, 11, 16, 23, tzinfo=UTC)
    # It was held by its own lock; now it is billed unless the final answer comes first.
    assert state(stage, refs[0]) == (Billing.VERIFIED, ())
    session = cdrs.session(stage.ctx, b.ISSUER, refs[0])
    assert session
    assert session.dispute is DisputeState.REJECTED
    final = disputes.accept(stage.ctx, FINANCE, b.ISSUER, made.dispute_id)
    assert final.state is State.ACCEPTED
    assert state(stage, refs[0])[0] is Billing.INVALIDATED


def test_the_thread_is_attributed_and_of_both_sides_only(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    ctx, made = stage.ctx, file(stage, refs[0])
    one = disputes.comment(ctx, USER, b.ISSUER, made.dispute_id, text="see the file", key="k-1")
    assert disputes.comment(ctx, USER, b.ISSUER, made.dispute_id, text="see the file", key="k-1") == one
    with pytest.raises(Conflict):
        disputes.comment(ctx, USER, b.ISSUER, made.dispute_id, text="another word", key="k-1")
    two = disputes.comment(ctx, AGENT, b.ISSUER, made.dispute_id, text="which file?")
    assert (one.number, one.side, two.number, two.side, two.by) == (2, Side.EMSP, 3, Side.CPO, "dispute_agent")
    assert thread(stage, made)[1:] == [("COMMENT", "EMSP", "see the file"), ("COMMENT", "CPO", "which file?")]
    with pytest.raises(NotFound):
        disputes.comment(ctx, STRANGER, b.ISSUER, made.dispute_id, text="hello")
    with pytest.raises(Forbidden):
        disputes.comment(ctx, b.actor("VIEWER"), b.ISSUER, made.dispute_id, text="hello")
    with pytest.raises(InvalidInput):
        disputes.comment(ctx, USER, b.ISSUER, made.dispute_id, text="  ")
    with pytest.raises(NotFound):
        disputes.side_by_side(ctx, STRANGER, b.ISSUER, made.dispute_id)
    view = disputes.export(ctx, USER, b.ISSUER, made.dispute_id)
    assert [e.action for e in view["history"]] == ["FILED", "COMMENTED", "COMMENTED"]
    assert view["cdr"]["raw"]["id"] == "CDR-000001"
    assert view["ratings"][0]["net"]["amount_minor"] == 830


def test_an_agent_decides_up_to_its_limit(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    ctx, approver = stage.ctx, b.actor("FINANCE_APPROVER")
    made = file(stage, refs[0])
    with pytest.raises(Forbidden):
        disputes.set_limit(ctx, AGENT, b.ISSUER, Money(100_000, "EUR"))
    disputes.set_limit(ctx, approver, b.ISSUER, Money(829, "EUR"))
    for work in (disputes.accept, lambda *a: disputes.reject(*a, answer="no")):
        with pytest.raises(Forbidden, match=r"above 8\.29 EUR"):
            work(ctx, AGENT, b.ISSUER, made.dispute_id)
    disputes.set_limit(ctx, approver, b.ISSUER, Money(900, "EUR"), b.CONTRACT)
    assert disputes.accept(ctx, AGENT, b.ISSUER, made.dispute_id).state is State.ACCEPTED
    disputes.set_limit(ctx, approver, b.ISSUER, Money(100, "EUR"), b.CONTRACT)
    assert disputes.accept(ctx, FINANCE, b.ISSUER, file(stage, refs[1]).dispute_id).state is State.ACCEPTED
    assert [(x.contract_id, x.amount.amount_minor) for x in disputes.limits(ctx, AGENT, b.ISSUER)] == [
        (None, 829),
        (b.CONTRACT, 100),
    ]
    with pytest.raises(NotFound):
        disputes.set_limit(ctx, approver, b.ISSUER, Money(1, "EUR"), "C-NONE")


def test_a_key_stands_for_one_claim(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    claim = Claim(cdr_ref=refs[0], reason=Reason.FRAUD)
    made = disputes.file(stage.ctx, USER, b.ISSUER, claim, key="one")
    assert disputes.file(stage.ctx, USER, b.ISSUER, claim, key="one") == made
    with pytest.raises(Conflict) as caught:
        disputes.file(stage.ctx, USER, b.ISSUER, Claim(cdr_ref=refs[1], reason=Reason.FRAUD), key="one")
    assert caught.value.details["rule"] == "IDEMPOTENCY_KEY_REUSED"
    with pytest.raises(InvalidInput):
        disputes.file(stage.ctx, USER, b.ISSUER, claim, key="é")


def test_many_at_once_each_with_its_result(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    rows = [
        Claim(cdr_ref=refs[0], reason=Reason.FRAUD),
        Claim(cdr_ref="DEVWK*NONE", reason=Reason.FRAUD),
        Claim(cdr_ref=refs[1], reason=Reason.OTHER),
        Claim(cdr_ref=refs[1], reason=Reason.LATE_CDR, claimed=Money(9_999, "EUR")),
        Claim(cdr_ref=refs[2], reason=Reason.LATE_CDR, claimed=Money(100, "EUR")),
    ]
    first = disputes.create_many(stage.ctx, USER, b.ISSUER, rows)
    assert [(o.row, o.code, o.field) for o in first] == [
        (1, "CREATED", ""),
        (2, "NOT_FOUND", ""),
        (3, "INVALID_INPUT", "text"),
        (4, "INVALID_INPUT", "claimed"),
        (5, "CREATED", ""),
    ]
    later(stage, minutes=1)
    again = disputes.create_many(stage.ctx, USER, b.ISSUER, rows)
    assert [o.code for o in again] == ["KNOWN", "NOT_FOUND", "INVALID_INPUT", "INVALID_INPUT", "KNOWN"]
    assert len(disputes.disputes(stage.ctx, USER, b.ISSUER, b.CONTRACT)) == 2
    assert {o.code for o in disputes.create_many(stage.ctx, STRANGER, b.ISSUER, rows)} == {"NOT_FOUND", "INVALID_INPUT"}
    with pytest.raises(InvalidInput):
        disputes.create_many(stage.ctx, USER, b.ISSUER, [])
    with pytest.raises(Forbidden):
        disputes.create_many(stage.ctx, FINANCE, b.ISSUER, rows)


def test_a_list_meets_what_changed_since_it_was_read(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    rows = [Claim(cdr_ref=ref, reason=Reason.FRAUD) for ref in [*refs[:3], refs[0]]]
    transact, met = stage.ctx.db.transact, []

    def slow(actions: Any) -> None:
        if not met:
            met.append(True)  # meanwhile another request files the second row
            disputes.file(stage.ctx, USER, b.ISSUER, rows[1])
        transact(actions)

    object.__setattr__(stage.ctx.db, "transact", slow)
    found = disputes.create_many(stage.ctx, USER, b.ISSUER, rows)
    assert [o.code for o in found] == ["CREATED", "KNOWN", "CREATED", "KNOWN"]


def test_a_list_after_the_close_has_the_instant_in_each_row(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    stage.clock.set(CLOSES)
    found = disputes.create_many(stage.ctx, USER, b.ISSUER, [Claim(cdr_ref=r, reason=Reason.FRAUD) for r in refs[:2]])
    assert {(o.code, o.message) for o in found} == {
        ("WINDOW_CLOSED", "the control window closed at 2026-11-08T23:00:00Z")
    }


def test_the_queue_is_filtered_and_paged(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    ctx = stage.ctx
    made = [file(stage, ref, reason=reason) for ref, reason in zip(refs, list(Reason)[:4], strict=False)]
    disputes.reject(ctx, AGENT, b.ISSUER, made[0].dispute_id, answer="no")
    disputes.review(ctx, AGENT, b.ISSUER, made[1].dispute_id)

    def asked(actor: Actor = FINANCE, **query: Any) -> set[str]:
        return {d.cdr_ref for d in disputes.queue(ctx, actor, b.ISSUER, Query(**query))[0]}

    assert asked() == set(refs[:4])
    assert asked(waiting=True) == set(refs[1:4])
    assert asked(state=State.REJECTED) == {refs[0]}
    assert asked(assignee="dispute_agent") == {refs[1]}
    assert asked(reason=list(Reason)[2], partner="nlron") == {refs[2]}
    assert asked(partner="DEXXX") == set()
    assert asked(min_claimed_minor=831) == set()
    assert asked(waiting=True, due_before_utc=made[1].answer_due_utc) == set()
    assert asked(USER) == set(refs[:4])
    assert asked(STRANGER) == set()
    with pytest.raises(NotFound):
        asked(STRANGER, contract=b.CONTRACT)
    seen: list[str] = []
    after: str | None = None
    while True:
        found, after = disputes.queue(ctx, FINANCE, b.ISSUER, Query(limit=3, after=after))
        seen += [d.cdr_ref for d in found]
        if after is None:
            break
    assert sorted(seen) == sorted(refs[:4])
    _, mine = disputes.queue(ctx, FINANCE, b.ISSUER, Query(limit=1))
    with pytest.raises(InvalidInput):
        disputes.queue(ctx, USER, b.ISSUER, Query(contract=b.CONTRACT, after=mine))


def test_answers_in_bulk_each_with_its_result(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    made = [file(stage, ref) for ref in refs[:3]]
    answers = [
        Answer(dispute_id=made[0].dispute_id, outcome="ACCEPTED"),
        Answer(dispute_id=made[1].dispute_id, outcome="REJECTED"),
        Answer(dispute_id=made[2].dispute_id, outcome="PARTIAL", accepted=Money(5, "EUR")),
        Answer(dispute_id="D-000000000000", outcome="ACCEPTED"),
    ]
    found = disputes.answer_many(stage.ctx, AGENT, b.ISSUER, answers)
    assert [(o.code, o.state) for o in found] == [
        ("DONE", State.ACCEPTED),
        ("INVALID_INPUT", None),
        ("DONE", State.PARTIAL),
        ("NOT_FOUND", None),
    ]
    assert [o.code for o in disputes.review_many(stage.ctx, AGENT, b.ISSUER, [made[0].dispute_id])] == ["CONFLICT"]


def test_words_of_both_sides_and_an_answer_at_one_moment(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    made = file(stage, refs[0])

    def say(n: int) -> None:
        disputes.comment(stage.ctx, USER if n % 2 else AGENT, b.ISSUER, made.dispute_id, text=f"word {n}", key=f"k{n}")

    def end(_: int) -> str:
        try:
            return disputes.accept(stage.ctx, AGENT, b.ISSUER, made.dispute_id).state.value
        except Conflict:
            return "LOST"

    with ThreadPoolExecutor(6) as pool:
        said = [pool.submit(say, n % 4) for n in range(8)]  # each word by two workers
        ends = [pool.submit(end, n) for n in range(2)]
        assert [one.result() for one in said] == [None] * 8
        assert sorted(one.result() for one in ends) == ["ACCEPTED", "LOST"]
    told = disputes.side_by_side(stage.ctx, USER, b.ISSUER, made.dispute_id)["thread"]
    assert [e.number for e in told] == list(range(1, len(told) + 1))
    assert sorted(e.text for e in told if e.kind == "COMMENT") == [f"word {n}" for n in range(4)]
    assert find(stage, made).entries == len(told)
    assert audit.broken_link(stage.ctx, b.ISSUER, "DISPUTE", made.dispute_id) is None


# ---- evidence ------------------------------------------------------------------------------------------------------
def post(stage: Stage, made: Dispute, name: str, data: bytes, actor: Actor = USER) -> tuple[int, str]:
    announced, form = disputes.announce_file(stage.ctx, actor, b.ISSUER, made.dispute_id, name=name)
    stage.ctx.objects.put("inbox", form.fields["key"], data, form.fields["Content-Type"])
    return announced.number, form.fields["key"]


def packed(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as book:
        for name in names:
            book.writestr(name, "x")
    return target.getvalue()


SHEET = packed("[Content_Types].xml", "xl/workbook.xml")


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("report.pdf", b"%PDF-1.7\n...", "PDF"),
        ("photo.jpeg", b"\xff\xd8\xff\xe0....", "JPEG"),
        ("photo.png", b"\x89PNG\r\n\x1a\n....", "PNG"),
        ("meter.csv", "Z\u00e4hler;kWh\r\n1;2\r\n".encode(), "TEXT"),
        ("meter.txt", "Z\u00e4hler".encode("cp1252"), "TEXT"),
        ("meter.xlsx", SHEET, "XLSX"),
        ("all.zip", packed("a.pdf"), "ZIP"),
        ("page.txt", b"  <html><script>alert(1)</script>", None),
        ("drawing.png", b"<svg onload='x'/>", None),
        ("report.pdf", b"MZ\x90\x00", None),
        ("macro.xlsx", packed("[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin"), None),
        ("broken.zip", b"PK\x03\x04....", None),
        ("empty.txt", b"  ", None),
    ],
)
def test_evidence_is_what_its_bytes_are(
    window: tuple[Stage, Run, list[str]], name: str, data: bytes, kind: str | None
) -> None:
    stage, _, refs = window
    made = file(stage, refs[0])
    number, key = post(stage, made, name, data)
    assert uploads.take(stage.ctx, key) == ("STORED" if kind else "REFUSED")
    (kept,) = disputes.side_by_side(stage.ctx, USER, b.ISSUER, made.dispute_id)["evidence"]
    assert (kept.kind, kept.size, kept.reason is None) == (kind, len(data), kind is not None)
    if kind is None:
        with pytest.raises(NotFound):
            disputes.file_link(stage.ctx, USER, b.ISSUER, made.dispute_id, number)
    else:
        assert name in disputes.file_link(stage.ctx, AGENT, b.ISSUER, made.dispute_id, number)["url"]


def test_evidence_is_judged_once_and_seen_by_both_sides_only(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    ctx, made = stage.ctx, file(stage, refs[0])
    number, key = post(stage, made, "report.pdf", b"%PDF-1.7 one", AGENT)
    assert uploads.waiting(ctx, [key, "disputes/x/y"]) == [key]
    with pytest.raises(NotFound):
        disputes.file_link(ctx, USER, b.ISSUER, made.dispute_id, number)  # nobody looked at it yet
    assert uploads.take(ctx, key) == "STORED"
    assert uploads.waiting(ctx, [key]) == []
    ctx.objects.put("inbox", key, b"<html>", "application/pdf")  # the form is used again
    assert uploads.take(ctx, key) == "STORED"
    (kept,) = disputes.export(ctx, USER, b.ISSUER, made.dispute_id)["evidence"]
    assert ctx.objects.get("exports", kept.key) == b"%PDF-1.7 one"
    assert thread(stage, made)[1:] == [("EVIDENCE", "CPO", "report.pdf")]
    with pytest.raises(NotFound):
        disputes.file_link(ctx, STRANGER, b.ISSUER, made.dispute_id, number)
    with pytest.raises(NotFound):
        disputes.announce_file(ctx, STRANGER, b.ISSUER, made.dispute_id, name="a.pdf")
    with pytest.raises(InvalidInput, match="ends in"):
        disputes.announce_file(ctx, USER, b.ISSUER, made.dispute_id, name="page.html")
    assert uploads.take(ctx, "disputes/voltwerk/evidence/D-000000000000/000001") == "UNKNOWN"
    assert uploads.take(ctx, "disputes/../evidence") == "UNKNOWN"


def test_ten_files_and_no_more(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    ctx, made = stage.ctx, file(stage, refs[0])
    for _ in range(9):
        uploads.take(ctx, post(stage, made, "a.pdf", b"%PDF-1")[1])
    _, wrong = post(stage, made, "a.pdf", b"no")
    with pytest.raises(Conflict, match="at most 10"):
        disputes.announce_file(ctx, USER, b.ISSUER, made.dispute_id, name="a.pdf")
    uploads.take(ctx, wrong)  # refused: its place is free again
    disputes.announce_file(ctx, USER, b.ISSUER, made.dispute_id, name="a.pdf")
    with pytest.raises(Conflict, match="at most 10"):
        disputes.announce_file(ctx, USER, b.ISSUER, made.dispute_id, name="a.pdf")
    later(stage, hours=2)  # what never came takes no place
    disputes.announce_file(ctx, USER, b.ISSUER, made.dispute_id, name="a.pdf")
    disputes.withdraw(ctx, USER, b.ISSUER, made.dispute_id)
    with pytest.raises(Conflict, match="WITHDRAWN"):
        disputes.announce_file(ctx, USER, b.ISSUER, made.dispute_id, name="a.pdf")


# ---- lists ---------------------------------------------------------------------------------------------------------
TITLES = ("CDR_ID", "reason", "claimed_amount", "comment")


def listed(stage: Stage, rows: list[list[Any]], titles: tuple[str, ...] = TITLES) -> tuple[dict[str, Any], list[Any]]:
    identity.bootstrap(
        stage.ctx, USER.actor_id, "", (Grant(issuer_id=b.ISSUER, role=Role.EMSP_USER, contract_id=b.CONTRACT),)
    )
    made, form = disputes.announce_list(stage.ctx, USER, b.ISSUER)
    data = tables.write_xlsx("Claims", titles, rows, created=OPENS)
    stage.ctx.objects.put("inbox", form.fields["key"], data, form.fields["Content-Type"])
    assert uploads.take(stage.ctx, form.fields["key"]) == "DONE"
    assert uploads.take(stage.ctx, form.fields["key"]) == "DONE"
    told = disputes.list_result(stage.ctx, USER, b.ISSUER, made.list_id)
    result = stage.ctx.objects.get("exports", told["list"].result_key)
    assert result is not None
    return told, list(tables.read_xlsx(result, max_rows=100, max_columns=7))[1:]


def test_a_sheet_of_disputes_has_a_result_per_row(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    rows: list[list[Any]] = [
        [refs[0], "energy_too_high", Decimal("1.50"), "meter"],
        ["cdr-000002", "FRAUD", None, None],
        ["CDR-999999", "FRAUD", None, None],
        [refs[2], "NONSENSE", None, None],
        [refs[2], "FRAUD", Decimal("1.005"), None],
        [refs[2], "FRAUD", "much", None],
        [None, None, None, None],
        [refs[2], "OTHER", "3,00", " "],
        [refs[3], "OTHER", "3,00", "=HYPERLINK(1)"],
    ]
    told, result = listed(stage, rows)
    assert (told["list"].rows, told["list"].filed, told["list"].refused) == (8, 3, 5)
    assert [(r[0], r[2], r[5] or "") for r in result] == [
        (2, "CREATED", ""),
        (3, "CREATED", ""),
        (4, "NOT_FOUND", "cdr_id"),
        (5, "INVALID_INPUT", "reason"),
        (6, "INVALID_INPUT", "claimed_amount"),
        (7, "INVALID_INPUT", "claimed_amount"),
        (9, "INVALID_INPUT", "comment"),
        (10, "CREATED", ""),
    ]
    filed = {d.cdr_ref: d for d in disputes.disputes(stage.ctx, USER, b.ISSUER, b.CONTRACT)}
    assert (filed[refs[0]].claimed, filed[refs[1]].claimed) == (Money(150, "EUR"), Money(830, "EUR"))
    assert filed[refs[3]].filed_by == USER.actor_id
    later(stage, minutes=1)
    _, again = listed(stage, rows)
    assert [r[2] for r in again if r[3]] == ["KNOWN"] * 3
    assert len(disputes.disputes(stage.ctx, USER, b.ISSUER, b.CONTRACT)) == 3
    with pytest.raises(NotFound):
        disputes.list_result(stage.ctx, STRANGER, b.ISSUER, told["list"].list_id)


@pytest.mark.parametrize("titles", [("cdr_id",), ("cdr_id", "reason", "price"), ("cdr_id", "reason", "reason")])
def test_a_sheet_with_other_columns_files_nothing(
    window: tuple[Stage, Run, list[str]], titles: tuple[str, ...]
) -> None:
    stage, _, refs = window
    told, result = listed(stage, [[refs[0], "FRAUD", "FRAUD"][: len(titles)]], titles)
    assert (told["list"].filed, told["list"].refused, result[0][0], result[0][5]) == (0, 1, 0, "file")


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_effect_is_made_good(window: tuple[Stage, Run, list[str]], after: bool) -> None:
    stage, _, refs = window
    made = file(stage, refs[0])
    number, key = post(stage, made, "report.pdf", b"%PDF-1.7 one")
    for left in range(3):
        with survives():
            uploads.take(mortal(stage.ctx, Fuse(left, after)), key)
    assert uploads.take(stage.ctx, key) == "STORED"
    assert len(thread(stage, made)) == 2
    assert disputes.file_link(stage.ctx, USER, b.ISSUER, made.dispute_id, number)["file"].kind == "PDF"


# ---- mails ---------------------------------------------------------------------------------------------------------
def told(stage: Stage) -> list[tuple[str, str]]:
    """(recipient, subject) of the mails that the waiting facts of disputes lead to; each fact is answered twice."""
    before = len(stage.mail.sent)
    rows = list(stage.ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#OUTBOX"))
    for row in rows:
        if row["fact"].startswith("dispute."):
            disputes.tell(stage.ctx, row)
            disputes.tell(stage.ctx, row)
        stage.ctx.db.write(Remove(Table.CLEARING, Key(row["pk"], row["sk"])))
    mails = [email.message_from_bytes(m.raw, policy=email.policy.default) for m in stage.mail.sent[before:]]
    return [(str(m["To"]), str(m["Subject"])) for m in mails]


CPO, EMSP = "finance@voltwerk.example", "finance@ronde.example"


def test_each_side_is_mailed_what_the_other_says(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    ctx = stage.ctx
    told(stage)
    made = file(stage, refs[0])
    number = made.dispute_id
    subject = f"Dispute {number} on session {refs[0]}"
    assert told(stage) == [(CPO, subject), (EMSP, subject)]
    disputes.review(ctx, AGENT, b.ISSUER, number)
    assert told(stage) == []
    disputes.request_info(ctx, AGENT, b.ISSUER, number, text="which meter?")
    assert told(stage) == [(EMSP, f"Dispute {number}: please answer by 09/11/2026 24:00")]
    disputes.give_info(ctx, USER, b.ISSUER, number, text="meter 4711")
    disputes.request_info(ctx, AGENT, b.ISSUER, number, text="and which car?")
    disputes.give_info(ctx, USER, b.ISSUER, number, text="a blue one")  # before the stream came to tell
    disputes.comment(ctx, AGENT, b.ISSUER, number, text="thanks")
    heard = told(stage)
    assert {to for to, _ in heard} == {CPO, EMSP}
    assert {text for _, text in heard} == {f"Dispute {number}: a new message"}
    disputes.reject(ctx, AGENT, b.ISSUER, number, answer="no")
    assert {to for to, _ in told(stage)} == {CPO, EMSP}
    disputes.escalate(ctx, USER, b.ISSUER, number, contacts=("K",), text="we insist")
    assert told(stage) == [(CPO, f"Dispute {number} was escalated"), (EMSP, f"Dispute {number} was escalated")]
    disputes.accept(ctx, FINANCE, b.ISSUER, number)
    assert told(stage) == [(CPO, f"Dispute {number}: accepted"), (EMSP, f"Dispute {number}: accepted")]


def test_a_list_is_told_of_by_one_mail_to_each_side(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    told(stage)
    rows = [Claim(cdr_ref=ref, reason=Reason.FRAUD) for ref in refs[:3]]
    disputes.create_many(stage.ctx, USER, b.ISSUER, rows)
    assert [to for to, _ in told(stage)] == [CPO, EMSP]
    assert "Disputed: 3" in body_of(stage)
    assert "24.90" in body_of(stage)
    later(stage, minutes=5)
    disputes.create_many(stage.ctx, USER, b.ISSUER, rows)
    assert told(stage) == []


def test_a_mail_that_is_not_taken_is_tried_again(window: tuple[Stage, Run, list[str]]) -> None:
    stage, _, refs = window
    told(stage)
    file(stage, refs[0])
    (row,) = [r for r in stage.ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#OUTBOX") if r["fact"] == "dispute.created"]
    mailer = stage.ctx.mailer
    object.__setattr__(stage.ctx, "mailer", Refusing())
    with pytest.raises(Unavailable):
        disputes.tell(stage.ctx, row)
    assert "DELIVERY_FAILED" in kinds(stage)
    object.__setattr__(stage.ctx, "mailer", mailer)
    assert len(told(stage)) == 2
    assert "DELIVERY_FAILED" not in kinds(stage)


def body_of(stage: Stage) -> str:
    message = email.message_from_bytes(stage.mail.sent[-1].raw, policy=email.policy.default)
    part = message.get_body(("plain",))  # type: ignore[attr-defined]
    return str(part.get_content())
