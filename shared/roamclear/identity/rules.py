"""The one table of rights (product.md E.8); what is not in it is denied. Admin deliberately cannot move money."""

from __future__ import annotations

from datetime import timedelta

from roamclear.identity.model import Actor, Right, Role, Scope
from roamclear.kernel.errors import Forbidden, NotFound

#: How long what an issuer prints and is paid by waits before a second person puts it in force (rules.md 10).
COOLING = timedelta(hours=72)
_R = Role
_STAFF = {_R.ADMIN, _R.FINANCE, _R.FINANCE_APPROVER, _R.OPS, _R.DISPUTE_AGENT, _R.VIEWER}

TABLE: dict[Right, frozenset[Role]] = {
    Right.CONTRACT_EDIT: frozenset({_R.ADMIN, _R.FINANCE}),
    Right.CONTRACT_APPROVE: frozenset({_R.FINANCE_APPROVER}),
    Right.CONTRACT_VIEW: frozenset(_STAFF | {_R.EMSP_USER}),
    Right.CDR_VIEW: frozenset(_STAFF | {_R.EMSP_USER, _R.SUB_CPO_USER}),
    # Who settles a session with a driver's provider needs the token; everybody else sees it masked (row 139).
    Right.TOKEN_VIEW: frozenset({_R.FINANCE, _R.OPS, _R.DISPUTE_AGENT, _R.EMSP_USER, _R.API_PARTNER}),
    Right.CDR_CORRECT: frozenset({_R.FINANCE, _R.DISPUTE_AGENT}),
    Right.CDR_RELEASE: frozenset({_R.FINANCE, _R.OPS, _R.DISPUTE_AGENT}),
    Right.CDR_PUSH: frozenset({_R.API_PARTNER}),
    Right.CDR_PULL: frozenset({_R.API_PARTNER}),
    Right.INGEST_VIEW: frozenset({_R.ADMIN, _R.FINANCE, _R.OPS}),
    Right.DISPUTE_CREATE: frozenset({_R.EMSP_USER, _R.API_PARTNER}),
    Right.DISPUTE_RESOLVE: frozenset({_R.FINANCE, _R.FINANCE_APPROVER, _R.DISPUTE_AGENT}),
    Right.DISPUTE_VIEW: frozenset(_STAFF | {_R.EMSP_USER}),
    Right.RUN_PREPARE: frozenset({_R.FINANCE, _R.SYSTEM}),
    Right.RUN_APPROVE: frozenset({_R.FINANCE_APPROVER}),
    Right.RUN_REHEARSE: frozenset({_R.FINANCE, _R.FINANCE_APPROVER, _R.EMSP_USER, _R.SYSTEM}),
    Right.RUN_VIEW: frozenset(_STAFF | {_R.EMSP_USER}),
    # The list is the eMSP's own to accept, by a person (product.md E.2).
    Right.WINDOW_ACCEPT: frozenset({_R.EMSP_USER}),
    Right.RUN_COMPARE: frozenset({_R.FINANCE, _R.DISPUTE_AGENT, _R.EMSP_USER, _R.API_PARTNER}),
    Right.DOCUMENT_VIEW: frozenset(_STAFF | {_R.EMSP_USER}),
    Right.ACCOUNT_PREPARE: frozenset({_R.FINANCE, _R.OPS}),
    Right.ACCOUNT_APPROVE: frozenset({_R.FINANCE_APPROVER}),
    Right.ACCOUNT_VIEW: frozenset(_STAFF | {_R.SUB_CPO_USER}),
    Right.EVSE_ASSIGN: frozenset({_R.FINANCE, _R.OPS}),
    Right.EVSE_VIEW: frozenset(_STAFF | {_R.SUB_CPO_USER}),
    Right.BATCH_MAKE: frozenset({_R.FINANCE}),
    Right.BATCH_CHECK: frozenset({_R.FINANCE_APPROVER}),
    Right.PAYOUT_VIEW: frozenset(_STAFF | {_R.SUB_CPO_USER}),
    Right.BANK_MATCH: frozenset({_R.FINANCE, _R.FINANCE_APPROVER}),
    Right.BANK_VIEW: frozenset({_R.ADMIN, _R.FINANCE, _R.FINANCE_APPROVER, _R.VIEWER}),
    Right.EXCEPTION_VIEW: frozenset(_STAFF),
    Right.EXCEPTION_RESOLVE: frozenset({_R.FINANCE, _R.FINANCE_APPROVER, _R.OPS, _R.DISPUTE_AGENT}),
    Right.USER_ADMIN: frozenset({_R.ADMIN}),
    Right.ISSUER_EDIT: frozenset({_R.ADMIN}),
    Right.RETENTION_APPROVE: frozenset({_R.ADMIN, _R.FINANCE_APPROVER}),
    # Settings and people are the administrator's; what was asked and answered is the auditor's to read too.
    Right.DATA_REQUEST: frozenset({_R.ADMIN}),
    Right.DATA_REQUEST_VIEW: frozenset({_R.ADMIN, _R.VIEWER}),
    Right.AUDIT_VIEW: frozenset({_R.ADMIN, _R.FINANCE, _R.FINANCE_APPROVER, _R.VIEWER}),
    Right.WEBHOOK_EDIT: frozenset({_R.ADMIN, _R.EMSP_USER}),
    Right.ACCOUNTING_EXPORT: frozenset({_R.ADMIN, _R.FINANCE, _R.FINANCE_APPROVER, _R.VIEWER}),
    Right.ACCOUNTING_SETUP: frozenset({_R.FINANCE, _R.FINANCE_APPROVER}),
}


