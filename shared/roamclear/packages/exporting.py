"""The list of a run as a file, from the first minute of its window on (product.md row 35).

Once a document is issued its own files are the answer. Before, a list is drawn on request by a function of its own
(``window.py``), says how every session stands at that minute, and is served for a minute to whoever asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from roamclear.billing import reminders
from roamclear.billing import service as billing
from roamclear.billing.model import Run, RunState
from roamclear.identity.model import Actor
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput, NotFound

#: Requests in the inbox, and drawn lists in the exports, stand below this folder.
FOLDER = "windows/"
FORMATS = ("xlsx", "csv", "ndjson")
#: How long a drawn list is given to further requests.
FRESH = timedelta(minutes=1)
#: After this a list that was asked for and never came is asked for again.
PATIENCE = timedelta(minutes=15)
#: A link of the console lives an hour (product.md row 64).
_LINK_SECONDS = 3600
_REQUEST = re.compile(
    FOLDER + r"([a-z0-9][a-z0-9-]{1,30})/([A-Z0-9][A-Z0-9.-]{1,78})/(\d{8}T\d{6}Z)\.(xlsx|csv|ndjson)", re.ASCII
)
_ASKED = ".asked"


@dataclass(frozen=True, slots=True)
class Export:
    """Files with signed links, or none while the list of ``as_of`` is still being drawn."""

    files: tuple[tuple[str, str], ...]
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A list to be drawn: of which run, as of when at the earliest, in which format."""

    issuer_id: str
    run_id: str
    as_of: datetime
    kind: str

    @property
    def folder(self) -> str:
        """Where the lists of the run are kept."""
        return f"{FOLDER}{self.issuer_id}/{self.run_id}"

    @property
    def stamp(self) -> str:
        """The instant as names carry it."""
        return f"{self.as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}"

    @property
    def request_key(self) -> str:
        """The request in the inbox."""
        return f"{self.folder}/{self.stamp}.{self.kind}"

    @property
    def name(self) -> str:
        """The name of the file without its ending."""
        return f"{self.run_id}_{self.stamp}"


def export(
    ctx: Context, actor: Actor, issuer_id: str, run_id: str, *, kind: str, as_of: datetime | None = None
) -> Export:
    """The list of a run in one format for who may see it; asked for anew when the latest is older than a minute.

    Raises:
        InvalidInput: the format is not one of xlsx, csv and ndjson.
        NotFound: the run is not one of the actor's, or no list of ``as_of`` was asked for.
        Conflict: the window of the run is not open yet.
    """
    if kind not in FORMATS:
        raise InvalidInput(f"a format is one of {', '.join(FORMATS)}", field="format")
    run = billing.run_for(ctx, actor, issuer_id, run_id)
    if run.state is RunState.GRACE:
        raise Conflict("the control window of this run is not open yet", opens_at_utc=run.opens_at_utc)
    # The eMSP that takes its open list has reviewed it: it is not reminded (product.md row 45).
    reminders.read_by(ctx, actor, run)
    issued = _issued(ctx, run, kind)
    if issued:
        return Export(_links(ctx, "documents", issued))
    now = ctx.now().replace(microsecond=0)
    drawn, asked = _known(ctx, run, kind)
    if as_of is not None:
        if as_of not in drawn and as_of not in asked:
            raise NotFound("no list of this instant was asked for")
        return Export(_links(ctx, "exports", drawn.get(as_of, [])), as_of)
    latest = max(drawn, default=None)
    if latest is not None and latest > now - FRESH:
        return Export(_links(ctx, "exports", drawn[latest]), latest)
    waiting = max((at for at in asked if at not in drawn), default=None)
    if waiting is not None and waiting > now - PATIENCE:
        return Export((), waiting)
    wanted = Wanted(issuer_id, run_id, now, kind)
    # The request first: a mark without a request would make everybody wait for nothing.
    ctx.objects.put("inbox", wanted.request_key, b"{}", "application/json")
    ctx.objects.put("exports", f"{wanted.request_key}{_ASKED}", b"{}", "application/json")
    return Export((), now)


def wanted(object_key: str) -> Wanted | None:
    """What an object of the inbox asks for, or None.

    >>> wanted("windows/acme/C-1.2026-10.CLOSE/20261102T090000Z.csv").kind
    'csv'
    """
    found = _REQUEST.fullmatch(object_key)
    if found is None:
        return None
    issuer_id, run_id, stamp, kind = found.groups()
    return Wanted(issuer_id, run_id, _instant(stamp), kind)


def _instant(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _issued(ctx: Context, run: Run, kind: str) -> list[str]:
    """The lists of the run's documents, once every one of them is there."""
    found: list[str] = []
    for number in run.numbers:
        keys = [
            key for key in ctx.objects.keys("documents", f"{run.issuer_id}/{run.run_id}/{number}") if _is(key, kind)
        ]
        if not keys:
            return []
        found += keys
    return found


def _known(ctx: Context, run: Run, kind: str) -> tuple[dict[datetime, list[str]], set[datetime]]:
    """Drawn lists by instant, and the instants that were asked for."""
    drawn: dict[datetime, list[str]] = {}
    asked = set()
    folder = f"{FOLDER}{run.issuer_id}/{run.run_id}/"
    for key in ctx.objects.keys("exports", folder):
        name = key.removeprefix(folder)
        if name.endswith(f".{kind}{_ASKED}"):
            asked.add(_instant(name.split(".", 1)[0]))
        elif _is(name, kind):
            stamp = name.removeprefix(f"{run.run_id}_").split(".", 1)[0].split("-", 1)[0]
            drawn.setdefault(_instant(stamp), []).append(key)
    return drawn, asked


def _is(key: str, kind: str) -> bool:
    return key.endswith(f".{kind}")


def _links(ctx: Context, bucket: str, keys: list[str]) -> tuple[tuple[str, str], ...]:
    names = [key.rsplit("/", 1)[1] for key in keys]
    links = (ctx.objects.link(bucket, k, seconds=_LINK_SECONDS, filename=n) for k, n in zip(keys, names, strict=True))
    return tuple(zip(names, links, strict=True))
