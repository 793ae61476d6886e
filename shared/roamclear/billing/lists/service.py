"""Pages of runs, documents and corrections for who may see them."""

from __future__ import annotations

from roamclear.billing.lists import store
from roamclear.billing.model import Correction, Document, Run
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.pages import Asked, Cut


def runs(ctx: Context, actor: Actor, issuer_id: str, asked: Asked) -> Cut[Run]:
    """A page of the runs an actor may see, by the end of their period."""
    scope = authorise(actor, Right.RUN_VIEW, issuer_id)
    own = scope.contract_ids
    return store.runs(ctx.db, issuer_id, asked, lambda run: own is None or run.contract_id in own)


def documents(ctx: Context, actor: Actor, issuer_id: str, asked: Asked) -> Cut[Document]:
    """A page of the documents an actor may see, in order of issue."""
    scope = authorise(actor, Right.DOCUMENT_VIEW, issuer_id)
    own = scope.contract_ids
    return store.documents(ctx.db, issuer_id, asked, lambda each: own is None or each.contract_id in own)


def corrections(ctx: Context, actor: Actor, issuer_id: str, asked: Asked) -> Cut[Correction]:
    """A page of the corrections in order of preparation, for the issuer's own people."""
    scope = authorise(actor, Right.RUN_VIEW, issuer_id)
    return store.corrections(ctx.db, issuer_id, asked) if scope.contract_ids is None else Cut([])
