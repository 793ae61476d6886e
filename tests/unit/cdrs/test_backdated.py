"""A back-dated version: proposed, looked at, approved by two others, and done exactly as shown (rows 31 and B11)."""

# Longer than 400 lines: a proposal, its approval and what it changes are asked of the same month.

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roamclear.billing import proof
from roamclear.billing import service as billing
from roamclear.billing.model import RunState
from roamclear.cdrs import adjustments, backdating, impact, rerating
from roamclear.cdrs.jobs import service as jobs
from roamclear.cdrs.jobs import store as job_store
from roamclear.cdrs.jobs.model import Result
from roamclear.cdrs.model import Billing
from roamclear.contracts import backdated, matching
from roamclear.contracts import service as contracts
from roamclear.contracts.model import VatCategory, VatTreatment
from roamclear.contracts.proposals import Proposal, ProposalState
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.documents.checks import missing
from roamclear.facts import proof as whole_proof
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from roamclear.kernel.money import Money
from tests.support import builders as b
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage
from tests.unit.cdrs import month as m

BOTH = ("approver-1", "approver-2")


def propose(stage: Stage, kwh: str, valid_from: date = date(2026, 10, 1), **terms: object) -> Proposal:
    return backdated.propose(
        stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, valid_from=valid_from,
        terms=b.terms(grid=m.grid(kwh), **terms), reason=f"agreed {kwh} per kWh",
    )  # fmt: skip


def put_in_force(stage: Stage, kwh: str, valid_from: date = date(2026, 10, 1)) -> Proposal:
    made = propose(stage, kwh, valid_from)
    return m.agreed(stage, made, m.looked(stage, made), BOTH)


def moved(stage: Stage, job_id: str) -> int:
    """What re-ratings and corrections of a job came to."""
    done = m.finished(stage, job_id)
    return sum(r.delta.amount_minor for r in done.results if r.result in (Result.RERATED, Result.ADJUSTED))


def mixed(stage: Stage) -> dict[str, str]:
    """Sessions in every state: locked, in the window, verified, disputed, before the span."""
    refs = {f"october-{n}": m.push(stage, b.cdr(n)) for n in (1, 2, 3)}
    m.issued(stage, m.opened(stage))
    start = datetime.fromisoformat("2026-11-10T10:00:00+00:00")
    for n in (21, 22):
        refs[f"november-{n}"] = m.push(stage, b.cdr(n, start=start + timedelta(hours=2 * n)))
    m.drain(stage)
    return refs


def test_the_preview_equals_what_follows_to_the_cent() -> None:
    stage = m.started()
    refs = mixed(stage)
    before = m.billed_minor(stage)
    made = propose(stage, "0.31")
    shown = m.looked(stage, made)
    assert [(a.name, a.sessions, a.delta) for a in shown.actions] == [
        ("ADJUST", 3, Money(-480, "EUR")),
        ("RERATE", 2, Money(-320, "EUR")),
    ]
    assert shown.delta == (Money(-800, "EUR"),)
    assert [(r.name, r.delta.amount_minor) for r in shown.runs] == [("-", -320), ("C-RON.2026-10.CLOSE", -480)]
    assert [(a.name, a.delta.amount_minor) for a in shown.accounts] == [("OWN-1", -800)]
    done = m.agreed(stage, made, shown, BOTH)
    assert (done.state, done.version) == (ProposalState.IN_FORCE, 2)
    assert moved(stage, backdating.job_id(done)) == -800
    assert m.billed_minor(stage) - before == -800
    locked = m.session(stage, refs["october-1"])
    assert (locked.net, locked.billing) == (Money(830, "EUR"), Billing.LOCKED)
    row = m.session(stage, f"{locked.cdr_ref}~v2")
    assert (row.net, row.adjustment, row.billing) == (Money(-160, "EUR"), "RETROACTIVE", Billing.VERIFIED)
    fresh = m.session(stage, refs["november-21"])
    assert (fresh.net, fresh.contract_version, fresh.rating_version) == (Money(670, "EUR"), 2, 2)
    assert all(e.holds for e in proof.equations(stage.ctx, b.ISSUER))


