"""Asking for the accrual pack of a month, and taking it (product.md, B13). What draws it is ``drawing.py``.

A month and a day are one pack, drawn once: whoever asks again is given the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from roamclear.accounting import service as accounting
from roamclear.accounting.rules import bounds
from roamclear.audit import service as audit
from roamclear.identity import service as identity
from roamclear.identity.model import Actor, Right
from roamclear.identity.rules import authorise
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, InvalidInput
from roamclear.kernel.retry import again_on_race
from roamclear.kernel.time import last_of_month, local_midnight, sort_instant
from roamclear.kernel.writes import Table
from roamclear.status.postings import CLASSES

#: Requests in the inbox, and drawn packs in the exports, stand below this folder.
FOLDER = "accruals/"
KINDS = ("json", "xlsx")
_REQUEST = re.compile(FOLDER + r"([a-z0-9][a-z0-9-]{1,30})/(\d{4}-\d{2})/(\d{4}-\d{2}-\d{2})\.json", re.ASCII)
_LINK_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Wanted:
    """The pack of a month as of the end of a day."""

    issuer_id: str
    period: str
    as_of: str

    @property
    def request_key(self) -> str:
        """The request in the inbox."""
        return f"{FOLDER}{self.issuer_id}/{self.period}/{self.as_of}.json"

    def file_key(self, kind: str) -> str:
        """A file of the pack in the exports."""
        return f"{FOLDER}{self.issuer_id}/accruals_{self.period}_{self.as_of}.{kind}"


def wanted(object_key: str) -> Wanted | None:
    """What an object of the inbox asks for, or None.

    >>> wanted("accruals/acme/2026-10/2026-10-31.json").as_of
    '2026-10-31'
    """
    found = _REQUEST.fullmatch(object_key)
    return Wanted(*found.groups()) if found else None


def ask(ctx: Context, actor: Actor, issuer_id: str, period: str, as_of: date | None) -> dict[str, Any]:
    """The pack of a month as of the end of a day (the month's last where none is named), or the promise of it.

    Raises:
        InvalidInput: the month or the day is none, the day lies before the month, or the chart lacks an account.
        Conflict: the day is not over yet; the instant from which the pack can be drawn is named.
    """
    authorise(actor, Right.ACCOUNTING_EXPORT, issuer_id)
    zone = identity.issuer(ctx, issuer_id).zone
    bounds(period, zone)
    day = as_of or last_of_month(date.fromisoformat(f"{period}-01"))
    if day.isoformat()[:7] < period:
        raise InvalidInput("the day lies before the month", field="as_of")
    over = local_midnight(day + timedelta(days=1), zone)
    if ctx.now() < over:
        raise Conflict("this day is not over yet", field="as_of", drawable_at_utc=sort_instant(over))
    known = accounting.chart_now(ctx, issuer_id).classes
    lacking = [each.value for each in CLASSES if each.value not in known]
    if lacking:
        raise InvalidInput(f"the chart names no account for {lacking[0]}", field=f"classes.{lacking[0]}")
    meant = Wanted(issuer_id, period, day.isoformat())
    found = shown(ctx, meant)
    if not found["files"]:
        _log(ctx, actor, meant)
        ctx.objects.put("inbox", meant.request_key, b"{}", "application/json")
    return found


def listed(ctx: Context, actor: Actor, issuer_id: str) -> list[dict[str, Any]]:
    """The packs that were drawn, with signed links, oldest month first."""
    authorise(actor, Right.ACCOUNTING_EXPORT, issuer_id)
    prefix = f"{FOLDER}{issuer_id}/accruals_"
    names = {key.removeprefix(prefix).rsplit(".", 1)[0] for key in ctx.objects.keys("exports", prefix)}
    return [shown(ctx, Wanted(issuer_id, *name.split("_", 1))) for name in sorted(names)]


def shown(ctx: Context, meant: Wanted) -> dict[str, Any]:
    """A pack with signed links; DRAWING until every file of it is there."""
    found = [meant.file_key(kind) for kind in KINDS if drawn(ctx, meant, kind)]
    complete = len(found) == len(KINDS)
    names = [(key.rsplit("/", 1)[1], key) for key in found if complete]
    files = [
        {"name": name, "link": ctx.objects.link("exports", key, seconds=_LINK_SECONDS, filename=name)}
        for name, key in names
    ]
    state = "DRAWN" if complete else "DRAWING"
    return {"period": meant.period, "as_of": meant.as_of, "state": state, "files": files}


def drawn(ctx: Context, meant: Wanted, kind: str) -> bool:
    """Whether a file of a pack is there."""
    key = meant.file_key(kind)
    return key in ctx.objects.keys("exports", key)


def until(ctx: Context, meant: Wanted) -> datetime:
    """The instant at which the day of a pack ends."""
    zone = identity.issuer(ctx, meant.issuer_id).zone
    return local_midnight(date.fromisoformat(meant.as_of) + timedelta(days=1), zone)


def _log(ctx: Context, actor: Actor, meant: Wanted) -> None:
    def attempt() -> None:
        log = audit.entry(
            ctx,
            issuer_id=meant.issuer_id,
            kind="ACCRUALS",
            object_id=meant.period,
            actor_id=actor.actor_id,
            action="ASKED",
            details={"as_of": meant.as_of},
        )
        ctx.db.transact([log])

    again_on_race(attempt, tables=(Table.AUDIT,))
