"""Rows of contracts, their versions and the parties they cover."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from roamclear.aws import keys, outbox
from roamclear.contracts.model import Contract, ContractVersion
from roamclear.contracts.proposals import Proposal
from roamclear.contracts.vat import KeptProof, VatProof
from roamclear.kernel.context import Database
from roamclear.kernel.writes import ABSENT, Put, Table, When


def find(db: Database, issuer_id: str, contract_id: str) -> Contract | None:
    """The head or None."""
    row = db.get(Table.CLEARING, keys.contract(issuer_id, contract_id))
    return Contract.load(row) if row else None


def versions(db: Database, issuer_id: str, contract_id: str) -> list[ContractVersion]:
    """All versions, oldest first."""
    rows = db.rows(Table.CLEARING, keys.contracts(issuer_id), prefix=f"{contract_id}#V#", consistent=True)
    return [ContractVersion.load(row) for row in rows]


def version(db: Database, issuer_id: str, contract_id: str, number: int) -> ContractVersion | None:
    """One version or None."""
    row = db.get(Table.CLEARING, keys.contract_version(issuer_id, contract_id, number))
    return ContractVersion.load(row) if row else None


def all_heads(db: Database, issuer_id: str) -> Iterator[Contract]:
    """Every contract of an issuer."""
    for row in db.rows(Table.CLEARING, keys.contracts(issuer_id), consistent=True):
        if row["sk"].endswith("#HEAD"):
            yield Contract.load(row)


def of_party(db: Database, issuer_id: str, party: str) -> list[str]:
    """Ids of the contracts that cover an eMSP party."""
    pk = keys.contract_party(issuer_id, party, "").pk
    return [row["contract_id"] for row in db.rows(Table.CLEARING, pk, consistent=True)]


def _as_read(known: Contract) -> tuple[When, ...]:
    return When("version", "=", known.version), When("changed", "=", known.changed)


def head_put(head: Contract, known: Contract) -> Put:
    """A head over exactly the state that was read."""
    key = keys.contract(head.issuer_id, head.contract_id)
    return Put(Table.CLEARING, key, head.dump(), when=_as_read(known))


def changed_fact(head: Contract, at: datetime) -> Put:
    """The fact of a contract that takes sessions again, or no more."""
    payload = {"contract_id": head.contract_id, "parties": list(head.party_ids)}
    subject = f"{head.contract_id}#C{head.changed}"
    return outbox.fact(head.issuer_id, at, "contract.version_published", subject, payload)


def vat_proof_put(issuer_id: str, proof: KeptProof) -> Put:
    """A proof of a VAT id, written once."""
    key = keys.vat_proof(issuer_id, proof.vat_id, proof.checked_on, proof.request_id)
    return Put(Table.CLEARING, key, {"issuer_id": issuer_id, **proof.dump()})


def vat_proofs(db: Database, issuer_id: str, vat_id: str) -> list[VatProof]:
    """The proofs of a VAT id, oldest first."""
    rows = db.rows(Table.CLEARING, keys.vat_proofs(issuer_id, vat_id), consistent=True)
    return [VatProof.load(row) for row in rows]


def kept_proofs(db: Database, issuer_id: str, vat_id: str) -> list[KeptProof]:
    """The same with who recorded them and the text of the answer."""
    rows = db.rows(Table.CLEARING, keys.vat_proofs(issuer_id, vat_id), consistent=True)
    return [KeptProof.load(row) for row in rows]


def publish_writes(head: Contract, made: ContractVersion, known: Contract | None) -> list[Put]:
    """A new version over exactly the head that was read, its parties and its fact."""
    head = head.model_copy(update={"changed": known.changed + 1 if known else 0})
    when = _as_read(known) if known else ABSENT
    parties = [
        Put(
            Table.CLEARING,
            keys.contract_party(head.issuer_id, party, head.contract_id),
            {"issuer_id": head.issuer_id, "contract_id": head.contract_id},
            when=(),
        )
        for party in made.terms.party_ids
    ]
    return [
        Put(Table.CLEARING, keys.contract(head.issuer_id, head.contract_id), head.dump(), when=when),
        Put(Table.CLEARING, keys.contract_version(head.issuer_id, head.contract_id, made.version), made.dump()),
        *parties,
        outbox.fact(
            head.issuer_id,
            made.recorded_at_utc,
            "contract.version_published",
            f"{head.contract_id}#{made.version}",
            {"contract_id": head.contract_id, "parties": list(made.terms.party_ids)},
        ),
    ]


# ---- back-dated versions -------------------------------------------------------------------------------------------
def proposal(db: Database, issuer_id: str, contract_id: str, proposal_id: str) -> Proposal | None:
    """One proposal or None."""
    row = db.get(Table.CLEARING, keys.contract_proposal(issuer_id, contract_id, proposal_id))
    return Proposal.load(row) if row else None


def proposals(db: Database, issuer_id: str, contract_id: str) -> list[Proposal]:
    """Every proposal of a contract, decided or not."""
    first = keys.contract_proposal(issuer_id, contract_id, "")
    return [Proposal.load(row) for row in db.rows(Table.CLEARING, first.pk, prefix=first.sk, consistent=True)]


def proposal_put(made: Proposal, read: Proposal | None) -> Put:
    """The first or next state of a proposal, over exactly the one that was read."""
    key = keys.contract_proposal(made.issuer_id, made.contract_id, made.proposal_id)
    if read is None:
        return Put(Table.CLEARING, key, made.dump())
    item = made.model_copy(update={"changed": read.changed + 1}).dump()
    return Put(Table.CLEARING, key, item, when=(When("changed", "=", read.changed),))


def backdated_fact(made: Proposal, at: datetime) -> Put:
    """Tells the higher rooms that a back-dated version is in force and that sessions are priced by it anew."""
    payload = {"contract_id": made.contract_id, "proposal_id": made.proposal_id, "version": made.version}
    return outbox.fact(made.issuer_id, at, "contract.backdated", f"{made.contract_id}#{made.version}", payload)