def test_the_next_month_bills_the_corrections_and_the_proof_holds() -> None:
    stage = m.started()
    mixed(stage)
    done = put_in_force(stage, "0.31")
    m.finished(stage, backdating.job_id(done))
    stage.clock.set(datetime.fromisoformat("2026-11-30T23:05:00+00:00"))
    request = m.OCTOBER.model_copy(update={"period": "2026-11"})
    run = billing.prepare(stage.ctx, request)
    stage.clock.set(datetime.fromisoformat("2026-12-01T23:00:00+00:00"))
    run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    sections = [section for _, section in billing.members(stage.ctx, run)]
    assert sections.count("ADJUSTMENT") == 3
    stage.clock.set(datetime.fromisoformat("2026-12-08T23:01:01+00:00"))
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    run = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    header = billing.document(stage.ctx, b.ISSUER, run.numbers[0])
    assert header.net == Money(2 * 670 - 3 * 160, "EUR")
    assert missing(billing.document_model(stage.ctx, header)) == []
    m.drain(stage)
    assert [e.name for e in whole_proof.equations(stage.ctx, b.ISSUER, whole_proof.PARTS) if not e.holds] == []


def test_the_lines_of_an_adjustment_name_the_old_and_the_new_price_only() -> None:
    stage = m.started()
    refs = mixed(stage)
    done = put_in_force(stage, "0.31")
    m.finished(stage, backdating.job_id(done))
    from roamclear.cdrs import service as cdrs

    row = cdrs.rating(stage.ctx, b.ISSUER, f"{refs['october-1']}~v2", 1)
    assert row is not None
    assert [(line.component, line.quantity, str(line.unit_price), line.amount.amount_minor) for line in row.lines] == [
        ("ENERGY", -m.KWH, "0.39", -780),
        ("ENERGY", m.KWH, "0.31", 620),
    ]
    assert (row.author, row.reason) == ("finance", "agreed 0.31 per kWh")


def test_a_second_version_is_compared_with_what_the_first_one_made() -> None:
    stage = m.started()
    mixed(stage)
    assert moved(stage, backdating.job_id(put_in_force(stage, "0.31"))) == -800
    made = propose(stage, "0.35")
    shown = m.looked(stage, made)
    assert shown.delta == (Money(400, "EUR"),)
    done = m.agreed(stage, made, shown, BOTH)
    assert moved(stage, backdating.job_id(done)) == 400
    again = propose(stage, "0.35", valid_from=date(2026, 10, 2))
    assert m.looked(stage, again).delta == (Money(0, "EUR"),)


def test_a_later_version_ends_the_span() -> None:
    stage = m.started()
    refs = mixed(stage)
    later = put_in_force(stage, "0.31", date(2026, 11, 1))
    assert moved(stage, backdating.job_id(later)) == -320
    earlier = propose(stage, "0.20", date(2026, 10, 1))
    shown = m.looked(stage, earlier)
    assert [(a.name, a.sessions) for a in shown.actions] == [("ADJUST", 3)]
    done = m.agreed(stage, earlier, shown, BOTH)
    m.finished(stage, backdating.job_id(done))
    assert m.session(stage, refs["november-21"]).net == Money(670, "EUR")
    assert contracts.match(stage.ctx, b.ISSUER, b.PARTY, b.EMSP, stage.clock.now()).terms.version == 2  # type: ignore[union-attr]


def test_sessions_that_arrive_between_approval_and_effect_are_priced_right() -> None:
    stage = m.started()
    mixed(stage)
    done = put_in_force(stage, "0.31")
    late = m.push(stage, b.cdr(40, start=datetime.fromisoformat("2026-10-20T10:00:00+00:00")))
    assert m.session(stage, late).net == Money(670, "EUR")
    assert moved(stage, backdating.job_id(done)) == -800
    assert m.session(stage, late).rating_version == 1


def test_what_was_being_priced_at_that_moment_is_met_by_a_later_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = m.started()
    m.push(stage, b.cdr(1))
    done = put_in_force(stage, "0.31")
    m.drain(stage)
    real = matching.candidates
    monkeypatch.setattr(matching, "candidates", lambda *args: [(head, versions[:1]) for head, versions in real(*args)])
    slow = m.push(stage, b.cdr(2))
    monkeypatch.undo()
    assert m.session(stage, slow).net == Money(830, "EUR")
    assert moved(stage, backdating.job_id(done)) == -320
    assert m.session(stage, slow).net == Money(670, "EUR")


