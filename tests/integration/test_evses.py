"""The register, accounts and assignments against tables."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from roamclear.aws import outbox
from roamclear.evses import service as evses
from roamclear.evses.model import AssignmentRequest, Filters, Policy, RequestState, Unpaid
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from roamclear.kernel.money import Money
from tests.support.moto_stack import Stage
from tests.support.payees import (
    CHECKER,
    ISSUER,
    MAKER,
    OPS,
    OTHER_IBAN,
    actor,
    chargers,
    location,
    terms,
)

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "ocpi-spec"


def facts(ctx: Context, name: str) -> list[dict[str, object]]:
    rows = outbox.pending(ctx.db, ISSUER, ctx.now() + timedelta(days=1))
    return [row["payload"] for row in rows if row["fact"] == name]


def old_account(stage: Stage, account_id: str = "P1") -> str:
    """An account that is older than 30 days."""
    evses.create_account(stage.ctx, MAKER, ISSUER, account_id, f"Partner {account_id}", terms())
    stage.clock.advance(timedelta(days=31))
    return account_id


def ids(ctx: Context, table: str, **kwargs: object) -> list[str]:
    listing = evses.assigned if table == "assigned" else evses.unassigned
    return [e.evse_id for e in listing(ctx, OPS, ISSUER, **kwargs).items]  # type: ignore[operator]


# ---- register ------------------------------------------------------------------------------------------------------
def test_a_location_is_registered_once_and_shows_as_unassigned(ctx: Context) -> None:
    assert chargers(ctx, 3) == ["DEABCE1", "DEABCE2", "DEABCE3"]
    assert chargers(ctx, 3) == []
    assert ids(ctx, "unassigned") == ["DEABCE1", "DEABCE2", "DEABCE3"]
    assert evses.find(ctx, ISSUER, "de*abc*e1") is not None
    assert len(facts(ctx, "evse.registered")) == 3


def test_a_better_zone_is_told_and_a_removed_evse_stays(stage: Stage) -> None:
    ctx = stage.ctx
    evses.register_location(ctx, ISSUER, "DEABC", location(1, time_zone=None))
    stage.clock.advance(timedelta(hours=1))
    assert chargers(ctx) == ["DEABCE1"]
    raw = location(1)
    raw["evses"][0]["status"] = "REMOVED"
    evses.register_location(ctx, ISSUER, "DEABC", raw)
    known = evses.find(ctx, ISSUER, "DEABCE1")
    assert known is not None
    assert (known.zone, known.removed_at_utc) == ("Europe/Brussels", ctx.now())
    assert len(facts(ctx, "evse.registered")) == 2


def test_another_party_cannot_take_an_evse_over(ctx: Context) -> None:
    chargers(ctx)
    assert evses.register_location(ctx, ISSUER, "DEXYZ", location(1, time_zone="Europe/Paris")) == []
    known = evses.find(ctx, ISSUER, "DEABCE1")
    assert known is not None
    assert (known.party, known.zone) == ("DEABC", "Europe/Brussels")
    assert [row.kind.value for row in journal.listed(ctx, OPS, ISSUER)] == ["PLAUSIBILITY"]


@pytest.mark.cases
@pytest.mark.parametrize("version", ["2.2.1", "2.3.0-core"])
def test_the_example_locations_of_the_standard_are_taken(ctx: Context, version: str) -> None:
    folder = CASES / version / "examples"
    if not folder.is_dir():
        pytest.skip("the third-party sample files are not here")
    raw = json.loads((folder / "location_example.json").read_text())
    assert evses.register_location(ctx, ISSUER, "BEBEC", raw) == ["BEBECE041503001", "BEBECE041503002"]


# ---- tables --------------------------------------------------------------------------------------------------------
def test_an_evse_is_in_exactly_one_table_and_counts_add_up(stage: Stage) -> None:
    ctx = stage.ctx
    chargers(ctx, 7)
    old_account(stage)
    evses.assign(ctx, OPS, ISSUER, ["DE*ABC*E2", "deabce5"], "P1")
    assert ids(ctx, "assigned") == ids(ctx, "assigned", account_id="P1") == ["DEABCE2", "DEABCE5"]
    assert set(ids(ctx, "unassigned")) == {f"DEABCE{n}" for n in (1, 3, 4, 6, 7)}
    counts = evses.counts(ctx, OPS, ISSUER)
    assert (counts.total, counts.assigned, counts.unassigned, counts.by_account) == (7, 2, 5, {"P1": 2})


def test_pages_are_stable_and_filtered(ctx: Context) -> None:
    chargers(ctx, 12)
    evses.register_location(ctx, ISSUER, "DEABC", location(4, first=20, city="Lille", country="FRA"))
    seen: list[str] = []
    after: str | None = None
    while True:
        page = evses.unassigned(ctx, OPS, ISSUER, Filters(city="gent"), after=after, limit=5)
        seen += [e.evse_id for e in page.items]
        after = page.next
        if after is None:
            break
    assert seen == sorted(f"DEABCE{n}" for n in range(1, 13))
    assert len(ids(ctx, "unassigned", filters=Filters(country="FR", power_type="AC"))) == 4
    with pytest.raises(InvalidInput):
        evses.unassigned(ctx, OPS, ISSUER, limit=501)


def test_a_sub_cpo_sees_its_own_evses_only(stage: Stage) -> None:
    ctx = stage.ctx
    chargers(ctx, 3)
    old_account(stage, "P1")
    old_account(stage, "P2")
    evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "P1")
    evses.assign(ctx, OPS, ISSUER, ["DEABCE2"], "P2")
    sub = actor("sub-1", Role.SUB_CPO_USER, account_id="P1")
    assert [e.evse_id for e in evses.assigned(ctx, sub, ISSUER).items] == ["DEABCE1"]
    assert [a.account_id for a in evses.accounts(ctx, sub, ISSUER)] == ["P1"]
    for hidden in (
        lambda: evses.evse(ctx, sub, ISSUER, "DEABCE2"),
        lambda: evses.evse(ctx, sub, ISSUER, "DEABCE3"),
        lambda: evses.assigned(ctx, sub, ISSUER, account_id="P2"),
        lambda: evses.unassigned(ctx, sub, ISSUER),
        lambda: evses.account(ctx, sub, ISSUER, "P2"),
        lambda: evses.history(ctx, sub, ISSUER, "DEABCE2"),
        lambda: evses.evse(ctx, actor("x", Role.OPS, issuer_id="other"), ISSUER, "DEABCE1"),
    ):
        with pytest.raises(NotFound):
            hidden()
    with pytest.raises(Forbidden):
        evses.assign(ctx, sub, ISSUER, ["DEABCE2"], "P1")


# ---- assignments ---------------------------------------------------------------------------------------------------
def test_assignment_tells_the_higher_rooms_and_repeats_change_nothing(stage: Stage) -> None:
    ctx = stage.ctx
    chargers(ctx, 45)
    old_account(stage)
    every = [f"DEABCE{n}" for n in range(1, 46)]
    for _ in range(2):
        assert evses.assign(ctx, OPS, ISSUER, every, "P1").state is RequestState.APPLIED
        stage.clock.advance(timedelta(minutes=1))
    told = facts(ctx, "evse.assigned")
    assert len(told) == 45
    assert {fact["account_id"] for fact in told} == {"P1"}
    assert len(evses.history(ctx, OPS, ISSUER, "DEABCE45")) == 1


def test_history_decides_who_is_paid(stage: Stage) -> None:
    ctx = stage.ctx
    chargers(ctx)
    old_account(stage, "P1")
    old_account(stage, "P2")
    before = ctx.now() - timedelta(days=1)
    assert evses.payee(ctx, ISSUER, "DEABCE1", before) is None
    evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "P1")
    first = ctx.now()
    stage.clock.advance(timedelta(days=2))
    evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "P2")
    assert evses.payee(ctx, ISSUER, "DEABCE1", before) == "P1"
    assert evses.payee(ctx, ISSUER, "DEABCE1", first) == "P1"
    assert evses.payee(ctx, ISSUER, "DEABCE1", ctx.now()) == "P2"
    stage.clock.advance(timedelta(days=2))
    assert evses.unassign(ctx, OPS, ISSUER, ["DEABCE1"]) == 1
    assert evses.unassign(ctx, OPS, ISSUER, ["DEABCE1"]) == 0
    assert evses.payee(ctx, ISSUER, "DEABCE1", ctx.now()) is None
    assert facts(ctx, "evse.unassigned")[0]["before"] == "P2"


def test_the_first_sight_may_be_the_effective_date_but_never_the_future(stage: Stage) -> None:
    ctx = stage.ctx
    chargers(ctx)
    seen = ctx.now()
    old_account(stage)
    evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "P1")
    evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "P1", seen)
    assert [e.from_utc for e in evses.history(ctx, OPS, ISSUER, "DEABCE1")] == [ctx.now(), seen]
    with pytest.raises(InvalidInput):
        evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "P1", ctx.now() + timedelta(seconds=1))
    with pytest.raises(NotFound):
        evses.assign(ctx, OPS, ISSUER, ["DEABCE99"], "P1")
    with pytest.raises(NotFound):
        evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "NONE")


def test_a_young_account_needs_a_second_person(ctx: Context) -> None:
    chargers(ctx, 2)
    evses.create_account(ctx, MAKER, ISSUER, "P1", "P", terms())
    asked = evses.assign(ctx, OPS, ISSUER, ["DEABCE1", "DEABCE2"], "P1")
    assert (asked.state, asked.reasons) == (RequestState.PENDING, ("YOUNG_ACCOUNT",))
    assert evses.assign(ctx, OPS, ISSUER, ["DEABCE2", "DEABCE1"], "P1").request_id == asked.request_id
    assert evses.payee(ctx, ISSUER, "DEABCE1", ctx.now()) is None
    with pytest.raises(Forbidden):
        evses.approve_assignment(ctx, OPS, ISSUER, asked.request_id)
    for _ in range(2):
        done = evses.approve_assignment(ctx, CHECKER, ISSUER, asked.request_id)
        assert (done.state, done.checker) == (RequestState.APPLIED, "app-1")
    assert evses.payee(ctx, ISSUER, "DEABCE1", asked.from_utc) == "P1"
    entry = evses.history(ctx, OPS, ISSUER, "DEABCE1")[0]
    assert (entry.actor_id, entry.approver_id) == ("ops-1", "app-1")
    assert evses.assignment_requests(ctx, OPS, ISSUER, RequestState.PENDING) == []


def test_much_money_needs_a_second_person_and_may_be_refused(stage: Stage) -> None:
    ctx = stage.ctx
    chargers(ctx)
    old_account(stage)
    evses.set_policy(ctx, CHECKER, ISSUER, Policy(max_moved_minor=100_00))
    with pytest.raises(Forbidden):
        evses.set_policy(ctx, MAKER, ISSUER, Policy())
    asked = evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "P1", moved=[Money(100_01, "EUR")])
    assert asked.reasons == ("AMOUNT",)
    assert evses.refuse_assignment(ctx, CHECKER, ISSUER, asked.request_id).state is RequestState.REFUSED
    with pytest.raises(Conflict):
        evses.approve_assignment(ctx, CHECKER, ISSUER, asked.request_id)
    assert ids(ctx, "assigned") == []


def test_many_at_once_assign_every_evse_once(stage: Stage) -> None:
    ctx = stage.ctx
    chargers(ctx, 5)
    old_account(stage)
    faults: list[Exception] = []
    done: list[AssignmentRequest] = []

    def run() -> None:
        try:
            done.append(evses.assign(ctx, OPS, ISSUER, [f"DEABCE{n}" for n in range(1, 6)], "P1"))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(done) == 4
    assert all(len(evses.history(ctx, OPS, ISSUER, f"DEABCE{n}")) == 1 for n in range(1, 6))


# ---- accounts ------------------------------------------------------------------------------------------------------
def test_a_new_external_account_is_payable_72_hours_after_a_second_person(stage: Stage) -> None:
    ctx = stage.ctx
    head = evses.create_account(ctx, MAKER, ISSUER, "P1", "P", terms())
    assert (head.version, head.payable_from_utc) == (1, None)
    both = actor("fin-1", Role.FINANCE, Role.FINANCE_APPROVER)
    with pytest.raises(Forbidden, match="second person"):
        evses.approve_account(ctx, both, ISSUER, "P1")
    with pytest.raises(Forbidden):
        evses.approve_account(ctx, MAKER, ISSUER, "P1")
    head = evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    assert head.payable_from_utc == ctx.now() + timedelta(hours=72)
    assert not head.payable(ctx.now() + timedelta(hours=72, microseconds=-1))
    assert head.payable(ctx.now() + timedelta(hours=72))
    with pytest.raises(Conflict):
        evses.create_account(ctx, MAKER, ISSUER, "P1", "P", terms())


def test_new_bank_details_need_two_persons_wait_and_are_told(stage: Stage) -> None:
    ctx = stage.ctx
    evses.create_account(ctx, MAKER, ISSUER, "P1", "P", terms())
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    stage.clock.advance(timedelta(days=5))
    asked = evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(iban=OTHER_IBAN))
    assert evses.account_head(ctx, ISSUER, "P1").payable(ctx.now())
    with pytest.raises(Forbidden):
        evses.approve_account(ctx, actor("fin-1", Role.FINANCE_APPROVER), ISSUER, "P1")
    with pytest.raises(Conflict, match="looked at"):
        evses.approve_account(ctx, CHECKER, ISSUER, "P1", seen=asked.asked_at_utc - timedelta(seconds=1))
    head = evses.approve_account(ctx, CHECKER, ISSUER, "P1", seen=asked.asked_at_utc)
    assert (head.version, head.iban_version) == (2, 2)
    assert not head.payable(ctx.now() + timedelta(hours=71))
    _, versions, waiting = evses.account(ctx, MAKER, ISSUER, "P1")
    assert [v.terms.iban == OTHER_IBAN for v in versions] == [False, True]
    assert (versions[1].author, versions[1].approver, waiting) == ("fin-1", "app-1", None)
    changes = [(f["change"], f["old_version"], f.get("new_version")) for f in facts(ctx, "account.changed")]
    assert sorted(changes, key=str) == sorted(
        [("CREATED", 1, 1), ("APPROVED", 1, 1), ("IBAN_REQUESTED", 1, None), ("IBAN_APPLIED", 1, 2)], key=str
    )
    assert [row.kind.value for row in journal.listed(ctx, OPS, ISSUER)] == ["IBAN_CHANGED"]


def test_other_terms_change_without_cooling_off(stage: Stage) -> None:
    ctx = stage.ctx
    evses.create_account(ctx, MAKER, ISSUER, "P1", "P", terms())
    evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    stage.clock.advance(timedelta(days=5))
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(share_percent=70))
    head = evses.approve_account(ctx, CHECKER, ISSUER, "P1")
    assert (head.version, head.iban_version, head.payable(ctx.now())) == (2, 1, True)
    with pytest.raises(Conflict):
        evses.propose_change(ctx, MAKER, ISSUER, "P1", terms(currency="CHF", minimum=None))
    evses.propose_change(ctx, MAKER, ISSUER, "P1", terms())
    evses.refuse_change(ctx, CHECKER, ISSUER, "P1")
    with pytest.raises(Conflict):
        evses.approve_account(ctx, CHECKER, ISSUER, "P1")


def test_deactivation_is_one_write_and_unassigns_at_once(stage: Stage) -> None:
    ctx = stage.ctx
    chargers(ctx, 2)
    old_account(stage)
    evses.assign(ctx, OPS, ISSUER, ["DEABCE1"], "P1")
    stage.clock.advance(timedelta(days=1))
    head = evses.deactivate_account(ctx, MAKER, ISSUER, "P1")
    assert (head.active, head.unpaid) == (False, Unpaid.FREEZE)
    assert ids(ctx, "assigned") == []
    assert ids(ctx, "unassigned") == ["DEABCE1", "DEABCE2"]
    assert evses.counts(ctx, OPS, ISSUER).unassigned == 2
    assert evses.payee(ctx, ISSUER, "DEABCE1", ctx.now()) is None
    with pytest.raises(Conflict):
        evses.assign(ctx, OPS, ISSUER, ["DEABCE2"], "P1")
    assert [f["account_id"] for f in facts(ctx, "account.deactivated")] == ["P1"]
    assert evses.follow_deactivation(ctx, ISSUER, "P1") == 1
    assert evses.follow_deactivation(ctx, ISSUER, "P1") == 0
    assert ids(ctx, "unassigned") == ["DEABCE1", "DEABCE2"]
    assert [f["evse_id"] for f in facts(ctx, "evse.unassigned")] == ["DEABCE1"]
    assert evses.reactivate_account(ctx, CHECKER, ISSUER, "P1").active
    assert ids(ctx, "assigned") == []
