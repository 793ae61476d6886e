"""Every event of the catalogue (product.md J.4) is provoked by a use case and reaches who subscribed to it, once."""

# Longer than 400 lines: every event of the catalogue stands here; that none is missing is counted over them.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from roamclear.billing import early, reminders
from roamclear.billing import service as billing
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.documents.checks import missing
from roamclear.evses import service as evses
from roamclear.facts import service as facts
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.packages import service as packages
from roamclear.payouts import service as payouts
from roamclear.webhooks import service as webhooks
from roamclear.webhooks.model import CATALOGUE, Delivery
from roamclear.webhooks.sessions import Listeners
from tests.integration import test_close as month
from tests.integration import test_payouts, test_payouts_chain
from tests.integration.test_corrections import credit_cdr
from tests.support import bank_files, corrections, memory_stage, payees
from tests.support import builders as b
from tests.support.crashing import Fuse, mortal, survives
from tests.support.fonts import with_fonts
from tests.support.moto_stack import Stage
from tests.support.receivables import drop, issue

ADDRESS = "https://93.184.216.34/hook"
FINANCE, USER = b.actor(Role.FINANCE), b.emsp_user()
PARTNER, FOLDED = "DE*VWK*E777", "DEVWKE777"


@dataclass
class World:
    """A stage with one subscription to everything, and what it heard."""

    stage: Stage
    issuer_id: str = b.ISSUER
    subscription_id: str = ""
    marks: dict[str, str] = field(default_factory=dict)

    def listen(self) -> None:
        admin = b.actor(Role.ADMIN) if self.issuer_id == b.ISSUER else payees.ADMIN
        self.subscription_id = webhooks.subscribe(self.stage.ctx, admin, self.issuer_id, ADDRESS, CATALOGUE)[
            0
        ].subscription_id

    def push(self, raw: dict[str, Any]) -> str:
        """A body as the stream takes it in; told again, as streams do."""
        end = datetime.fromisoformat(raw["end_date_time"])
        self.stage.clock.set(max(end + timedelta(minutes=5), self.stage.clock.now() + timedelta(seconds=1)))
        body = b.body_of(raw, received=self.stage.clock.now())
        cdrs.receive(self.stage.ctx, body)
        self.take_in(body.cdr_ref)
        return body.cdr_ref

    def take_in(self, ref: str) -> None:
        row = {"issuer_id": self.issuer_id, "pk": "x", "sk": "ORIGINAL", "cdr_ref": ref}
        for _ in range(2):
            facts.took_in(self.stage.ctx, row, listeners=Listeners(self.stage.ctx))

    def tell(self) -> None:
        """Every fact reaches its consumers; twice, because it may."""
        self.stage.clock.advance(timedelta(seconds=1))
        while rows := list(facts.store.pending(self.stage.ctx.db, self.issuer_id, self.stage.clock.now())):
            for row in rows:
                webhooks.publish(self.stage.ctx, row)
                facts.answer(self.stage.ctx, row)
            self.stage.clock.advance(timedelta(seconds=1))

    def forget(self) -> None:
        """Nobody is told of what is pending."""
        self.stage.clock.advance(timedelta(seconds=1))
        for row in list(facts.store.pending(self.stage.ctx.db, self.issuer_id, self.stage.clock.now())):
            facts.store.acknowledge(self.stage.ctx.db, row)

    @property
    def heard(self) -> list[Delivery]:
        """What waits for the subscriber, in its order."""
        admin = b.actor(Role.ADMIN) if self.issuer_id == b.ISSUER else payees.ADMIN
        self.stage.clock.advance(timedelta(minutes=1))
        found = webhooks.deliveries(self.stage.ctx, admin, self.issuer_id, self.subscription_id, 1000)
        return found["waiting"]

    def of(self, subject: str) -> list[str]:
        """The kinds of events of one object, in order."""
        return [each.kind for each in self.heard if each.subject == subject]


def world(issuer_id: str = b.ISSUER, **contract: Any) -> World:
    made = World(memory_stage.fresh(datetime(2026, 9, 1, tzinfo=UTC)), issuer_id)
    with_fonts(made.stage.ctx)
    if issuer_id == b.ISSUER:
        month.start(made.stage, **contract)
    made.listen()
    return made


