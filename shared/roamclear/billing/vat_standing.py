"""How the VAT ids of both parties stand when a document without VAT is issued (product.md D.2, rules.md 10).

Only stored proofs are read: a close never calls out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from roamclear.billing.model import Run
from roamclear.contracts import vat_proofs
from roamclear.contracts.model import Terms
from roamclear.contracts.vat import Standing
from roamclear.documents.model import InvoiceDocument, VatCategory
from roamclear.identity.issuer import Issuer
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context


def standings(ctx: Context, issuer: Issuer, terms: Terms, draft: InvoiceDocument, day: date) -> tuple[Standing, ...]:
    """The proofs that a document under reverse charge rests on; a credit note rests on those of its original."""
    reversed_charge = any(row.category is VatCategory.REVERSE_CHARGE for row in draft.vat)
    if not reversed_charge or draft.type_code.is_credit:
        return ()
    return tuple(vat_proofs.standings(ctx, issuer, terms, day))


def faults(ctx: Context, run: Run, terms: Terms, found: Iterable[Standing]) -> list[str]:
    """Tell each proof that is old, absent or negative; under ``on_old_vat_proof`` HOLD it forbids the document."""
    told: list[str] = []
    for each in found:
        if each.state == "VALID":
            continue
        since = f" since {each.proof.checked_on}" if each.proof else ""
        told.append(f"vat_proof: {each.vat_id} is {each.state}{since} (rules.md 10)")
        journal.raise_once(
            ctx,
            run.issuer_id,
            ExceptionType.VAT_PROOF_OLD,
            each.vat_id,
            f"the proof of a VAT id is {each.state}{since}; policy {terms.on_old_vat_proof}",
            severity="HIGH" if each.state == "INVALID" else "WARN",
            partner=run.contract_id,
            next_action="check the number in VIES and record the answer at the contract",
            details={"vat_id": each.vat_id, "state": each.state, "run_id": run.run_id},
        )
    return told if terms.on_old_vat_proof == "HOLD" else []
