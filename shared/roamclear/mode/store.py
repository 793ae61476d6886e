"""The row of the mode, the beat beside the tables, and copies that should not be there yet."""

from __future__ import annotations

from roamclear.aws import archive, keys
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.writes import ABSENT, Put, Table, When
from roamclear.mode.model import StageMode

_BEAT = "@/beat.json"


def read(ctx: Context) -> StageMode | None:
    """The row, or None before the first beat."""
    row = ctx.db.get(Table.CLEARING, keys.stage_mode())
    return StageMode.load(row) if row else None


def put(made: StageMode, known: StageMode | None) -> Put:
    """The next state over exactly the one that was read."""
    following = made.model_copy(update={"changed": known.changed + 1 if known else 0})
    when = (When("changed", "=", known.changed),) if known else ABSENT
    return Put(Table.CLEARING, keys.stage_mode(), following.dump(), when=when)


def beat_outside(ctx: Context) -> int:
    """The last beat that was kept outside the tables; 0 before the first."""
    kept = ctx.objects.get("changes", _BEAT)
    return int(numbers_json.loads(kept)["beat"]) if kept else 0


def keep_beat(ctx: Context, beat: int) -> None:
    """Keep a beat outside the tables, where no restore reaches it."""
    ctx.objects.put("changes", _BEAT, numbers_json.dumps({"beat": beat}).encode(), "application/json")


def entry_was_copied(ctx: Context, issuer_id: str, event: str, subject: str) -> bool:
    """Whether the archive holds a ledger entry that the ledger does not: it was posted, and then the past came back."""
    key = keys.ledger_entry(issuer_id, event, subject)
    copied = ctx.objects.get("archive", archive.archive_key({"pk": key.pk, "sk": key.sk})) is not None
    return copied and ctx.db.get(Table.LEDGER, key) is None
