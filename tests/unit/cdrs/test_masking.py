"""Whose card it was is shown to those who need it (product.md row 139)."""

from __future__ import annotations

from typing import Any

import pytest

from roamclear.cdrs import masking
from roamclear.identity.model import Role
from tests.support import builders as b

SIGNED = {"encoding_method": "OCMF", "signed_values": [{"nature": "Start", "signed_data": "OCMF|{ID:04A2}"}]}
BODY: dict[str, Any] = b.cdr(1) | {"signed_data": SIGNED}


@pytest.mark.parametrize("role", ["FINANCE", "OPS", "DISPUTE_AGENT", "EMSP_USER", "API_PARTNER"])
def test_who_settles_a_session_sees_its_token(role: str) -> None:
    assert masking.body(b.actor(role), b.ISSUER, BODY) is BODY


@pytest.mark.parametrize("role", ["ADMIN", "FINANCE_APPROVER", "VIEWER", "SUB_CPO_USER"])
@pytest.mark.parametrize("listed", [False, True])
def test_everybody_else_sees_it_masked(role: str, *, listed: bool) -> None:
    told = masking.body(b.actor(role), b.ISSUER, [BODY] if listed else BODY)
    shown = told[0] if listed else told
    assert shown["cdr_token"] == BODY["cdr_token"] | {"uid": "******001", "contract_id": "NLRON******001"}
    assert "signed_data" not in shown
    assert shown["cdr_location"] == BODY["cdr_location"]
    assert BODY["cdr_token"]["uid"] == "TOKEN0001"


def test_a_role_at_another_issuer_counts_for_nothing() -> None:
    assert masking.body(b.actor(Role.FINANCE), "another", BODY)["cdr_token"]["uid"] == "******001"


def test_the_card_of_an_old_version_is_masked_too() -> None:
    assert masking.body(b.actor("VIEWER"), b.ISSUER, {"auth_id": "04A2", "id": "1"}) == {"auth_id": "****", "id": "1"}