# ---- what happens --------------------------------------------------------------------------------------------------
@cache
def arrivals() -> World:
    """Sessions of their first day, and what becomes of them later."""
    w = world()
    w.marks["good"] = w.push(b.cdr(1))
    w.marks["held"] = w.push(b.cdr(2, emsp="NLXXX"))
    w.marks["freed"] = w.push(b.cdr(3, evse=PARTNER))
    w.marks["withdrawn"], w.marks["credited"] = w.push(b.cdr(4)), w.push(b.cdr(5))
    test_payouts_chain.external(w.stage.ctx)
    test_payouts_chain.assign(w.stage.ctx, PARTNER)
    w.tell()
    cdrs.invalidate(w.stage.ctx, FINANCE, b.ISSUER, w.marks["withdrawn"], "a test of ours")
    w.marks["credit"] = w.push(credit_cdr(5))
    w.tell()
    evses.unassign(w.stage.ctx, FINANCE, b.ISSUER, [PARTNER])
    w.tell()
    return w


@cache
def a_month() -> World:
    """A window with disputes, a lock, a document that is sent and not paid."""
    w = world()
    refs = [w.push(b.cdr(number)) for number in range(1, 4)]
    run = month.open_run(w.stage)
    w.marks["run"] = run.run_id
    w.tell()
    filed = [disputes.file(w.stage.ctx, USER, b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD)) for ref in refs[:2]]
    w.marks["dispute"] = filed[0].dispute_id
    w.tell()
    agent = b.actor(Role.DISPUTE_AGENT)
    disputes.review(w.stage.ctx, agent, b.ISSUER, filed[0].dispute_id)
    w.tell()
    disputes.accept(w.stage.ctx, agent, b.ISSUER, filed[0].dispute_id)
    w.marks["accepted"], w.marks["open"] = refs[0], refs[1]
    w.tell()
    w.stage.clock.set(month.CLOSES - timedelta(hours=47))
    reminders.send_due(w.stage.ctx, b.ISSUER)
    w.stage.clock.set(month.CLOSES + timedelta(seconds=61))
    run = billing.lock(w.stage.ctx, b.ISSUER, run.run_id)
    w.stage.clock.set(month.CLOSES + timedelta(minutes=5))
    reminders.send_due(w.stage.ctx, b.ISSUER)
    run = billing.issue(w.stage.ctx, b.ISSUER, run.run_id, missing)
    (w.marks["invoice"],) = run.numbers
    packages.render_documents(w.stage.ctx, b.ISSUER, run.run_id)
    packages.render_sessions(w.stage.ctx, b.ISSUER, run.run_id)
    packages.send(w.stage.ctx, b.ISSUER, run.run_id)
    w.tell()
    w.stage.clock.set(datetime(2026, 12, 20, tzinfo=UTC))
    facts.nightly(w.stage.ctx, lambda row, error: pytest.fail(f"{row}: {error}"))
    w.tell()
    return w


@cache
def accepted_early() -> World:
    """A window that its eMSP closes itself."""
    w = world(early_acceptance=True)
    w.push(b.cdr(1))
    run = month.open_run(w.stage)
    w.marks["run"] = run.run_id
    early.accept_all(w.stage.ctx, USER, b.ISSUER, run.run_id)
    w.tell()
    return w


@cache
def carried() -> World:
    """A period below the smallest invoice of its contract."""
    w = world(min_invoice_minor=2400)
    w.push(b.cdr(1))
    w.marks["run"] = month.close_run(w.stage, month.open_run(w.stage)).run_id
    w.tell()
    return w


@cache
def a_failed_run() -> World:
    """A run whose step failed."""
    w = world()
    w.push(b.cdr(1))
    run = month.open_run(w.stage)
    w.marks["run"] = run.run_id
    billing.fail(w.stage.ctx, b.ISSUER, run.run_id, "Issue", "no field")
    w.tell()
    return w


