"""What may price the sessions of a party: its contracts with all their versions."""

from __future__ import annotations

from roamclear.contracts import store
from roamclear.contracts.model import Contract, ContractVersion
from roamclear.kernel.context import Context


def candidates(ctx: Context, issuer_id: str, emsp_party: str) -> list[tuple[Contract, list[ContractVersion]]]:
    """The contracts that cover or covered a party, each with its versions, oldest first."""
    found = []
    for contract_id in store.of_party(ctx.db, issuer_id, emsp_party):
        head = store.find(ctx.db, issuer_id, contract_id)
        if head is not None:
            found.append((head, store.versions(ctx.db, issuer_id, contract_id)))
    return found


def parties(ctx: Context, issuer_id: str, contract_id: str) -> list[str]:
    """Every eMSP party that any version of a contract ever covered, in order."""
    return sorted({party for v in store.versions(ctx.db, issuer_id, contract_id) for party in v.terms.party_ids})
