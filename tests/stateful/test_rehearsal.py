"""What is rehearsed is what happens: random months, rehearsed and then closed, to the cent and line by line."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roamclear.billing import drafts
from roamclear.billing import service as billing
from roamclear.billing.model import Document, Run, RunRequest, RunState
from roamclear.contracts import service as contracts
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.documents.checks import missing
from roamclear.documents.model import InvoiceDocument
from roamclear.evses import service as evses
from roamclear.identity.model import Role
from roamclear.kernel.context import Context
from roamclear.kernel.money import Money
from roamclear.rehearsal import acting, service, working
from roamclear.rehearsal.doors import CountingMailer, shadow
from roamclear.rehearsal.model import ContractBoard, Result, RunPreview, Slice
from tests.integration import test_close as month
from tests.integration.test_fees import OUTSIDE, fee
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage

UNASSIGNED = "DE*VWK*E002"
TREATMENTS = {
    "AE": VatTreatment(category=VatCategory.REVERSE_CHARGE, reason="Reverse charge"),
    "S": VatTreatment(category=VatCategory.STANDARD, rate_percent=Decimal(19)),
    "O": OUTSIDE,
}
FEES = {
    "NONE": (),
    "TAXED": (fee("SESSION", "PER_SESSION", "0.35"), fee("BASE", "MONTHLY", "1.00")),
    "MIXED": (fee("SHARE", "PERCENT", "2.5"), fee("ABROAD", "MONTHLY", "3.10", vat=OUTSIDE)),
}


@dataclass(frozen=True)
class Story:
    """A month as it may happen until somebody rehearses its close."""

    vat: str
    fees: str
    least: int
    policy: str
    auto_issue: bool
    september: int
    september_closed: bool
    october: tuple[tuple[str, str], ...]
    disputes: tuple[str, ...]
    credits: tuple[int, ...]
    phase: str


STORIES = st.builds(
    Story,
    vat=st.sampled_from(sorted(TREATMENTS)),
    fees=st.sampled_from(sorted(FEES)),
    least=st.sampled_from([0, 0, 2400, 60000]),
    policy=st.sampled_from(["BILL", "HOLD", "DROP"]),
    auto_issue=st.booleans(),
    september=st.integers(0, 3),
    september_closed=st.booleans(),
    october=st.lists(
        st.tuples(st.sampled_from(["PLAIN", "PLAIN", "PLAIN", "LATE", "UNASSIGNED"]),
                  st.sampled_from(["20", "12.345", "7.01", "33.3335", "20000"])),
        max_size=7,
    ).map(tuple),
    disputes=st.lists(st.sampled_from(["OPEN", "ACCEPTED", "PART", "REJECTED"]), max_size=4).map(tuple),
    credits=st.lists(st.integers(1, 10), max_size=2, unique=True).map(tuple),
    phase=st.sampled_from(["MONTH", "GRACE", "WINDOW", "LOCKED", "APPROVAL"]),
)  # fmt: skip


class Play:
    """One story on a stage."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.stage: Stage = memory_stage.fresh(datetime(2026, 9, 1, tzinfo=UTC))
        self.ctx: Context = self.stage.ctx
        self.number = 0
        self.raws: list[dict[str, Any]] = []
        month.start(
            self.stage,
            vat=TREATMENTS[story.vat],
            fees=FEES[story.fees],
            min_invoice_minor=story.least,
            unanswered_policy=story.policy,
            auto_issue=story.auto_issue,
        )
        evses.register_location(self.ctx, b.ISSUER, b.PARTY, b.location(UNASSIGNED, number=2))

    def begin(self) -> None:
        """Everything that happens before the rehearsal."""
        for _ in range(self.story.september):
            self.session("2026-09", "20")
        if self.story.september_closed:
            close(self.stage, request("2026-09"), "ISSUED")
        for kind, kwh in self.story.october:
            self.session("2026-09" if kind == "LATE" else "2026-10", kwh, UNASSIGNED if kind == "UNASSIGNED" else None)
        for place in self.story.credits:
            self.credit(place)
        if self.story.phase == "MONTH":
            self.stage.clock.set(datetime(2026, 10, 28, tzinfo=UTC))
            return
        if not self.story.september_closed:
            close(self.stage, request("2026-09"), "ISSUED")
        close(self.stage, request("2026-10"), "GRACE" if self.story.phase == "GRACE" else "WINDOW")
        for place, answer in enumerate(self.story.disputes):
            self.dispute(place, answer)
        close(self.stage, request("2026-10"), self.story.phase)

    def session(self, period: str, kwh: str, evse: str | None = None) -> None:
        self.number += 1
        start = datetime.fromisoformat(f"{period}-{10 + self.number}T10:00:00+00:00")
        raw = b.cdr(self.number, start=start, kwh=kwh, **({"evse": evse} if evse else {}))
        self.raws.append(raw)
        month.push(self.stage, raw)

    def credit(self, place: int) -> None:
        if place > len(self.raws):
            return
        raw = self.raws[place - 1]
        total = {"excl_vat": -raw["total_cost"]["excl_vat"]}
        changes = {"id": f"{raw['id']}-C", "credit": True, "credit_reference_id": raw["id"], "total_cost": total}
        month.push(self.stage, raw | changes)

    def dispute(self, place: int, answer: str) -> None:
        run = billing.run(self.ctx, b.ISSUER, request("2026-10").run_id)
        members = sorted((s for s, _ in billing.members(self.ctx, run)), key=lambda s: s.cdr_ref)
        if run.state is not RunState.WINDOW or place >= len(members) or members[place].credit_of:
            return
        claimed = Money(200, "EUR") if answer == "PART" else None
        reason = Reason.ENERGY_TOO_HIGH if claimed else Reason.NO_SUCH_SESSION
        claim = Claim(cdr_ref=members[place].cdr_ref, reason=reason, claimed=claimed, text="not as we have it")
        filed = disputes.file(self.ctx, b.emsp_user(), b.ISSUER, claim)
        agent = b.actor(Role.DISPUTE_AGENT)
        if answer == "ACCEPTED":
            disputes.accept(self.ctx, agent, b.ISSUER, filed.dispute_id)
        elif answer == "PART":
            disputes.accept(self.ctx, agent, b.ISSUER, filed.dispute_id, accepted=Money(100, "EUR"))
        elif answer == "REJECTED":
            disputes.reject(self.ctx, agent, b.ISSUER, filed.dispute_id, answer="the meter proves it")