@cache
def money() -> World:
    """A statement with what is paid in full, in part, from nobody, and taken back."""
    w = world()
    w.stage.clock.set(datetime(2026, 11, 10, tzinfo=UTC))
    paid, part, back = (issue(w.stage.ctx, number, "100.00") for number in (1, 2, 3))
    w.marks |= {"paid": paid.number, "part": part.number, "back": back.number}
    w.forget()  # these documents have no run

    def entry(amount: str, ref: str, **tx: Any) -> bank_files.Ntry:
        return bank_files.Ntry(amount, ref=ref, txs=[bank_files.Tx(amount, **tx)])

    came = [
        entry("100.00", "B1", reference=paid.reference),
        entry("60.00", "B2", reference=part.reference),
        entry("7.77", "B3", text=("hello",), payer=None),
        entry("100.00", "B4", reference=back.reference, end_to_end="E1"),
    ]
    gone = bank_files.Ntry(
        "100.00", sign="DBIT", ref="R1", booked="2026-11-05",
        txs=[bank_files.Tx("100.00", end_to_end="E1", return_reason="MD06")],
    )  # fmt: skip
    drop(w.stage.ctx, bank_files.camt(bank_files.Stmt(came)))
    w.tell()
    taken = bank_files.Stmt([gone], id="S2", number="2", opening="1267.77", day="2026-11-05")
    drop(w.stage.ctx, bank_files.camt(taken))
    w.tell()
    (first, *_) = [
        row for row in journal.listed(w.stage.ctx, FINANCE, b.ISSUER) if row.kind.value == "UNMATCHED_CREDIT"
    ]
    journal.resolve_by_hand(w.stage.ctx, FINANCE, b.ISSUER, first.kind, first.subject, "returned to its sender")
    w.tell()
    return w


@cache
def corrected() -> World:
    """An invoice that is credited as a whole."""
    w = world()
    for number in (1, 2):
        w.push(b.cdr(number))
    month.close_run(w.stage, month.open_run(w.stage))
    w.tell()
    corrections.credited(w.stage, whole=True) if "whole" in corrections.Wanted.model_fields else corrections.credited(
        w.stage
    )
    w.tell()
    return w


@cache
def paid_out() -> World:
    """A payout that is approved, exported, booked, and comes back."""
    w = world(payees.ISSUER)
    ctx = w.stage.ctx
    payees.issuer(ctx)
    evses.create_account(ctx, payees.MAKER, payees.ISSUER, "P1", "Partner 1", payees.terms())
    evses.approve_account(ctx, payees.CHECKER, payees.ISSUER, "P1")
    w.stage.clock.set(datetime(2026, 11, 10, 9, tzinfo=UTC))
    made = test_payouts.ready(ctx, 50_00)
    w.marks |= {"payout": made.payout_id, "account": "P1"}
    w.marks["batch"] = test_payouts.exported(ctx).batch_id
    payouts.confirm_debit(ctx, payees.ISSUER, test_payouts.booked(made))
    w.tell()
    payouts.take_return(ctx, payees.ISSUER, test_payouts.booked(made, entry_key="r1", reason="AC04"))
    w.tell()
    return w


@cache
def pinged() -> World:
    """A receiver that is tried."""
    w = world()
    webhooks.ping(w.stage.ctx, b.actor(Role.ADMIN), b.ISSUER, w.subscription_id)
    w.marks["hook"] = w.subscription_id
    return w


#: Each type of the catalogue: where it happens, and to what (a mark of that world; None: to something of its own).
HAPPENS: dict[str, tuple[Callable[[], World], str | None]] = {
    "cdr.received": (arrivals, "good"),
    "cdr.held": (arrivals, "held"),
    "cdr.verified": (arrivals, "freed"),
    "cdr.invalidated": (arrivals, "withdrawn"),
    "cdr.credited": (arrivals, "credited"),
    "window.opened": (a_month, "run"),
    "window.closing": (a_month, "run"),
    "window.closed": (a_month, "run"),
    "window.accepted": (accepted_early, "run"),
    "dispute.created": (a_month, "dispute"),
    "dispute.updated": (a_month, "dispute"),
    "dispute.resolved": (a_month, "dispute"),
    "run.locked": (a_month, "run"),
    "run.carried": (carried, "run"),
    "run.issued": (a_month, "run"),
    "run.failed": (a_failed_run, "run"),
    "invoice.issued": (a_month, "invoice"),
    "invoice.sent": (a_month, "invoice"),
    "invoice.overdue": (a_month, "invoice"),
    "invoice.paid": (money, "paid"),
    "invoice.partially_paid": (money, "part"),
    "invoice.cancelled": (corrected, None),
    "creditnote.issued": (corrected, None),
    "payment.received": (money, None),
    "payment.matched": (money, None),
    "payment.unmatched": (money, None),
    "payment.returned": (money, None),
    "exception.opened": (money, None),
    "exception.resolved": (money, None),
    "evse.assigned": (arrivals, None),
    "evse.unassigned": (arrivals, None),
    "payout.ready": (paid_out, "payout"),
    "payout.approved": (paid_out, "batch"),
    "payout.exported": (paid_out, "batch"),
    "payout.confirmed": (paid_out, "payout"),
    "payout.returned": (paid_out, "payout"),
    "account.changed": (paid_out, "account"),
    "ping": (pinged, "hook"),
}
#: Types that cannot happen yet, each with its reason.
CANNOT: dict[str, str] = {}


