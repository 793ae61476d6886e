"""A stage in memory whose changes are streamed, so that it can be thrown back in time and brought forward again."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from roamclear.aws import archive, changes
from roamclear.kernel.context import Row
from roamclear.kernel.writes import Remove, Table, Write
from tests.support import memory_stage
from tests.support.memory_stage import MemoryTables
from tests.support.moto_stack import Stage

_TYPED = TypeSerializer()


@dataclass
class StreamedTables(MemoryTables):
    """Tables that write down what their streams would say; restored ones have streams that count from the start."""

    records: list[tuple[Table, dict[str, Any]]] = field(default_factory=list)
    now: Any = None
    stream: int = 1
    begins: int = 0

    def _apply(self, write: Write) -> None:
        super()._apply(write)
        row = self.tables[write.table].get(write.key.pk, {}).get(write.key.sk)
        keys = {"pk": {"S": write.key.pk}, "sk": {"S": write.key.sk}}
        told: dict[str, Any] = {
            "Keys": keys,
            "SequenceNumber": str(1000 + len(self.records) - self.begins),
            "ApproximateCreationDateTime": int(self.now().timestamp()),
        }
        if row is not None:
            told["NewImage"] = {name: _TYPED.serialize(value) for name, value in row.items()}
        name = "REMOVE" if isinstance(write, Remove) else "MODIFY"
        table = f"table/roamclear-test-{write.table.value}"
        arn = f"arn:aws:dynamodb:eu-central-1:000000000000:{table}/stream/2026-10-{self.stream:02d}T00:00:00.000"
        self.records.append((write.table, {"eventName": name, "eventSourceARN": arn, "dynamodb": told}))


@dataclass
class TimeMachine:
    """A stage, what its streams delivered, and the snapshots it can fall back to."""

    stage: Stage
    tables: StreamedTables
    delivered: int = 0

    def deliver(self, *, batch: int = 7) -> None:
        """Let the stream functions do their work, in batches."""
        found, self.delivered = self.tables.records[self.delivered :], len(self.tables.records)
        for table in Table:
            own = [record for of, record in found if of is table]
            if table in (Table.INTAKE, Table.CLEARING):
                for begin in range(0, len(own), batch):
                    changes.keep(self.stage.ctx.objects, own[begin : begin + batch])
            elif table in (Table.LEDGER, Table.AUDIT):
                archive.keep_rows(self.stage.ctx, _rows(own))

    def snapshot(self) -> dict[Table, dict[str, dict[str, Row]]]:
        """The tables as they are now; buckets are never restored."""
        return deepcopy(self.tables.tables)

    def restore(self, snapshot: dict[Table, dict[str, dict[str, Row]]]) -> None:
        """Throw the tables back."""
        self.tables.tables = deepcopy(snapshot)
        self.tables.stream, self.tables.begins = self.tables.stream + 1, len(self.tables.records)


def machine(now: datetime = datetime(2026, 10, 1, tzinfo=UTC)) -> TimeMachine:
    """A fresh stage that streams."""
    stage = memory_stage.fresh(now)
    tables = StreamedTables(now=stage.clock.now)
    ctx = replace(stage.ctx, db=tables)
    return TimeMachine(Stage(ctx, stage.clock, stage.mail, stage.workflows, tables, None), tables)  # type: ignore[arg-type]


def _rows(records: list[dict[str, Any]]) -> Iterator[Row]:
    for record in records:
        yield changes.image(record["dynamodb"]["NewImage"])
