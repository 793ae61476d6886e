"""Who is paid, by the history alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roamclear.evses import rules
from roamclear.evses.model import AccountKind, Assignment, Filters, PayoutAccount, Policy, Source
from roamclear.kernel.money import Money
from tests.support.payees import ISSUER, location, terms

DAY = datetime(2026, 10, 1, tzinfo=UTC)


def entry(number: int, account: str | None, day: int, recorded: int | None = None) -> Assignment:
    return Assignment(
        issuer_id=ISSUER,
        evse_id="DEABCE1",
        number=number,
        account_id=account,
        from_utc=DAY + timedelta(days=day),
        recorded_at_utc=DAY + timedelta(days=recorded if recorded is not None else day),
        actor_id="ops-1",
    )


def paid(history: list[Assignment], day: int, active: str = "AB") -> str | None:
    return rules.payee(history, set(active), DAY + timedelta(days=day))


def test_the_account_at_session_stop_is_paid() -> None:
    history = [entry(1, "A", 0), entry(2, "B", 10)]
    assert paid(history, 9) == "A"
    assert paid(history, 10) == "B"
    assert paid(history, 99) == "B"


def test_without_one_the_first_active_one_afterwards_is_paid() -> None:
    history = [entry(1, "C", 5), entry(2, "A", 10), entry(3, "B", 20)]
    assert paid(history, 0) == "A"
    assert paid(history, 0, active="BC") == "C"
    assert paid([], 0) is None


def test_an_unassigned_stretch_waits_for_the_next_account() -> None:
    history = [entry(1, "A", 0), entry(2, None, 5)]
    assert paid(history, 6) is None
    assert paid([*history, entry(3, "B", 8)], 6) == "B"
    assert paid(history, 4) == "A"


def test_an_inactive_account_reads_as_unassigned() -> None:
    history = [entry(1, "A", 0), entry(2, "B", 5)]
    assert paid(history, 2, active="B") == "B"
    assert paid(history, 2, active="") is None


def test_a_back_dated_entry_replaces_what_was_recorded_before_it() -> None:
    history = [entry(1, "A", 0), entry(2, "B", 10), entry(3, "A", 5, recorded=20)]
    assert paid(history, 7) == "A"
    assert paid(history, 15) == "A"
    assert [e.account_id for e in rules.timeline(history)] == ["A", "A"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["A", "B", None]), st.integers(0, 20)), max_size=8), st.integers(-1, 21))
def test_the_timeline_says_what_the_last_recorded_entry_says(steps: list[tuple[str | None, int]], day: int) -> None:
    history = [entry(i + 1, account, start) for i, (account, start) in enumerate(steps)]
    line = rules.timeline(reversed(history))
    assert [e.from_utc for e in line] == sorted({e.from_utc for e in line})
    told = [account for account, start in steps if start <= day]
    at = [e for e in line if e.from_utc <= DAY + timedelta(days=day)]
    assert (at[-1].account_id if at else None) == (told[-1] if told else None)


@pytest.mark.parametrize(
    ("days", "evses", "moved", "reasons"),
    [
        (29, 1, (), ("YOUNG_ACCOUNT",)),
        (30, 1, (), ()),
        (30, 11, (), ("MANY_EVSES",)),
        (30, 10, (Money(1, "CHF"), Money(50_01, "EUR")), ("AMOUNT",)),
        (30, 10, (Money(50_00, "EUR"), Money(-50_00, "CHF")), ()),
    ],
)
def test_when_a_second_person_is_needed(
    days: int, evses: int, moved: tuple[Money, ...], reasons: tuple[str, ...]
) -> None:
    policy = Policy(max_evses=10, max_moved_minor=50_00)
    account = PayoutAccount(
        issuer_id=ISSUER, account_id="P1", name="P", kind=AccountKind.EXTERNAL, currency="EUR",
        created_at_utc=DAY, created_by="x",
    )  # fmt: skip
    assert rules.second_person(policy, account, evses, moved, DAY + timedelta(days=days)) == reasons


def test_a_location_becomes_evses() -> None:
    raw = location(2)
    raw["evses"][1]["evse_id"] = None
    raw["evses"].append("nonsense")
    [evse] = rules.of_location(ISSUER, "DEABC", raw, DAY)
    assert (evse.evse_id, evse.evse_uid, evse.country, evse.zone) == ("DEABCE1", "U1", "BE", "Europe/Brussels")
    assert (evse.output_kw, evse.power_type, evse.sub_cpo, evse.city) == (Decimal("22.1"), "AC", "Sub One", "Gent")
    assert evse.source is Source.OCPI


def test_a_location_of_2_1_1_is_read_too() -> None:
    raw = location(1, suboperator=None)
    del raw["time_zone"]
    raw["evses"][0]["connectors"] = [{"power_type": "DC", "voltage": 400, "amperage": "125"}]
    [evse] = rules.of_location(ISSUER, "DEABC", raw, DAY)
    assert (evse.output_kw, evse.power_type, evse.zone) == (Decimal(50), "DC", None)


def test_a_wrong_zone_or_power_is_no_reason_to_lose_an_evse() -> None:
    raw = location(1, time_zone="Europe/Atlantis", country="ZZZ")
    raw["evses"][0]["connectors"] = [{"power_type": 7, "max_electric_power": "NaN"}, None, {"max_voltage": True}]
    [evse] = rules.of_location(ISSUER, "DEABC", raw, DAY)
    assert (evse.zone, evse.country, evse.output_kw, evse.power_type) == (None, "", None, None)


def test_removed_keeps_the_evse_and_comes_back() -> None:
    raw = location(1)
    [known] = rules.of_location(ISSUER, "DEABC", raw, DAY)
    raw["evses"][0]["status"] = "REMOVED"
    [gone] = rules.of_location(ISSUER, "DEABC", raw, DAY + timedelta(days=1))
    gone = rules.merged(known, gone)
    assert gone.removed_at_utc == DAY + timedelta(days=1)
    assert gone.first_seen_utc == DAY
    assert rules.merged(gone, known).removed_at_utc is None


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        (Filters(), True),
        (Filters(evse_id="de*abc"), True),
        (Filters(evse_id="DEABD"), False),
        (Filters(sub_cpo="sub one", city="GENT", country="BE", power_type="AC", postal_code="90"), True),
        (Filters(output_min_kw=Decimal(22), output_max_kw=Decimal("22.1")), True),
        (Filters(output_min_kw=Decimal("22.2")), False),
        (Filters(output_max_kw=Decimal(22)), False),
        (Filters(sub_cpo="Sub One", power_type="DC"), False),
        (Filters(country="DE"), False),
        (Filters(postal_code="1"), False),
    ],
)
def test_the_seven_filters_combine(filters: Filters, fits: bool) -> None:
    [evse] = rules.of_location(ISSUER, "DEABC", location(1), DAY)
    assert rules.fits(evse, filters) is fits


@pytest.mark.parametrize(
    "wrong",
    [
        {"iban": None},
        {"iban": "DE00370400440532013000"},
        {"vat_id": None},
        {"share_percent": Decimal("100.1")},
        {"minimum": Money(1, "CHF")},
        {"email": "nobody"},
        {"trigger": "ON_CASH"},
        {"commission": "SERVICE"},
        {"holder": "x" * 71},
    ],
)
def test_terms_that_cannot_be_paid_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        terms(**wrong)