def test_the_table_is_the_catalogue() -> None:
    assert set(HAPPENS) | set(CANNOT) == set(CATALOGUE)
    assert not set(HAPPENS) & set(CANNOT)


@pytest.mark.parametrize("kind", sorted(HAPPENS))
def test_what_happens_is_told_once(kind: str) -> None:
    scenario, mark = HAPPENS[kind]
    w = scenario()
    found = [each for each in w.heard if each.kind == kind]
    assert found, f"{kind} was not told"
    assert len({each.event_id for each in found}) == len(found)
    if mark is not None:
        assert w.marks[mark] in {each.subject.split("#")[0] for each in found}


# ---- sessions, from their first day to their last ------------------------------------------------------------------
def payload(w: World, ref: str) -> list[dict[str, Any]]:
    return [each.payload for each in w.heard if each.subject == ref]


def test_a_session_is_told_through_all_its_states_in_their_order() -> None:
    w = arrivals()
    assert w.of(w.marks["good"]) == ["cdr.received", "cdr.verified"]
    assert w.of(w.marks["held"]) == ["cdr.received", "cdr.held"]
    assert w.of(w.marks["freed"]) == ["cdr.received", "cdr.held", "cdr.verified"]
    assert [p.get("change") for p in payload(w, w.marks["freed"])] == [None, 0, 1]
    assert payload(w, w.marks["freed"])[1]["reasons"] == ["EVSE_UNASSIGNED"]
    assert payload(w, w.marks["freed"])[2]["net"] == {"amount_minor": 830, "currency": "EUR"}
    assert w.of(w.marks["withdrawn"]) == ["cdr.received", "cdr.verified", "cdr.invalidated"]
    assert w.of(w.marks["credited"]) == ["cdr.received", "cdr.verified", "cdr.credited"]


def test_a_dispute_moves_its_session_in_the_window_and_at_the_lock() -> None:
    w = a_month()
    assert w.of(w.marks["accepted"]) == ["cdr.received", "cdr.verified", "cdr.invalidated"]
    assert w.of(w.marks["open"]) == ["cdr.received", "cdr.verified", "cdr.held"]
    assert payload(w, w.marks["open"])[-1]["reasons"] == ["DISPUTED"]


def test_what_a_rejected_dispute_held_is_verified_again() -> None:
    w = world()
    ref = w.push(b.cdr(1))
    run = month.open_run(w.stage)
    made = disputes.file(w.stage.ctx, USER, b.ISSUER, Claim(cdr_ref=ref, reason=Reason.FRAUD))
    w.stage.clock.set(month.CLOSES + timedelta(seconds=61))
    billing.lock(w.stage.ctx, b.ISSUER, run.run_id)
    disputes.reject(w.stage.ctx, b.actor(Role.DISPUTE_AGENT), b.ISSUER, made.dispute_id, answer="the meter proves it")
    w.tell()
    assert w.of(ref) == ["cdr.received", "cdr.verified", "cdr.held", "cdr.verified"]


def test_another_price_is_told_and_the_same_one_is_not() -> None:
    w = world()
    ref = w.push(b.cdr(1))
    cdrs.rerate(w.stage.ctx, FINANCE, b.ISSUER, ref, "nothing changed")
    b.backdate(w.stage.ctx, grid=[{"id": "all", "tariff": b.tariff("0.30", "0.50")}], reason="cheaper")
    run = month.open_run(w.stage)
    cdrs.rerate(w.stage.ctx, FINANCE, b.ISSUER, ref, "price agreed")
    w.tell()
    told = [p["net"]["amount_minor"] for p in payload(w, ref)[1:]]
    assert told[0] == 830
    assert told[-1] == 650
    assert set(w.of(ref)[1:]) == {"cdr.verified"}
    assert cdrs.session(w.stage.ctx, b.ISSUER, ref).run_id == run.run_id  # type: ignore[union-attr]


