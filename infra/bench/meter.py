"""Counts DynamoDB write and read units from the requests themselves, as AWS bills on-demand tables.

A write costs one unit per started KB of the larger of old and new row, each index entry that is written or removed
costs one more per started KB of its projection, and a transaction doubles both. A refused conditional write costs like
a written one. A read costs one unit per started 4 KB, half of it when eventually consistent.
Source: Amazon DynamoDB Developer Guide, "DynamoDB on-demand capacity mode" and "Read/write capacity for transactions".
"""

from __future__ import annotations

from collections import defaultdict
from math import ceil
from typing import Any

INDEXES = ("gsi1", "gsi2", "gsi3")


def size_of(item: dict[str, Any] | None) -> int:
    """Bytes of a row as DynamoDB counts them: names and values in UTF-8."""
    if not item:
        return 0
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(typed: dict[str, Any]) -> int:
    kind, value = next(iter(typed.items()))
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return len(value.lstrip("-").replace(".", "")) // 2 + 2
    if kind == "B":
        return len(value)
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "M":
        return 3 + size_of(value) + len(value)
    if kind == "L":
        return 3 + sum(_value(v) + 1 for v in value)
    raise ValueError(kind)


class Meter:
    """A DynamoDB client that adds up what its requests cost, per step named in ``step``."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.step = "-"
        self.writes: dict[str, float] = defaultdict(float)
        self.reads: dict[str, float] = defaultdict(float)
        self.requests: dict[str, int] = defaultdict(int)
        #: Every new image, as the stream carries it: (table, key, image).
        self.images: list[tuple[str, str, dict[str, Any]]] = []

    def put_item(self, **request: Any) -> Any:
        """Counted put."""
        key = {"pk": request["Item"]["pk"], "sk": request["Item"]["sk"]}
        return self._write(self._client.put_item, request, [(request["TableName"], key)], 1)

    def update_item(self, **request: Any) -> Any:
        """Counted update."""
        return self._write(self._client.update_item, request, [(request["TableName"], request["Key"])], 1)

    def delete_item(self, **request: Any) -> Any:
        """Counted removal."""
        return self._write(self._client.delete_item, request, [(request["TableName"], request["Key"])], 1)

    def transact_write_items(self, **request: Any) -> Any:
        """Counted transaction: everything twice."""
        places = []
        for action in request["TransactItems"]:
            (body,) = action.values()
            key = body.get("Key") or {"pk": body["Item"]["pk"], "sk": body["Item"]["sk"]}
            places.append((body["TableName"], key))
        return self._write(self._client.transact_write_items, request, places, 2)

    def get_item(self, **request: Any) -> Any:
        """Counted read."""
        answer = self._client.get_item(**request)
        self._read(size_of(answer.get("Item")), request.get("ConsistentRead", False))
        return answer

    def batch_get_item(self, **request: Any) -> Any:
        """Counted reads, each row by itself."""
        answer = self._client.batch_get_item(**request)
        for table, wanted in request["RequestItems"].items():
            found = answer["Responses"].get(table, [])
            for item in found:
                self._read(size_of(item), wanted.get("ConsistentRead", False), request=False)
            for _ in range(len(wanted["Keys"]) - len(found)):
                self._read(0, wanted.get("ConsistentRead", False), request=False)
        self.requests[self.step] += 1
        return answer

    def query(self, **request: Any) -> Any:
        """Counted query: the sum of what it returns."""
        answer = self._client.query(**request)
        self._read(sum(size_of(i) for i in answer.get("Items", [])), request.get("ConsistentRead", False))
        return answer

    def _read(self, size: int, consistent: bool, *, request: bool = True) -> None:
        self.reads[self.step] += max(1, ceil(size / 4096)) * (1.0 if consistent else 0.5)
        self.requests[self.step] += request

    def _write(self, call: Any, request: dict[str, Any], places: list[tuple[str, Any]], factor: int) -> Any:
        before = [self._row(place) for place in places]
        try:
            return call(**request)
        finally:
            for place, old in zip(places, before, strict=True):
                new = self._row(place)
                self.writes[self.step] += factor * cost_of_write(old, new)
                if new is not None and new != old:
                    self.images.append((place[0], f"{new['pk']['S']} {new['sk']['S']}", new))
            self.requests[self.step] += 1

    def _row(self, place: tuple[str, Any]) -> dict[str, Any] | None:
        table, key = place
        found: dict[str, Any] | None = self._client.get_item(TableName=table, Key=key).get("Item")
        return found


def cost_of_write(old: dict[str, Any] | None, new: dict[str, Any] | None) -> int:
    """Units of one write with its index entries (keys only), without the factor of a transaction."""
    units = max(1, ceil(max(size_of(old), size_of(new)) / 1024))
    for index in INDEXES:
        before, after = _entry(old, index), _entry(new, index)
        if before != after:
            units += (before is not None) + (after is not None)
    return units


def _entry(item: dict[str, Any] | None, index: str) -> tuple[Any, Any] | None:
    if not item or f"{index}pk" not in item:
        return None
    return item[f"{index}pk"]["S"], item[f"{index}sk"]["S"]