def request(period: str) -> RunRequest:
    return month.REQUEST.model_copy(update={"period": period})


def close(stage: Stage, wanted: RunRequest, until: str) -> Run:
    """The real close up to a state, each step at its instant."""
    ctx, clock = stage.ctx, stage.clock
    end = (date.fromisoformat(f"{wanted.period}-01") + timedelta(days=32)).replace(day=1)
    clock.set(max(clock.now(), datetime(end.year, end.month, end.day, tzinfo=UTC)))
    run = billing.prepare(ctx, wanted)
    if run.state is RunState.GRACE and until != "GRACE":
        clock.set(max(clock.now(), run.opens_at_utc))
        run = billing.open_window(ctx, b.ISSUER, run.run_id)
    if run.state is RunState.WINDOW and until not in ("GRACE", "WINDOW"):
        assert run.closes_at_utc is not None
        clock.set(max(clock.now(), run.closes_at_utc + timedelta(seconds=60)))
        run = billing.lock(ctx, b.ISSUER, run.run_id)
    needs = not contracts.version(ctx, b.ISSUER, run.contract_id, run.contract_version).terms.auto_issue
    if run.state is RunState.LOCKED and until in ("APPROVAL", "ISSUED") and needs and run.approved_by is None:
        billing.park(ctx, b.ISSUER, run.run_id, "APPROVED", f"token-{run.run_id}")
        run = billing.run(ctx, b.ISSUER, run.run_id)
    if until == "ISSUED" and run.state is RunState.AWAITING_APPROVAL:
        seen = drafts.content_hash(ctx, run)
        run = billing.approve(ctx, b.actor(Role.FINANCE_APPROVER), b.ISSUER, run.run_id, seen)
    return billing.issue(ctx, b.ISSUER, run.run_id, missing) if until == "ISSUED" else run


def stored(stage: Stage) -> tuple[Any, Any]:
    """Every row and object, but those of the rehearsal itself."""
    tables = {
        table: {pk: rows for pk, rows in partitions.items() if rows and "#REHEARSAL#" not in pk}
        for table, partitions in deepcopy(stage.tables.tables).items()  # type: ignore[attr-defined]
    }
    objects = stage.ctx.objects.kept  # type: ignore[attr-defined]
    return tables, {key: body for key, body in objects.items() if not key[1].startswith("preview/")}


def rehearsed(stage: Stage, **wanted: Any) -> Result:
    """The rehearsal of all contracts, asked for and done."""
    asked = service.Request.model_validate({"files": False} | wanted)
    known = service.rehearse_all(stage.ctx, b.actor(Role.FINANCE), b.ISSUER, asked)
    with mock.patch.object(working, "proof", return_value=missing):
        done = working.work(stage.ctx, service.request_key(known))
    assert done.state == "DONE"
    return service._result(stage.ctx, done)


def papers(ctx: Context, run: Run) -> list[tuple[Document, InvoiceDocument]]:
    headers = [billing.document(ctx, b.ISSUER, number) for number in run.numbers]
    return [(header, billing.document_model(ctx, header)) for header in headers]