def test_a_credit_after_the_invoice_is_told_of_the_cdr_it_takes_back() -> None:
    w = world()
    ref = w.push(b.cdr(1))
    month.close_run(w.stage, month.open_run(w.stage))
    credit = w.push(credit_cdr(1))
    w.tell()
    assert w.of(ref) == ["cdr.received", "cdr.verified", "cdr.credited"]
    assert payload(w, ref)[-1]["credit"] == credit
    assert w.of(credit) == ["cdr.received", "cdr.verified"]


def test_a_credit_that_waited_for_its_original_is_told_of_both() -> None:
    w = world()
    credit = w.push(credit_cdr(1))
    ref = w.push(b.cdr(1))
    w.tell()
    assert w.of(credit) == ["cdr.received", "cdr.held", "cdr.credited"]
    assert w.of(ref) == ["cdr.received", "cdr.verified", "cdr.credited"]


def test_what_the_stream_left_behind_is_told_by_the_sweep_once() -> None:
    w = world()
    stage = w.stage
    stage.clock.set(datetime.fromisoformat(b.cdr(1)["end_date_time"]) + timedelta(minutes=5))
    body = b.body_of(b.cdr(1), received=stage.clock.now())
    cdrs.receive(stage.ctx, body)
    stage.clock.advance(timedelta(minutes=6))
    for left in range(8):
        with survives():
            facts.sweep(mortal(stage.ctx, Fuse(left)), lambda row, error: pytest.fail(f"{row}: {error}"))
        stage.clock.advance(timedelta(minutes=6))
    facts.sweep(stage.ctx, lambda row, error: pytest.fail(f"{row}: {error}"))
    w.take_in(body.cdr_ref)  # the stream comes round after all
    assert w.of(body.cdr_ref) == ["cdr.received", "cdr.verified"]


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_each_change_is_told_once(after: bool) -> None:
    w = world()
    ref = w.push(b.cdr(3, evse=PARTNER))
    test_payouts_chain.external(w.stage.ctx)
    test_payouts_chain.assign(w.stage.ctx, PARTNER)
    w.stage.clock.advance(timedelta(seconds=1))
    for left in range(12):
        with survives():
            cdrs.retry_evse(mortal(w.stage.ctx, Fuse(left, after)), b.ISSUER, FOLDED)
        w.stage.clock.advance(timedelta(seconds=1))
    for left in range(12):
        with survives():
            cdrs.invalidate(mortal(w.stage.ctx, Fuse(left, after)), FINANCE, b.ISSUER, ref, "a test of ours")
        w.stage.clock.advance(timedelta(seconds=1))
    for left in range(12):
        with survives():
            facts.sweep(mortal(w.stage.ctx, Fuse(left, after)), lambda row, error: pytest.fail(f"{row}: {error}"))
        w.stage.clock.advance(timedelta(minutes=2))
    w.tell()
    assert w.of(ref) == ["cdr.received", "cdr.held", "cdr.verified", "cdr.invalidated"]


def test_changes_of_one_instant_stay_in_their_order() -> None:
    w = world()
    ref = w.push(b.cdr(3, evse=PARTNER))
    test_payouts_chain.external(w.stage.ctx)
    test_payouts_chain.assign(w.stage.ctx, PARTNER)
    w.stage.clock.advance(timedelta(seconds=1))
    cdrs.retry_evse(w.stage.ctx, b.ISSUER, FOLDED)
    cdrs.invalidate(w.stage.ctx, FINANCE, b.ISSUER, ref, "a test of ours")
    w.tell()
    told = [each for each in w.heard if each.subject == ref]
    assert told[-1].occurred_at_utc == told[-2].occurred_at_utc
    assert [each.kind for each in told][-2:] == ["cdr.verified", "cdr.invalidated"]
    assert [each.sequence for each in told] == [0, 1, 2, 3]


def test_rows_of_ours_are_no_cdrs() -> None:
    w = world()
    ref = w.push(b.cdr(1))
    known = cdrs.session(w.stage.ctx, b.ISSUER, ref)
    assert isinstance(known, Session)
    ours, _ = cdrs.changed(known.model_copy(update={"origin": "another"}), billing=Billing.INVALIDATED)
    assert cdrs.told(ours, known, w.stage.clock.now()) == []
    same, _ = cdrs.changed(known, dispute="OPEN")
    assert cdrs.told(same, known, w.stage.clock.now()) == []
    locked, _ = cdrs.changed(known, billing=Billing.LOCKED)
    assert cdrs.told(locked, known, w.stage.clock.now()) == []
