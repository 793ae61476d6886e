"""Plausibility by contract (product.md row 10): its thresholds and severities decide, those in force today."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from roamclear.cdrs import rules, settling, severities
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing, Session
from roamclear.contracts.plausibility import Plausibility
from roamclear.kernel.errors import InvalidInput
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage

#: How a rule names itself in the source.
_RAISED = r'yield \(?\s*"([A-Z_]+)"|_differs\(\s*"([A-Z_]+)"|code="([A-Z_]+)"'
NOON = datetime(2026, 10, 6, 12, 0, tzinfo=UTC)


def stage_with(**plausibility: Any) -> Stage:
    stage = memory_stage.fresh(NOON)
    b.found_issuer(stage.ctx)
    b.found_contract(stage.ctx, plausibility=plausibility)
    b.found_own_account(stage.ctx)
    return stage


def processed(stage: Stage, raw: dict[str, Any]) -> Session:
    body = b.body_of(raw, received=stage.clock.now())
    cdrs.receive(stage.ctx, body)
    return cdrs.process(stage.ctx, b.ISSUER, body.cdr_ref)


def test_without_a_word_a_sound_session_is_verified() -> None:
    assert processed(stage_with(), b.cdr(1)).billing is Billing.VERIFIED


@pytest.mark.parametrize(
    ("agreed", "changes", "reason"),
    [
        ({"max_cost": "8"}, {}, "COST_TOO_HIGH"),
        ({"min_cost": "9"}, {}, "COST_TOO_LOW"),
        ({"wh_suspicion_kwh": "19"}, {}, "ENERGY_IN_WH"),
        ({"severities": {"SIGNED_DATA_MISSING": "HOLD"}, "signed_data_countries": ["DEU"]}, {}, "SIGNED_DATA_MISSING"),
        ({"severities": {"DURATION_TOO_SHORT": "HOLD"}, "min_duration_s": 4_000}, {}, "DURATION_TOO_SHORT"),
        ({"severities": {"EVSE_OPERATOR_DIFFERS": "HOLD"}}, {"evse": "DE*ABC*E001"}, "EVSE_OPERATOR_DIFFERS"),
    ],
)
def test_an_agreement_holds_by_its_own_thresholds(agreed: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    made = processed(stage_with(**agreed), b.cdr(1, **changes))
    assert made.billing is Billing.ON_HOLD
    assert reason in made.reasons


def test_a_rule_can_be_lowered_or_switched_off() -> None:
    heavy = b.cdr(1, kwh="1200", hours="10", total=Decimal("468.50"))
    held = processed(stage_with(), heavy)
    assert {"ENERGY_IN_WH", "ENERGY_TOO_HIGH"} & set(held.reasons)
    raised = processed(stage_with(wh_suspicion_kwh="2000", severities={"ENERGY_TOO_HIGH": "WARN"}), heavy)
    assert (raised.billing, "ENERGY_TOO_HIGH" in raised.warnings) == (Billing.VERIFIED, True)
    off = processed(stage_with(severities={"ENERGY_IN_WH": "OFF", "POWER_TOO_HIGH": "OFF"}), heavy)
    assert off.reasons == ("ENERGY_TOO_HIGH",)


def test_another_operator_is_agreed_for_a_sender() -> None:
    strict = {"severities": {"EVSE_OPERATOR_DIFFERS": "HOLD"}, "operators": ["DEABC"]}
    made = processed(stage_with(**strict), b.cdr(1, evse="DE*ABC*E001"))
    assert "EVSE_OPERATOR_DIFFERS" not in made.reasons


def test_a_raised_threshold_frees_what_waits_though_the_session_started_before() -> None:
    stage = stage_with(max_cost="8")
    held = processed(stage, b.cdr(1))
    assert held.reasons == ("COST_TOO_HIGH",)
    b.found_contract(stage.ctx, valid_from=NOON.date())
    freed = cdrs.process(stage.ctx, b.ISSUER, held.cdr_ref)
    assert (freed.billing, freed.contract_version) == (Billing.VERIFIED, 1)


def test_every_rule_has_one_usual_severity() -> None:
    groups = (severities.FIXED, severities.HOLDS, severities.WARNS)
    assert sum(map(len, groups)) == len(frozenset.union(*groups))
    folder = Path(rules.__file__).parents[1]
    source = (folder / "cdrs/rules.py").read_text() + (folder / "rating/consistency.py").read_text()
    raised = {name for found in re.findall(_RAISED, source) for name in found if name}
    assert raised == frozenset.union(*groups)


@pytest.mark.parametrize("rule_id", ["END_BEFORE_START", "CURRENCY_CONTRACT", "NO_SUCH_RULE"])
def test_what_no_agreement_may_change(rule_id: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        severities.require_changeable(["ENERGY_ZERO", rule_id])
    assert caught.value.field == f"severities.{rule_id}"


@pytest.mark.parametrize(
    "bad",
    [
        {"power_factor": "0.5"},
        {"min_duration_s": -1},
        {"max_cost": "-1"},
        {"severities": {"ENERGY_ZERO": "REJECT"}},
        {"operators": ["DE*ABC"]},
        {"signed_data_countries": ["DE"]},
        {"max_energy": "1"},
    ],
)
def test_nonsense_thresholds_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Plausibility.model_validate(bad)


def test_every_threshold_of_the_rules_can_be_agreed() -> None:
    agreed = settling.thresholds(b.terms())
    assert set(type(agreed).model_fields) == {
        *Plausibility.model_fields, "max_energy_kwh", "max_duration_h", "off"
    } - {"operators"}  # fmt: skip