def authorise(actor: Actor, right: Right, issuer_id: str) -> Scope:
    """What the actor may see under this right at this issuer.

    No grant at the issuer at all: ``NotFound`` (the issuer is not theirs to know of); grants without the right:
    ``Forbidden``.
    """
    own = [grant for grant in actor.grants if grant.issuer_id == issuer_id]
    if not own:
        raise NotFound("no such issuer")
    fitting = [grant for grant in own if grant.role in TABLE[right]]
    if not fitting:
        raise Forbidden(f"this needs the right {right.value}", right=right.value)
    if any(grant.contract_id is None and grant.account_id is None and not _own(grant.role, right) for grant in fitting):
        return Scope(issuer_id=issuer_id)
    if all(grant.contract_id is None and grant.account_id is None for grant in fitting):
        raise Forbidden("this role needs a contract or an account it belongs to", right=right.value)
    return Scope(
        issuer_id=issuer_id,
        contract_ids=frozenset(g.contract_id for g in fitting if g.contract_id is not None),
        account_ids=frozenset(g.account_id for g in fitting if g.account_id is not None),
    )


def authorise_either(actor: Actor, first: Right, other: Right, issuer_id: str) -> Scope:
    """``authorise`` for what the person who proposes and the one who approves may do alike."""
    try:
        return authorise(actor, first, issuer_id)
    except Forbidden:
        return authorise(actor, other, issuer_id)


def _own(role: Role, right: Right) -> bool:
    """Whether a role sees only what belongs to it, whatever its grant forgot to say."""
    partner_says = role is _R.API_PARTNER and right not in (Right.CDR_PUSH, Right.CDR_PULL)
    return role in (_R.EMSP_USER, _R.SUB_CPO_USER) or partner_says


def require_contract(scope: Scope, contract_id: str | None) -> None:
    """An object of another contract is not there (404), never forbidden."""
    if scope.contract_ids is not None and contract_id not in scope.contract_ids:
        raise NotFound("no such object")


def require_account(scope: Scope, account_id: str | None) -> None:
    """An object of another payout account is not there (404)."""
    if scope.account_ids is not None and account_id not in scope.account_ids:
        raise NotFound("no such object")


def different_person(maker_id: str, checker: Actor) -> None:
    """Two-person actions compare actor ids (rules.md 2)."""
    if maker_id == checker.actor_id:
        raise Forbidden("a second person must do this", rule="MAKER_NOT_CHECKER")