def test_a_member_whose_price_rises_leaves_its_run_and_what_is_disputed_is_told() -> None:
    stage = m.started()
    rises, disputed = m.push(stage, b.cdr(1)), m.push(stage, b.cdr(2))
    run = m.opened(stage)
    disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=disputed, reason=Reason.FRAUD))
    made = propose(stage, "0.45")
    shown = m.looked(stage, made)
    assert (shown.sessions, shown.refused, shown.delta) == (1, {"DISPUTED": 1}, (Money(120, "EUR"),))
    done = m.agreed(stage, made, shown, BOTH)
    assert moved(stage, backdating.job_id(done)) == 120
    left = m.session(stage, rises)
    assert (left.run_id, left.left_run_id, left.billing) == (None, run.run_id, Billing.VERIFIED)
    assert m.session(stage, disputed).net == Money(830, "EUR")
    assert journal.is_open(stage.ctx, b.ISSUER, ExceptionType.PRICE_VARIANCE, f"{disputed}#V2")


def test_what_is_locking_is_corrected_beside_the_lock_afterwards() -> None:
    stage = m.started()
    ref = m.push(stage, b.cdr(1))
    run = m.opened(stage)
    done = put_in_force(stage, "0.31")
    stage.clock.set(m.LOCKS)
    with survives() as died:
        billing.lock(mortal(stage.ctx, Fuse(left=0, after=True)), b.ISSUER, run.run_id)
    assert died
    m.drain(stage)
    assert m.session(stage, ref).net == Money(830, "EUR")
    billing.lock(stage.ctx, b.ISSUER, run.run_id)
    assert moved(stage, backdating.job_id(done)) == -160
    assert m.session(stage, f"{ref}~v2").net == Money(-160, "EUR")


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_may_die_at_any_write(after: bool) -> None:
    stage = m.started()
    mixed(stage)
    before = m.billed_minor(stage)
    done = put_in_force(stage, "0.31")
    for writes in range(30):
        with survives():
            m.drain(stage, mortal(stage.ctx, Fuse(left=writes, after=after)))
    assert moved(stage, backdating.job_id(done)) == -800
    assert m.billed_minor(stage) - before == -800
    items = list(job_store.items(stage.ctx.db, b.ISSUER, backdating.job_id(done)))
    assert len(items) == 5
    jobs.advance(stage.ctx, b.ISSUER, backdating.job_id(done))
    assert m.billed_minor(stage) - before == -800


