"""Files of disputes, as far as the API knows them: announced, and looked up with their result (product.md row 48)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from roamclear.audit import service as audit
from roamclear.disputes import store
from roamclear.disputes.model import ClaimList
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context, UploadForm
from roamclear.kernel.errors import ConditionFailed, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import sort_instant

MAX_BYTES = 5_000_000
_FORM_SECONDS = 900
_LINK_SECONDS = 3_600
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_KEY = re.compile(r"^disputes/([a-z0-9-]{2,31})/lists/(F-[0-9A-F]{16})\.xlsx$", re.ASCII)


def announce(ctx: Context, actor: Actor, issuer_id: str) -> tuple[ClaimList, UploadForm]:
    """An eMSP announces a file of disputes and is given the form to post it with; it is read under this person."""
    authorise(actor, Right.DISPUTE_CREATE, issuer_id)
    name = hashlib.sha256(f"{actor.actor_id}#{sort_instant(ctx.now())}".encode()).hexdigest()[:16].upper()
    made = ClaimList(issuer_id=issuer_id, list_id=f"F-{name}", actor_id=actor.actor_id, at_utc=ctx.now())

    def attempt() -> None:
        log = audit.entry(
            ctx,
            issuer_id=issuer_id,
            kind="DISPUTE_LIST",
            object_id=made.list_id,
            actor_id=actor.actor_id,
            action="ANNOUNCED",
        )
        try:
            ctx.db.transact([store.list_create(made), log])
        except ConditionFailed as lost:
            if lost.index != 0:
                raise
            # The same person at the same instant: one announcement.

    again_on_race(attempt)
    key = posted(made)
    form = ctx.objects.upload("inbox", key, seconds=_FORM_SECONDS, max_bytes=MAX_BYTES, content_type=_XLSX)
    return made, form


def posted(made: ClaimList) -> str:
    """Where a file of disputes is posted."""
    return f"disputes/{made.issuer_id}/lists/{made.list_id}.xlsx"


def of_key(ctx: Context, object_key: str) -> ClaimList | None:
    """The announced file of an object of the inbox, or None."""
    match = _KEY.match(object_key)
    return store.claim_list(ctx.db, match[1], match[2]) if match else None


def result(ctx: Context, actor: Actor, issuer_id: str, list_id: str) -> dict[str, Any]:
    """What became of a file, for the person who posted it, with a signed address of the result per row."""
    authorise(actor, Right.DISPUTE_CREATE, issuer_id)
    found = store.claim_list(ctx.db, issuer_id, list_id)
    if found is None or found.actor_id != actor.actor_id:
        raise NotFound("no such list")
    told: dict[str, Any] = {"list": found}
    if found.result_key is not None:
        name = f"{list_id}-result.xlsx"
        told["url"] = ctx.objects.link("exports", found.result_key, seconds=_LINK_SECONDS, filename=name)
    return told
