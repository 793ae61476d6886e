"""Sessions laid into the tables of a laptop stack as its stream would have left them.

Every body goes through the use cases of the stream (``facts.took_in``) over tables in memory, which takes milliseconds
where the stack takes a twentieth of a second; what they wrote is then put into the stack's own tables, row by row as it
is. The stream functions start behind what was laid: for the stack it is a month that came in before. What follows, the
close, is played by the deployed template alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from infra.local.stack import LaptopStack
from roamclear.kernel.context import Row
from roamclear.kernel.rows import index_names
from roamclear.kernel.writes import Table, Write
from tests.support.memory_stage import MemoryTables

_INDEXES = ("gsi1", "gsi2", "gsi3")
#: What one BatchWriteItem takes.
_BATCH = 25
_SENDERS = 4
_KEPT = (
    "FunctionName",
    "EventSourceArn",
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "ParallelizationFactor",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "MaximumRecordAgeInSeconds",
    "FunctionResponseTypes",
    "DestinationConfig",
    "FilterCriteria",
)
_typed = TypeSerializer().serialize


@dataclass
class IndexedTables(MemoryTables):
    """Tables in memory that know the members of each index partition, for many rows."""

    members: dict[tuple[Table, str, str], dict[tuple[str, str], Row]] = field(default_factory=lambda: defaultdict(dict))

    def _apply(self, write: Write) -> None:
        place = (write.key.pk, write.key.sk)
        for home in self._homes(write.table, self._at(write)):
            self.members[home].pop(place, None)
        super()._apply(write)
        row = self._at(write)
        for home in self._homes(write.table, row):
            assert row is not None
            self.members[home][place] = row

    def _sorted(self, table: Table, pk: str, index: str | None) -> list[Row]:
        if index is None:
            return super()._sorted(table, pk, index)
        name = index_names(index)[1]
        return sorted(self.members[table, index, pk].values(), key=lambda r: (r[name], r["pk"], r["sk"]))

    def _at(self, write: Write) -> Row | None:
        return self.tables[write.table].get(write.key.pk, {}).get(write.key.sk)

    @staticmethod
    def _homes(table: Table, row: Row | None) -> Iterator[tuple[Table, str, str]]:
        for index in _INDEXES:
            hash_name, range_name = index_names(index)
            if row is not None and hash_name in row and range_name in row:
                yield table, index, row[hash_name]


def lay(stack: LaptopStack, made: MemoryTables) -> int:
    """Put every row into the stack's tables; returns how many."""
    total = 0
    with streams_behind(stack), ThreadPoolExecutor(_SENDERS) as senders:
        for table, partitions in made.tables.items():
            rows = [row for partition in partitions.values() for row in partition.values()]
            name = stack.table(table.value)
            cut = [rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH)]
            for _ in senders.map(lambda batch, name=name: _put(stack, name, batch), cut):
                pass
            total += len(rows)
    return total


def _put(stack: LaptopStack, name: str, batch: list[Row]) -> None:
    wanted: list[Any] = [
        {"PutRequest": {"Item": {column: _typed(value) for column, value in row.items()}}} for row in batch
    ]
    while wanted:
        answer = stack.boto("dynamodb").batch_write_item(RequestItems={name: wanted})
        wanted = answer.get("UnprocessedItems", {}).get(name, [])


@contextmanager
def streams_behind(stack: LaptopStack) -> Iterator[None]:
    """Let the functions of the tables' streams begin behind what is written meanwhile."""
    client = stack.boto("lambda")
    pages = client.get_paginator("list_event_source_mappings").paginate()
    found = [m for page in pages for m in page["EventSourceMappings"] if ":table/" in m["EventSourceArn"]]
    for mapping in found:
        client.delete_event_source_mapping(UUID=mapping["UUID"])
    yield
    for mapping in found:
        kept = {name: mapping[name] for name in _KEPT if mapping.get(name) is not None and name != "FunctionName"}
        client.create_event_source_mapping(
            FunctionName=mapping["FunctionArn"], StartingPosition="LATEST", Enabled=True, **kept
        )
