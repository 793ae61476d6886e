"""The manifest of a lock for both sides to take away: the proof of what was final at which instant (product.md 44)."""

from __future__ import annotations

from roamclear.billing import manifest
from roamclear.billing.service import run_for
from roamclear.identity.model import Actor
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict
from roamclear.kernel.record import Record

#: A link of the console lives an hour (product.md row 64).
_LINK_SECONDS = 3600


class LockFile(Record):
    """The manifest of a run: its root, as it is printed on the document, and a signed address of the file."""

    run_id: str
    root: str
    name: str
    link: str


def lock_file(ctx: Context, actor: Actor, issuer_id: str, run_id: str) -> LockFile:
    """The manifest of a locked run, for whoever may see the run.

    Raises:
        NotFound: no such run, or not this person's.
        Conflict: nothing is locked yet.
    """
    run = run_for(ctx, actor, issuer_id, run_id)
    if run.manifest is None:
        raise Conflict("this run is not locked yet", state=run.state.value)
    key, name = manifest.key_of(issuer_id, run_id), f"{run_id}.lock.json"
    link = ctx.objects.link("archive", key, seconds=_LINK_SECONDS, filename=name)
    return LockFile(run_id=run_id, root=run.manifest, name=name, link=link)