def sums(found: Iterable[Slice]) -> tuple[int, int, Decimal]:
    each = list(found)
    return sum(s.count for s in each), sum(s.net.amount_minor for s in each), sum((s.claimed for s in each), Decimal(0))


def told(run: RunPreview) -> list[tuple[Any, ...]]:
    return [(d.type_code, d.net, d.tax, d.gross, d.sessions, d.lines, d.issue_date) for d in run.documents]


def adds_up(board: ContractBoard, runs: Iterable[RunPreview]) -> None:
    """What would be invoiced and what is blocked are all that is unbilled; the documents bill exactly the former."""
    one, other, every = sums(board.invoiced), sums(board.blocked), sums(board.unbilled)
    assert tuple(x + y for x, y in zip(one, other, strict=True)) == every
    documents = [d for run in runs if run.blocked is None for d in run.documents]
    assert sum(d.net.amount_minor - d.fees.amount_minor for d in documents) == one[1]
    assert len(documents) == board.documents


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(story=STORIES)
def test_a_rehearsal_is_what_happens_and_leaves_nothing_behind(story: Story) -> None:
    play = Play(story)
    play.begin()
    stage, ctx = play.stage, play.ctx
    before, mails, woken = stored(stage), len(stage.mail.sent), deepcopy(stage.workflows)
    found = rehearsed(stage)
    head = contracts.head(ctx, b.ISSUER, b.CONTRACT)
    made, known = shadow(ctx), {run.run_id: run for run in billing.every_run(ctx, b.ISSUER)}
    wanted = acting.targets(ctx, head, known, None)
    endings = [acting.act(made, one, missing) for one in wanted]
    assert stored(stage) == before
    assert (len(stage.mail.sent), stage.workflows) == (mails, woken)
    assert isinstance(made.ctx.mailer, CountingMailer)

    previews = {run.run_id: run for run in found.runs}
    for board in found.board:
        adds_up(board, [run for run in found.runs if run.contract_id == board.contract_id])
    for one, ending in zip(wanted, endings, strict=True):
        assert ending.run is not None
        assert ending.blocked in (None, "APPROVAL_NEEDED")
        real = close(stage, one, "ISSUED")
        acted = billing.run(made.ctx, b.ISSUER, one.run_id)
        assert (real.state, real.numbers, real.locked_net) == (acted.state, acted.numbers, acted.locked_net)
        assert (real.fees, real.carries, real.manifest) == (acted.fees, acted.carries, acted.manifest)
        assert papers(ctx, real) == papers(made.ctx, acted)
        preview = previews[one.run_id]
        assert preview.locked_net == real.locked_net
        assert (preview.left, preview.disputed, preview.carried) == (real.left, real.disputed, real.carried_reason)
        assert told(preview) == [
            (h.type_code, h.net, h.tax, h.gross, h.sessions, len(m.lines), h.issue_date) for h, m in papers(ctx, real)
        ]
        own = [s for s, _ in billing.members(ctx, real)]
        assert own == [s for s, _ in billing.members(made.ctx, acted)]


def test_the_board_names_what_stands_in_the_way() -> None:
    kinds = (("PLAIN", "20"), ("PLAIN", "20000"), ("UNASSIGNED", "20"), ("PLAIN", "12.345"))
    story = Story("AE", "TAXED", 0, "HOLD", True, 0, True, kinds, ("OPEN",), (), "WINDOW")
    play = Play(story)
    play.begin()
    found = rehearsed(play.stage)
    board = next(each for each in found.board if each.contract_id == b.CONTRACT)
    assert {s.reason: (s.count, s.net.amount_minor) for s in board.blocked}["OPEN_DISPUTE"] == (1, 830)
    assert sum(s.count for s in board.unbilled) == 4
    assert board.documents == 1
    assert board.missing_fields == ()
    refused = play.ctx.now()
    with mock.patch.object(working, "proof", return_value=lambda document: ["BT-49: no electronic address"]):
        play.stage.clock.advance(timedelta(minutes=1))
        known = service.rehearse_all(play.ctx, b.actor(Role.FINANCE), b.ISSUER, service.Request(files=False))
        again = service._result(play.ctx, working.work(play.ctx, service.request_key(known)))
    assert play.ctx.now() > refused
    stopped = next(run for run in again.runs if run.run_id == request("2026-10").run_id)
    assert (stopped.blocked, stopped.faults) == ("EINVOICE_INVALID", ("BT-49: no electronic address",))
    board = next(each for each in again.board if each.contract_id == b.CONTRACT)
    assert (board.invoiced, board.documents) == ((), 0)
    assert "EINVOICE_INVALID" in {s.reason for s in board.blocked}
    adds_up(board, again.runs)