def test_workers_at_the_same_moment_do_it_once() -> None:
    stage = m.started()
    refs = mixed(stage)
    before = m.billed_minor(stage)
    done = put_in_force(stage, "0.31")
    backdating.follow(stage.ctx, b.ISSUER, b.CONTRACT, done.proposal_id)
    args = (stage.ctx, b.ISSUER, backdating.job_id(done))
    workers = [threading.Thread(target=jobs.advance, args=args) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert moved(stage, backdating.job_id(done)) == -800
    assert m.billed_minor(stage) - before == -800
    told = [journal.is_open(stage.ctx, b.ISSUER, ExceptionType.PRICE_VARIANCE, f"{ref}#V2") for ref in refs.values()]
    assert not any(told)


@settings(max_examples=8, deadline=None)
@given(
    prices=st.lists(st.integers(10, 79), min_size=1, max_size=3, unique=True),
    energies=st.lists(st.integers(1, 400), min_size=1, max_size=4),
    days=st.lists(st.integers(1, 31), min_size=4, max_size=4),
    locked=st.booleans(),
)
def test_any_row_of_versions_moves_what_its_previews_say(
    prices: list[int], energies: list[int], days: list[int], locked: bool
) -> None:
    stage = m.started()
    for n, tenths in enumerate(energies, start=1):
        start = datetime.fromisoformat("2026-10-03T10:00:00+00:00") + timedelta(days=5 * n)
        m.push(stage, b.cdr(n, start=start, kwh=Decimal(tenths) / 10, total=Decimal(tenths) / 10))
    run = m.opened(stage)
    if locked:
        m.issued(stage, run)
    m.drain(stage)
    for cents, day in zip(prices, days, strict=False):
        before = m.billed_minor(stage)
        made = propose(stage, f"0.{cents}", date(2026, 10, day))
        shown = m.looked(stage, made)
        done = m.agreed(stage, made, shown, BOTH)
        expected = sum(each.amount_minor for each in shown.delta)
        assert moved(stage, backdating.job_id(done)) == expected
        assert m.billed_minor(stage) - before == expected
    assert all(e.holds for e in proof.equations(stage.ctx, b.ISSUER))


def test_what_a_person_credited_stays_credited() -> None:
    stage = m.started()
    refs = mixed(stage)
    partly, wholly = m.session(stage, refs["october-1"]), m.session(stage, refs["october-2"])
    goodwill = adjustments.amount(Money(100, "EUR"))
    for original, lines in ((partly, goodwill), (wholly, adjustments.everything(stage.ctx, wholly))):
        adjustments.adjust(
            stage.ctx, original, key="cn-1", lines=lines, kind="CREDIT", reason="goodwill", author="finance"
        )
    made = propose(stage, "0.31")
    shown = m.looked(stage, made)
    assert shown.refused == {"CREDITED_AFTER_LOCK": 1}
    assert [(a.name, a.delta.amount_minor) for a in shown.actions] == [("ADJUST", -320), ("RERATE", -320)]
    done = m.agreed(stage, made, shown, BOTH)
    assert moved(stage, backdating.job_id(done)) == -640
    assert adjustments.outstanding(stage.ctx, partly) == Money(830 - 100 - 160, "EUR")
    assert adjustments.outstanding(stage.ctx, wholly) == Money(0, "EUR")


def test_a_preview_of_very_many_sessions_is_made_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = m.started()
    mixed(stage)
    made = propose(stage, "0.31")
    small = m.looked(stage, made)
    monkeypatch.setattr(impact, "MOST", 1)
    monkeypatch.setattr(jobs, "_PIECE", 2)
    with pytest.raises(Conflict) as told:
        m.looked(stage, made)
    assert told.value.details["rule"] == "PREVIEW_LARGE"
    viewer = b.actor("FINANCE_APPROVER")
    ordered = backdating.order_preview(stage.ctx, viewer, b.ISSUER, b.CONTRACT, made.proposal_id)
    with pytest.raises(Conflict, match="being made"):
        m.looked(stage, made, ordered.until_utc)
    m.finished(stage, ordered.job_id)
    shown = m.looked(stage, made, ordered.until_utc)
    assert shown == small.model_copy(update={"as_of_utc": ordered.until_utc})
    done = m.agreed(stage, made, shown, BOTH)
    assert moved(stage, backdating.job_id(done)) == -800
    effect = job_store.job(stage.ctx.db, b.ISSUER, backdating.job_id(done))
    assert effect is not None
    assert effect.expected == (Money(-800, "EUR"),)
    with pytest.raises(Conflict):
        backdating.order_preview(stage.ctx, viewer, b.ISSUER, b.CONTRACT, made.proposal_id)


def test_what_was_cancelled_and_billed_again_is_priced_where_it_stands() -> None:
    stage = m.started()
    refs = mixed(stage)
    original = m.session(stage, refs["october-1"])
    lines = adjustments.everything(stage.ctx, original)
    gone = adjustments.adjust(
        stage.ctx, original, key="x1", lines=lines, kind="CANCEL", reason="wrong buyer", author="finance"
    )
    again = adjustments.bill_again(stage.ctx, original, gone, key="r1", reason="wrong buyer", author="finance")
    assert again.net == Money(830, "EUR")
    made = propose(stage, "0.31")
    shown = m.looked(stage, made)
    assert [(a.name, a.sessions) for a in shown.actions] == [("ADJUST", 2), ("RERATE", 3)]
    done = m.agreed(stage, made, shown, BOTH)
    assert moved(stage, backdating.job_id(done)) == -800
    assert m.session(stage, again.cdr_ref).net == Money(670, "EUR")
    assert adjustments.outstanding(stage.ctx, original) == Money(0, "EUR")


# ---- who decides, and on what --------------------------------------------------------------------------------------
def test_two_persons_who_are_neither_the_author_nor_each_other() -> None:
    stage = m.started()
    mixed(stage)
    made = propose(stage, "0.31")
    shown = m.looked(stage, made)
    with pytest.raises(Forbidden):
        m.agreed(stage, made, shown, ["finance"])
    once = m.agreed(stage, made, shown, ["approver-1", "approver-1"])
    assert (once.state, len(once.approvals)) == (ProposalState.PROPOSED, 1)
    assert contracts.head(stage.ctx, b.ISSUER, b.CONTRACT).version == 1
    twice = m.agreed(stage, made, shown, ["approver-2", "approver-2", "approver-1"])
    assert (twice.state, twice.version) == (ProposalState.IN_FORCE, 2)
    assert contracts.head(stage.ctx, b.ISSUER, b.CONTRACT).version == 2


def test_a_changed_world_asks_for_a_fresh_look() -> None:
    stage = m.started()
    ref = m.push(stage, b.cdr(1))
    made = propose(stage, "0.31")
    shown = m.looked(stage, made)
    m.agreed(stage, made, shown, ["approver-1"])
    from roamclear.cdrs import service as cdrs

    cdrs.invalidate(stage.ctx, b.actor("FINANCE"), b.ISSUER, ref, "charger fault")
    with pytest.raises(Conflict) as told:
        m.agreed(stage, made, shown, ["approver-2"])
    assert told.value.details["rule"] == "PREVIEW_CHANGED"
    fresh = told.value.details["impact"]
    assert (fresh.sessions, fresh.delta) == (0, ())
    lapsed = m.agreed(stage, made, fresh, ["approver-2"])
    assert [a.actor_id for a in lapsed.approvals] == ["approver-2"]
    assert m.agreed(stage, made, fresh, ["approver-1"]).state is ProposalState.IN_FORCE


def test_old_previews_and_old_proposals_are_void() -> None:
    stage = m.started()
    m.push(stage, b.cdr(1))
    made = propose(stage, "0.31")
    shown = m.looked(stage, made)
    stage.clock.advance(timedelta(hours=25))
    with pytest.raises(Conflict, match="too old"):
        m.agreed(stage, made, shown, ["approver-1"])
    stage.clock.advance(timedelta(days=14))
    with pytest.raises(Conflict, match="EXPIRED"):
        m.agreed(stage, made, shown, ["approver-1"])
    with pytest.raises(Conflict):
        propose(stage, "0.31")


def test_a_rejected_proposal_is_decided() -> None:
    stage = m.started()
    m.push(stage, b.cdr(1))
    made = propose(stage, "0.31")
    assert propose(stage, "0.31").proposal_id == made.proposal_id
    checker = b.actor("FINANCE_APPROVER")
    gone = backdated.reject(stage.ctx, checker, b.ISSUER, b.CONTRACT, made.proposal_id, "not agreed")
    assert (gone.state, gone.decided_by) == (ProposalState.REJECTED, "finance_approver")
    with pytest.raises(Conflict):
        backdated.reject(stage.ctx, checker, b.ISSUER, b.CONTRACT, made.proposal_id, "not agreed")


def test_a_back_dated_version_changes_prices_of_past_days_only() -> None:
    stage = m.started()
    m.push(stage, b.cdr(1))
    with pytest.raises(Conflict) as told:
        b.found_contract(stage.ctx, grid=m.grid("0.31"), valid_from=date(2026, 10, 1))
    assert told.value.details["rule"] == "BACK_DATED"
    with pytest.raises(InvalidInput) as wrong:
        propose(stage, "0.31", vat=VatTreatment(category=VatCategory.REVERSE_CHARGE, reason="another reason"))
    assert wrong.value.field == "terms.vat"
    for day in (date(2025, 12, 31), date(2026, 10, 6)):
        with pytest.raises(InvalidInput) as wrong:
            propose(stage, "0.31", valid_from=day)
        assert wrong.value.field == "valid_from"
    with pytest.raises(NotFound):
        backdated.proposal(stage.ctx, b.ISSUER, b.CONTRACT, "BD-none")
    with pytest.raises(Forbidden):
        backdated.proposals(stage.ctx, b.emsp_user(), b.ISSUER, b.CONTRACT)


# ---- today, after a dispute, and large previews ---------------------------------------------------------------------
def test_a_price_from_today_on_is_back_dated_for_what_started_this_morning() -> None:
    stage = m.started()
    morning = m.push(stage, b.cdr(1, start=datetime(2026, 10, 12, 6, tzinfo=UTC)))
    stage.clock.set(datetime(2026, 10, 12, 12, tzinfo=UTC))
    today = date(2026, 10, 12)
    with pytest.raises(Conflict) as refused:
        contracts.publish(
            stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, name="Ronde", valid_from=today,
            terms=b.terms(grid=m.grid("0.31")),
        )  # fmt: skip
    assert refused.value.details["rule"] == "BACK_DATED"
    done = put_in_force(stage, "0.31", today)
    assert moved(stage, backdating.job_id(done)) == -160
    assert (m.session(stage, morning).contract_version, m.session(stage, morning).net) == (2, Money(670, "EUR"))
    # What says nothing of prices is published as it is.
    contracts.publish(
        stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, name="Ronde", valid_from=today,
        terms=b.terms(grid=m.grid("0.31"), language="NL"),
    )  # fmt: skip


@pytest.mark.parametrize("locked", [False, True])
def test_a_session_is_priced_by_the_version_once_its_dispute_let_its_price_stand(locked: bool) -> None:
    stage = m.started(unanswered_policy="BILL")
    disputed, other = m.push(stage, b.cdr(1)), m.push(stage, b.cdr(2))
    run = m.opened(stage)
    for ref in (disputed, other):
        disputes.file(stage.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD))
    made = propose(stage, "0.31", unanswered_policy="BILL")
    done = m.agreed(stage, made, m.looked(stage, made), BOTH)
    assert moved(stage, backdating.job_id(done)) == 0
    if locked:
        m.issued(stage, run)
    number = disputes.dispute_id(disputed)
    disputes.reject(stage.ctx, b.actor("FINANCE"), b.ISSUER, number, answer="the price is right")
    for _ in range(2):
        m.drain(stage)
        backdating.after_dispute(stage.ctx, b.ISSUER, disputed)
    assert not journal.is_open(stage.ctx, b.ISSUER, ExceptionType.PRICE_VARIANCE, f"{disputed}#V2")
    assert m.billed_minor(stage) == 670 + 830
    assert m.session(stage, disputed).net == Money(830 if locked else 670, "EUR")
    assert m.session(stage, other).net == Money(830, "EUR")


