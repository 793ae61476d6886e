"""What a person should look at in a contract today: doubts, duties to come, proofs that grew old (rows 17, 131-132)."""

from __future__ import annotations

from roamclear.contracts import checks, rules, vat_proofs
from roamclear.contracts.model import Contract, Finding, Status
from roamclear.contracts.service import contract, terms_at
from roamclear.contracts.vat import Standing
from roamclear.identity import service as identity
from roamclear.identity.model import Actor
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.record import Record
from roamclear.kernel.time import local_date

_KIND = ExceptionType.CONTRACT_FINDING


class Review(Record):
    """A contract as the rules see it today; ``vat_ids`` are those of both parties with their last proof."""

    missing: tuple[str, ...]
    findings: tuple[Finding, ...]
    vat_ids: tuple[Standing, ...]


def tell(ctx: Context, head: Contract) -> int:
    """Put what the rules find in a contract today into the journal, and close what they no longer find (J.2).

    Returns how many findings stand. A draft and an ended contract bill nobody new: theirs are closed.
    """
    issuer = identity.issuer(ctx, head.issuer_id)
    alive = rules.status(head, ctx.now()) not in (Status.DRAFT, Status.ENDED)
    day = max(head.valid_from, local_date(ctx.now(), head.zone))
    terms = terms_at(ctx, head.issuer_id, head.contract_id, day).terms
    found = {f.code: f for f in checks.findings(terms, issuer, day)} if alive else {}
    for code in checks.CODES:
        subject = f"{head.contract_id}#{code}"
        if code not in found:
            reason = "no longer so"
            journal.resolve(ctx, head.issuer_id, _KIND, subject, by="system:review", reason=reason)
            continue
        journal.raise_once(
            ctx,
            head.issuer_id,
            _KIND,
            subject,
            found[code].message,
            partner=head.contract_id,
            next_action="look at the contract's review, then publish a version or leave it on purpose",
            details={"code": code, "field": found[code].field},
        )
    return len(found)


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
