"""What a person should look at in a contract today: doubts, duties to come, proofs that grew old (rows 17, 131-132)."""

from __future__ import annotations

from roamclear.contracts import checks, rules, vat_proofs
from roamclear.contracts.model import Finding
from roamclear.contracts.service import contract
from roamclear.contracts.vat import Standing
from roamclear.identity import service as identity
from roamclear.identity.model import Actor
from roamclear.kernel.context import Context
from roamclear.kernel.record import Record
from roamclear.kernel.time import local_date


class Review(Record):
    """A contract as the rules see it today; ``vat_ids`` are those of both parties with their last proof."""

    missing: tuple[str, ...]
    findings: tuple[Finding, ...]
    vat_ids: tuple[Standing, ...]


def review(ctx: Context, actor: Actor, issuer_id: str, contract_id: str) -> Review:
    """The version in force today, looked at with today's tables; before its first day, the first version."""
    head, versions = contract(ctx, actor, issuer_id, contract_id)
    issuer = identity.issuer(ctx, issuer_id)
    day = max(head.valid_from, local_date(ctx.now(), head.zone))
    terms = (rules.in_force(versions, day) or versions[0]).terms
    return Review(
        missing=tuple(checks.missing(terms, issuer, day)),
        findings=tuple(checks.findings(terms, issuer, day)),
        vat_ids=tuple(vat_proofs.standings(ctx, issuer, terms, day)),
    )
