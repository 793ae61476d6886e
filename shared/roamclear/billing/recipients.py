"""To whom the documents of a run go where its draft says otherwise than the contract (product.md row 55)."""

from __future__ import annotations

from roamclear.billing import store
from roamclear.billing.model import Recipient, Run
from roamclear.contracts.model import ContractVersion, Terms
from roamclear.kernel.context import Context


def of(ctx: Context, run: Run) -> Recipient | None:
    """What the draft of a run said of its recipient; a credit note goes to whom the document it corrects went."""
    is_credit = run.proforma is not None and run.proforma.amount_minor < 0
    if run.corrects is None or not is_credit:
        return run.recipient
    corrected = store.document(ctx.db, run.issuer_id, run.corrects)
    billed = store.run(ctx.db, run.issuer_id, corrected.run_id) if corrected is not None else None
    return billed.recipient if billed is not None else None


def addressed(version: ContractVersion, wanted: Recipient | None) -> ContractVersion:
    """A version of the contract with a recipient in it; without one, the version itself."""
    if wanted is None:
        return version
    return version.model_copy(update={"terms": merged(version.terms, wanted)})


def merged(terms: Terms, wanted: Recipient) -> Terms:
    """The terms with what a recipient says in the place of what the contract says."""
    partner = {
        name: value
        for name in ("legal_name", "address", "buyer_reference")
        if (value := getattr(wanted, name)) is not None
    }
    update: dict[str, object] = {"counterparty": terms.counterparty.model_copy(update=partner)}
    if wanted.contact_emails is not None:
        update["contact_emails"] = wanted.contact_emails
    return terms.model_copy(update=update)
