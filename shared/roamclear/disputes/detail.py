"""What people wrote and sent of a session, after the term of its detail (product.md row 139)."""

from __future__ import annotations

from roamclear.disputes import store
from roamclear.kernel.context import Context

#: Stands in the place of every free text.
GONE = "(given up after its term)"
#: What takes the place of a file; the bytes before are forgotten with the old versions of the bucket.
_EMPTY = b"given up after its term\n"


def expire(ctx: Context, issuer_id: str, dispute_id: str) -> bool:
    """Give up the texts and files of a decided dispute; amounts, reasons, outcome and dates stay.

    Again changes nothing. Returns whether there was anything left to give up.
    """
    known = store.find(ctx.db, issuer_id, dispute_id)
    if known is None or (known.text == GONE and not known.files):
        return False
    for file in store.evidence(ctx.db, issuer_id, dispute_id):
        if file.state != "EXPIRED":
            if file.key is not None:
                ctx.objects.put("exports", file.key, _EMPTY, "application/octet-stream")
            ctx.db.write(store.evidence_expired(file.model_copy(update={"state": "EXPIRED", "name": "given-up"})))
    for entry in store.entries(ctx.db, issuer_id, dispute_id):
        if entry.text != GONE:
            ctx.db.write(store.entry_expired(entry.model_copy(update={"text": GONE})))
    if known.text == GONE:
        return False
    answer = GONE if known.answer else known.answer
    ctx.db.write(
        store.keep(known.model_copy(update={"text": GONE, "answer": answer, "changed": known.changed + 1}), known)
    )
    return True


def is_expired(ctx: Context, issuer_id: str, dispute_id: str) -> bool:
    """Whether the words of a dispute were given up."""
    known = store.find(ctx.db, issuer_id, dispute_id)
    return known is not None and known.text == GONE
