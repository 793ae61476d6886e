"""Who acts, and what they hold."""

from __future__ import annotations

from enum import StrEnum

from roamclear.kernel.record import Record


class Role(StrEnum):
    """The columns of product.md E.8; SYSTEM is a schedule or workflow."""

    ADMIN = "ADMIN"
    FINANCE = "FINANCE"
    FINANCE_APPROVER = "FINANCE_APPROVER"
    OPS = "OPS"
    DISPUTE_AGENT = "DISPUTE_AGENT"
    VIEWER = "VIEWER"
    EMSP_USER = "EMSP_USER"
    SUB_CPO_USER = "SUB_CPO_USER"
    API_PARTNER = "API_PARTNER"
    SYSTEM = "SYSTEM"


class Right(StrEnum):
    """What a use case asks for."""

    CONTRACT_EDIT = "CONTRACT_EDIT"
    CONTRACT_APPROVE = "CONTRACT_APPROVE"
    CONTRACT_VIEW = "CONTRACT_VIEW"
    CDR_VIEW = "CDR_VIEW"
    TOKEN_VIEW = "TOKEN_VIEW"
    CDR_CORRECT = "CDR_CORRECT"
    CDR_RELEASE = "CDR_RELEASE"
    CDR_PUSH = "CDR_PUSH"
    CDR_PULL = "CDR_PULL"
    INGEST_VIEW = "INGEST_VIEW"
    DISPUTE_CREATE = "DISPUTE_CREATE"
    DISPUTE_RESOLVE = "DISPUTE_RESOLVE"
    DISPUTE_VIEW = "DISPUTE_VIEW"
    RUN_PREPARE = "RUN_PREPARE"
    RUN_APPROVE = "RUN_APPROVE"
    RUN_REHEARSE = "RUN_REHEARSE"
    RUN_VIEW = "RUN_VIEW"
    WINDOW_ACCEPT = "WINDOW_ACCEPT"
    RUN_COMPARE = "RUN_COMPARE"
    DOCUMENT_VIEW = "DOCUMENT_VIEW"
    ACCOUNT_PREPARE = "ACCOUNT_PREPARE"
    ACCOUNT_APPROVE = "ACCOUNT_APPROVE"
    ACCOUNT_VIEW = "ACCOUNT_VIEW"
    EVSE_ASSIGN = "EVSE_ASSIGN"
    EVSE_VIEW = "EVSE_VIEW"
    BATCH_MAKE = "BATCH_MAKE"
    BATCH_CHECK = "BATCH_CHECK"
    PAYOUT_VIEW = "PAYOUT_VIEW"
    BANK_MATCH = "BANK_MATCH"
    BANK_VIEW = "BANK_VIEW"
    EXCEPTION_VIEW = "EXCEPTION_VIEW"
    EXCEPTION_RESOLVE = "EXCEPTION_RESOLVE"
    USER_ADMIN = "USER_ADMIN"
    ISSUER_EDIT = "ISSUER_EDIT"
    RETENTION_APPROVE = "RETENTION_APPROVE"
    DATA_REQUEST = "DATA_REQUEST"
    DATA_REQUEST_VIEW = "DATA_REQUEST_VIEW"
    AUDIT_VIEW = "AUDIT_VIEW"
    WEBHOOK_EDIT = "WEBHOOK_EDIT"
    ACCOUNTING_EXPORT = "ACCOUNTING_EXPORT"
    ACCOUNTING_SETUP = "ACCOUNTING_SETUP"


class Grant(Record):
    """A role at an issuer; ``contract_id`` (eMSP) or ``account_id`` (sub-CPO) narrows it to own objects."""

    issuer_id: str
    role: Role
    contract_id: str | None = None
    account_id: str | None = None


class Actor(Record):
    """A signed-in person, an OCPI credential, a link or a schedule."""

    actor_id: str
    label: str = ""
    grants: tuple[Grant, ...] = ()


class Scope(Record):
    """What a permitted actor may see: everything of the issuer (both None) or only own objects."""

    issuer_id: str
    contract_ids: frozenset[str] | None = None
    account_ids: frozenset[str] | None = None


def system(name: str, issuer_id: str) -> Actor:
    """The actor of a schedule, stream or workflow step at one issuer."""
    return Actor(actor_id=f"system:{name}", grants=(Grant(issuer_id=issuer_id, role=Role.SYSTEM),))
