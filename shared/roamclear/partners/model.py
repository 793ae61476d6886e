"""A partner's credential: one token, one issuer, the parties it may write for and read."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum

from pydantic import Field, field_validator

from roamclear.identity.model import Actor, Grant, Role
from roamclear.kernel.ids import party
from roamclear.kernel.record import Record

PARTNER_ID = re.compile(r"^[a-z0-9][a-z0-9-]{1,30}$", re.ASCII)
VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
P2P = "P2P"


class PartnerRole(StrEnum):
    """What a partner is on the OCPI network."""

    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"


class CredentialStatus(StrEnum):
    """INVITED is registration token A: good for versions and credentials only, and dead after the handshake."""

    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"


class Peer(Record):
    """How to call the partner: what it handed over in the handshake (OCPI credentials module).

    ``sealed_token`` is token B, bound to its issuer and credential: ``partners.service`` seals it and reads it again.
    """

    versions_url: str
    version: str
    sealed_token: bytes
    endpoints: dict[str, str] = {}
    parties: tuple[str, ...] = ()

    @property
    def cdrs_url(self) -> str | None:
        """Where its CDRs can be pulled: its Sender; 2.1.1 knows no roles."""
        return self.endpoints.get("cdrs:SENDER") or self.endpoints.get("cdrs")


class Credential(Record):
    """One token's rights. ``cpo_parties`` may be written for, ``emsp_parties`` may be read; both folded (DEABC)."""

    credential_id: str
    issuer_id: str
    partner_id: str
    party: str
    role: PartnerRole
    cpo_parties: tuple[str, ...] = ()
    emsp_parties: tuple[str, ...] = ()
    ocpi_version: str = "2.2.1"
    route: str = Field(P2P, min_length=1, max_length=40)
    answer_200: bool = False
    plain_token: bool = False
    sandbox: bool = False
    requests_per_s: int = Field(100, ge=1, le=10_000)
    burst: int = Field(2_000, ge=1, le=100_000)
    status: CredentialStatus = CredentialStatus.ACTIVE
    token_hash: str
    issued_at_utc: datetime
    revoked_at_utc: datetime | None = None
    peer: Peer | None = None

    @field_validator("partner_id")
    @classmethod
    def _slug(cls, value: str) -> str:
        if not PARTNER_ID.match(value):
            raise ValueError("a partner id is 2 to 31 lower-case letters, digits and hyphens")
        return value

    @field_validator("party")
    @classmethod
    def _party(cls, value: str) -> str:
        return party.validate(value)

    @field_validator("cpo_parties", "emsp_parties")
    @classmethod
    def _parties(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(party.validate(v) for v in value))

    @field_validator("ocpi_version")
    @classmethod
    def _version(cls, value: str) -> str:
        if value not in VERSIONS:
            raise ValueError(f"the version is none of {', '.join(VERSIONS)}")
        return value

    def actor(self) -> Actor:
        """The credential as an actor of the table of rights."""
        grant = Grant(issuer_id=self.issuer_id, role=Role.API_PARTNER)
        return Actor(actor_id=f"credential:{self.credential_id}", label=self.partner_id, grants=(grant,))


class Wanted(Record):
    """What an administrator asks for; a CPO writes for and an eMSP reads its own party if nothing is listed."""

    partner_id: str
    party: str
    role: PartnerRole
    cpo_parties: tuple[str, ...] = Field((), max_length=500)
    emsp_parties: tuple[str, ...] = Field((), max_length=50)
    ocpi_version: str = "2.2.1"
    route: str = P2P
    answer_200: bool = False
    plain_token: bool = False
    sandbox: bool = False
    requests_per_s: int = Field(100, ge=1, le=10_000)
    burst: int = Field(2_000, ge=1, le=100_000)
    registration: bool = False