@pytest.mark.parametrize("changed", [False, True])
def test_a_preview_made_by_a_job_is_made_again_before_it_is_agreed_to(
    changed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = m.started()
    first = m.push(stage, b.cdr(1))
    m.push(stage, b.cdr(2))
    made = propose(stage, "0.31")
    monkeypatch.setattr(impact, "MOST", 0)
    ordered = backdating.order_preview(stage.ctx, b.actor("FINANCE"), b.ISSUER, b.CONTRACT, made.proposal_id)
    m.finished(stage, ordered.job_id)
    shown = m.looked(stage, made, ordered.until_utc)
    if changed:
        rerating.invalidate(stage.ctx, b.actor("FINANCE"), b.ISSUER, first, "no driver of theirs")
    m.agreed(stage, made, shown, BOTH)
    kept = backdated.proposal(stage.ctx, b.ISSUER, b.CONTRACT, made.proposal_id)
    assert kept.state is (ProposalState.PROPOSED if changed else ProposalState.IN_FORCE)
    assert len(kept.approvals) == (0 if changed else 2)
    if not changed:
        assert moved(stage, backdating.job_id(kept)) == -320


def test_corrections_that_cancel_out_before_they_are_billed_make_no_document() -> None:
    stage = m.started()
    for n in (1, 2):
        m.push(stage, b.cdr(n))
    m.issued(stage, m.opened(stage))
    for kwh in ("0.31", "0.39"):
        m.finished(stage, backdating.job_id(put_in_force(stage, kwh)))
    stage.clock.set(datetime.fromisoformat("2026-11-30T23:05:00+00:00"))
    run = billing.prepare(stage.ctx, m.OCTOBER.model_copy(update={"period": "2026-11"}))
    stage.clock.set(run.opens_at_utc)
    run = billing.open_window(stage.ctx, b.ISSUER, run.run_id)
    assert run.closes_at_utc is not None
    stage.clock.set(run.closes_at_utc + timedelta(seconds=61))
    run = billing.lock(stage.ctx, b.ISSUER, run.run_id)
    assert (run.locked, run.locked_net) == (4, Money(0, "EUR"))
    run = billing.issue(stage.ctx, b.ISSUER, run.run_id, missing)
    assert (run.state, run.numbers) == (RunState.SETTLED, ())
    m.drain(stage)
    assert [e.name for e in whole_proof.equations(stage.ctx, b.ISSUER, whole_proof.PARTS) if not e.holds] == []
