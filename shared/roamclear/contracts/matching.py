"""What may price the sessions of a party: its contracts with all their versions."""

from __future__ import annotations

from roamclear.contracts import store
from roamclear.contracts.model import Contract, ContractVersion, Direction
from roamclear.identity import service as identity
from roamclear.kernel.context import Context


def candidates(
    ctx: Context, issuer_id: str, party: str, direction: Direction = Direction.DIRECT
) -> list[tuple[Contract, list[ContractVersion]]]:
    """The contracts of a direction that cover or covered a party, each with its versions, oldest first.

    The direction of a contract is fixed, so any version tells it.
    """
    found = []
    for contract_id in store.of_party(ctx.db, issuer_id, party):
        head = store.find(ctx.db, issuer_id, contract_id)
        versions = store.versions(ctx.db, issuer_id, contract_id) if head is not None else []
        if head is not None and versions and versions[0].terms.direction is direction:
            found.append((head, versions))
    return found


def decisive(ctx: Context, issuer_id: str, cpo_party: str, emsp_party: str) -> tuple[str, Direction]:
    """Which party decides the contract of a session: the eMSP's, or the CPO's where the token is ours (row 134)."""
    issuer = identity.issuer(ctx, issuer_id)
    if emsp_party in issuer.emsp_parties and cpo_party not in issuer.parties:
        return cpo_party, Direction.REVERSE
    return emsp_party, Direction.DIRECT


def parties(ctx: Context, issuer_id: str, contract_id: str) -> list[str]:
    """Every party that any version of a contract ever covered, in order."""
    return sorted({party for v in store.versions(ctx.db, issuer_id, contract_id) for party in v.terms.party_ids})
