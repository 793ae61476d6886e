"""The last five weeks of changes beside the tables: stream batches as they came, one object each.

A restore brings the tables back to an instant; these objects bring them forward again. They are no archive: the bucket
forgets them when the restore window has passed (infra/constructs/buckets.py).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from roamclear.aws.stream import image
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Objects, Row
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.writes import Table


@dataclass(frozen=True, slots=True)
class Change:
    """A row as a change left it; None says that it was removed.

    Sequences of one row only grow within a stream. A restored table has a stream of its own, whose label, the instant
    at which it was made, comes behind those of the streams before.
    """

    table: Table
    pk: str
    sk: str
    stream: str
    sequence: int
    row: Row | None

    @property
    def place(self) -> tuple[str, int]:
        """Where the change stands among all of its row."""
        return self.stream, self.sequence


def keep(objects: Objects, records: list[dict[str, Any]]) -> str | None:
    """Keep a batch of one table's stream under the hour of its first record; the same batch again changes nothing."""
    records = [record for record in records if "dynamodb" in record and "eventSourceARN" in record]
    if not records:
        return None
    first = records[0]["dynamodb"]
    sequences = [str(r["dynamodb"]["SequenceNumber"]).zfill(40) for r in records]
    at = datetime.fromtimestamp(int(first["ApproximateCreationDateTime"]), UTC)
    kept = [
        {
            "keys": record["dynamodb"]["Keys"],
            "image": _text(record["dynamodb"].get("NewImage")),
            "stream": str(record["eventSourceARN"]).rpartition("/stream/")[2],
            "sequence": sequence,
            "removed": record["eventName"] == "REMOVE",
        }
        for record, sequence in zip(records, sequences, strict=True)
    ]
    body = zlib.compress(numbers_json.dumps(kept).encode(), 6)
    key = f"{at:%Y-%m-%d/%H}/{_table_of(records[0])}/{sequences[0]}-{sequences[-1]}.json.z"
    return objects.put("changes", key, body, "application/octet-stream").key


def hours(since: datetime, until: datetime) -> Iterator[str]:
    """The prefixes of the hours from one instant to another."""
    hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour <= until:
        yield f"{hour:%Y-%m-%d/%H}/"
        hour += timedelta(hours=1)


def of_hour(objects: Objects, prefix: str) -> Iterator[Change]:
    """The last change of each row in an hour."""
    last: dict[tuple[Table, str, str], Change] = {}
    for key in objects.keys("changes", prefix):
        body = objects.get("changes", key)
        if body is None:
            raise InvariantBroken("a batch of changes is gone", key=key)
        for change in _changes(Table(key.split("/")[2]), numbers_json.loads(zlib.decompress(body))):
            place = (change.table, change.pk, change.sk)
            if place not in last or last[place].place < change.place:
                last[place] = change
    yield from last.values()


def _changes(table: Table, kept: Iterable[Row]) -> Iterator[Change]:
    for each in kept:
        row = None if each["removed"] else image(each["image"])
        names = image(each["keys"])
        # What was kept before labels were has none, and comes before what has one.
        yield Change(table, names["pk"], names["sk"], each.get("stream", ""), int(each["sequence"]), row)


def _table_of(record: dict[str, Any]) -> str:
    """The table of a record, by its stream's ARN: …:table/<prefix>-<stage>-<name>/stream/…"""
    name = str(record["eventSourceARN"]).split(":table/", 1)[1].split("/", 1)[0]
    return Table(name.rsplit("-", 1)[1]).value


def _text(typed: Any) -> Any:
    """A typed image whose bytes are text: a Lambda event has them so already, another reader may not."""
    if isinstance(typed, dict):
        return {name: _text(value) for name, value in typed.items()}
    if isinstance(typed, list):
        return [_text(value) for value in typed]
    return base64.b64encode(typed).decode() if isinstance(typed, bytes) else typed
