"""Evidence of a dispute: announced, posted to the store, looked at, then downloadable by both sides only.

A file never passes the API (rules.md 11). It is posted under a signed form to the inbox, judged by its bytes, and
copied to where nobody but this room writes; the copy is what is downloaded, as an attachment of no particular type.
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

from roamclear.disputes import parts, sniff, store
from roamclear.disputes.model import Dispute, Evidence
from roamclear.identity.model import Actor, Right, Scope
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context, UploadForm
from roamclear.kernel.errors import Conflict, NotFound
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.writes import Action

MAX_FILES = 10
MAX_BYTES = 10_000_000
#: Announcements of a dispute over its life, refused and never posted ones too.
MAX_ANNOUNCED = 60
FORM_SECONDS = 900
#: A link of the console lives an hour (product.md row 64).
LINK_SECONDS = 3_600
#: What was announced and did not come within this no longer takes a place.
_PATIENCE = timedelta(hours=1)
_KEY = re.compile(r"^disputes/([a-z0-9-]{2,31})/evidence/(D-[0-9A-F]{12})/(\d{6})$", re.ASCII)


def announce(ctx: Context, actor: Actor, issuer_id: str, number: str, *, name: str) -> tuple[Evidence, UploadForm]:
    """Either side announces a file of an undecided dispute and is given the form to post it with.

    Raises:
        Conflict: the dispute is decided, or ten files are there.
        InvalidInput: the name has an ending that is not taken.
    """
    side, scope = parts.speaker(actor, issuer_id)
    clean = sniff.file_name(name)

    def attempt() -> Evidence:
        known = parts.pending(ctx, scope, issuer_id, number)
        _room_for_one(ctx, known)
        made = parts.moved(known, files=known.files + 1)
        file = Evidence(
            issuer_id=issuer_id,
            dispute_id=number,
            contract_id=known.contract_id,
            number=made.files,
            name=clean,
            side=parts.side_in(ctx, side, known),
            by=actor.actor_id,
            at_utc=ctx.now(),
        )
        log = parts.log(ctx, actor, made, "FILE_ANNOUNCED", {"file": file.number, "name": clean})
        ctx.db.transact([store.keep(made, known), store.evidence_create(file), log])
        return file

    file = again_on_race(attempt, tables=parts.RACES)
    content_type = sniff.KINDS[sniff.ending(clean)][1]
    key = _posted(issuer_id, number, file.number)
    form = ctx.objects.upload("inbox", key, seconds=FORM_SECONDS, max_bytes=MAX_BYTES, content_type=content_type)
    return file, form


def is_posted(object_key: str) -> bool:
    """Whether an object of the inbox is a posted file of a dispute.

    >>> is_posted("disputes/acme/evidence/D-90692B4FD5DD/000001"), is_posted("disputes/acme/lists/x.xlsx")
    (True, False)
    """
    return _KEY.match(object_key) is not None


def take(ctx: Context, object_key: str) -> Evidence:
    """Judge a posted file by its bytes, once; what comes under the same form later is not looked at.

    Raises:
        NotFound: nobody announced such a file, or nothing was posted.
    """
    match = _KEY.match(object_key)
    file = store.evidence_file(ctx.db, match[1], match[2], int(match[3])) if match else None
    if file is None:
        raise NotFound("no such file was announced")
    if file.state != "PENDING":
        return file
    data = ctx.objects.get("inbox", object_key)
    if data is None:
        raise NotFound("nothing was posted")
    kind, wanted = sniff.kind_of(data), sniff.KINDS[sniff.ending(file.name)][0]
    if len(data) > MAX_BYTES:
        return _judged(ctx, file, state="REFUSED", size=len(data), reason=f"larger than {MAX_BYTES} bytes")
    if kind != wanted:
        return _judged(ctx, file, state="REFUSED", size=len(data), reason=f"its bytes are not what {file.name} says")
    digest = hashlib.sha256(data).hexdigest()
    key = f"disputes/{file.issuer_id}/{file.dispute_id}/{file.number:06d}-{digest}"
    # No type of its own: a browser that is given the address saves the file and shows nothing.
    ctx.objects.put("exports", key, data, "application/octet-stream")
    return _judged(ctx, file, state="STORED", size=len(data), kind=kind, sha256=digest, key=key)


def link(ctx: Context, actor: Actor, issuer_id: str, number: str, place: int) -> dict[str, Any]:
    """A signed address of a file for who may see its dispute; it saves under the file's name.

    Raises:
        NotFound: no such dispute or file for this actor, or the file was not taken.
    """
    parts.found(ctx, authorise(actor, Right.DISPUTE_VIEW, issuer_id), issuer_id, number)
    file = store.evidence_file(ctx.db, issuer_id, number, place)
    if file is None or file.state != "STORED" or file.key is None:
        raise NotFound("no such file")
    url = ctx.objects.link("exports", file.key, seconds=LINK_SECONDS, filename=file.name)
    return {"file": file, "url": url, "expires_seconds": LINK_SECONDS}


# ---- parts ---------------------------------------------------------------------------------------------------------
def _posted(issuer_id: str, number: str, place: int) -> str:
    return f"disputes/{issuer_id}/evidence/{number}/{place:06d}"


def _room_for_one(ctx: Context, known: Dispute) -> None:
    files = store.evidence(ctx.db, known.issuer_id, known.dispute_id)
    fresh = ctx.now() - _PATIENCE
    taken = [f for f in files if f.state == "STORED" or (f.state == "PENDING" and f.at_utc > fresh)]
    if len(taken) >= MAX_FILES or known.files >= MAX_ANNOUNCED:
        raise Conflict(f"a dispute has at most {MAX_FILES} files", rule="FILES_FULL")


def _judged(ctx: Context, file: Evidence, **update: Any) -> Evidence:
    """Keep the judgement with a word in the thread; another worker's judgement stands."""
    who = Actor(actor_id="system:evidence")

    def attempt() -> Evidence:
        before = store.evidence_file(ctx.db, file.issuer_id, file.dispute_id, file.number)
        if before is None or before.state != "PENDING":
            return before or file
        known = parts.found(ctx, Scope(issuer_id=file.issuer_id), file.issuer_id, file.dispute_id)
        made = before.model_copy(update=update | {"stored_at_utc": ctx.now()})
        details = {"file": made.number, "name": made.name, "sha256": made.sha256, "reason": made.reason, "by": made.by}
        actions: list[Action] = [store.evidence_replace(made)]
        told = known
        if made.state == "STORED":
            told, words = parts.said(ctx, _poster(made), made.side, parts.moved(known), "EVIDENCE", made.name)
            actions += [*store.replace(told, known, ctx.now(), "commented"), *words]
        ctx.db.transact([*actions, parts.log(ctx, who, told, f"FILE_{made.state}", details)])
        return made

    return again_on_race(attempt, tables=parts.RACES)


def _poster(file: Evidence) -> Actor:
    return Actor(actor_id=file.by)
