"""The table of product.md E.8, row by row, and what narrows a scope."""

from __future__ import annotations

import pytest

from roamclear.identity.model import Actor, Grant, Right, Role
from roamclear.identity.rules import TABLE, authorise, different_person, require_account, require_contract
from roamclear.kernel.errors import Forbidden, NotFound

#: Rights of E.8 in the order Admin, Finance, approver, Ops, dispute agent, viewer, eMSP, sub-CPO, API partner, system.
ROLES = (
    Role.ADMIN, Role.FINANCE, Role.FINANCE_APPROVER, Role.OPS, Role.DISPUTE_AGENT, Role.VIEWER, Role.EMSP_USER,
    Role.SUB_CPO_USER, Role.API_PARTNER, Role.SYSTEM,
)  # fmt: skip
E8 = {
    Right.CONTRACT_EDIT: "xx........",
    Right.CONTRACT_APPROVE: "..x.......",
    Right.TOKEN_VIEW: ".x.xx.x.x.",
    Right.CDR_CORRECT: ".x..x.....",
    Right.CDR_PUSH: "........x.",
    Right.DISPUTE_CREATE: "......x.x.",
    Right.DISPUTE_RESOLVE: ".xx.x.....",
    Right.RUN_APPROVE: "..x.......",
    Right.ACCOUNT_PREPARE: ".x.x......",
    Right.ACCOUNT_APPROVE: "..x.......",
    Right.EVSE_ASSIGN: ".x.x......",
    Right.BATCH_MAKE: ".x........",
    Right.BATCH_CHECK: "..x.......",
    Right.BANK_MATCH: ".xx.......",
    Right.USER_ADMIN: "x.........",
    Right.AUDIT_VIEW: "xxx..x....",
    Right.ACCOUNTING_EXPORT: "xxx..x....",
}
MONEY = (Right.BATCH_MAKE, Right.BATCH_CHECK, Right.BANK_MATCH, Right.ACCOUNT_PREPARE, Right.ACCOUNT_APPROVE)


def actor(role: Role, *, contract: str | None = "C-1", account: str | None = "A-1") -> Actor:
    grant = Grant(issuer_id="voltwerk", role=role, contract_id=contract, account_id=account)
    return Actor(actor_id=role.value, grants=(grant,))


@pytest.mark.parametrize(("right", "row"), E8.items(), ids=[r.value for r in E8])
def test_the_table(right: Right, row: str) -> None:
    assert {role for role, mark in zip(ROLES, row, strict=True) if mark == "x"} == TABLE[right]


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize("role", list(Role))
def test_each_role_and_right(role: Role, right: Right) -> None:
    if role in TABLE[right]:
        assert authorise(actor(role), right, "voltwerk").issuer_id == "voltwerk"
    else:
        with pytest.raises(Forbidden):
            authorise(actor(role), right, "voltwerk")
    with pytest.raises(NotFound):
        authorise(actor(role), right, "elsewhere")


def test_every_right_is_in_the_table_and_admin_moves_no_money() -> None:
    assert set(TABLE) == set(Right)
    assert not any(Role.ADMIN in TABLE[right] for right in MONEY)


@pytest.mark.parametrize(
    ("role", "right"),
    [
        (Role.EMSP_USER, Right.CDR_VIEW),
        (Role.SUB_CPO_USER, Right.CDR_VIEW),
        (Role.API_PARTNER, Right.DISPUTE_CREATE),
    ],
)
def test_who_sees_only_what_is_theirs_sees_nothing_when_the_grant_forgot_what(role: Role, right: Right) -> None:
    with pytest.raises(Forbidden):
        authorise(actor(role, contract=None, account=None), right, "voltwerk")


def test_an_unbound_partner_grant_does_not_widen_a_bound_one() -> None:
    grants = (
        Grant(issuer_id="voltwerk", role=Role.EMSP_USER),
        Grant(issuer_id="voltwerk", role=Role.VIEWER, contract_id="C-1"),
    )
    scope = authorise(Actor(actor_id="x", grants=grants), Right.CDR_VIEW, "voltwerk")
    assert scope.contract_ids == {"C-1"}
    require_contract(scope, "C-1")
    for other in ("C-2", None):
        with pytest.raises(NotFound):
            require_contract(scope, other)


def test_a_scope_of_accounts() -> None:
    scope = authorise(actor(Role.SUB_CPO_USER, contract=None), Right.PAYOUT_VIEW, "voltwerk")
    require_account(scope, "A-1")
    with pytest.raises(NotFound):
        require_account(scope, "A-2")
    with pytest.raises(NotFound):
        require_contract(scope, "C-1")


def test_two_persons() -> None:
    different_person("ada", actor(Role.FINANCE))
    with pytest.raises(Forbidden):
        different_person(Role.FINANCE.value, actor(Role.FINANCE))
