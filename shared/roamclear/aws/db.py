"""The tables over boto3's DynamoDB client: requests out of plain writes, botocore errors into the house's tree."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from roamclear.kernel.context import Page, Row
from roamclear.kernel.errors import Busy, ConditionFailed, InvariantBroken, Unavailable
from roamclear.kernel.writes import Action, Key, Put, Table, Update, When, Write

_serialise = TypeSerializer().serialize
_deserialise = TypeDeserializer().deserialize
_TRIES = 10
_THROTTLED = {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}


@dataclass(slots=True)
class Tables:
    """``Database`` over one client. ``names`` maps the table's role to its physical name."""

    client: Any
    names: Mapping[Table, str]

    def get(self, table: Table, key: Key, *, consistent: bool = True) -> Row | None:
        """One row or None."""
        answer = self._call("get_item", TableName=self.names[table], Key=_key(key), ConsistentRead=consistent)
        return _row(answer["Item"]) if "Item" in answer else None

    def get_many(self, table: Table, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Row]:
        """Rows by key in batches of 100; unprocessed keys are asked for again."""
        found: dict[Key, Row] = {}
        unique = list(dict.fromkeys(keys))
        for at in range(0, len(unique), 100):
            wanted: list[Any] = [_key(k) for k in unique[at : at + 100]]
            for attempt in range(_TRIES):
                request: dict[str, Any] = {self.names[table]: {"Keys": wanted, "ConsistentRead": consistent}}
                answer = self._call("batch_get_item", RequestItems=request)
                for item in answer["Responses"].get(self.names[table], []):
                    row = _row(item)
                    found[Key(row["pk"], row["sk"])] = row
                rest = answer.get("UnprocessedKeys", {}).get(self.names[table])
                if not rest:
                    break
                wanted = list(rest["Keys"])
                _pause(attempt)
            else:
                raise Busy("the table did not answer all keys")
        return found

    def page(
        self,
        table: Table,
        pk: str,
        *,
        index: str | None = None,
        prefix: str | None = None,
        after: str | None = None,
        before: str | None = None,
        forward: bool = True,
        limit: int | None = None,
        start: dict[str, Any] | None = None,
        consistent: bool = False,
    ) -> Page:
        """One page of a partition (see ``Database.page``)."""
        request = self._query(table, pk, index, prefix, after, before)
        request |= {"ScanIndexForward": forward, "ConsistentRead": consistent and index is None}
        if limit is not None:
            request["Limit"] = limit
        if start is not None:
            request["ExclusiveStartKey"] = {name: {"S": value} for name, value in start.items()}
        answer = self._call("query", **request)
        last = answer.get("LastEvaluatedKey")
        return Page([_row(i) for i in answer["Items"]], {k: v["S"] for k, v in last.items()} if last else None)

    def rows(
        self,
        table: Table,
        pk: str,
        *,
        index: str | None = None,
        prefix: str | None = None,
        after: str | None = None,
        before: str | None = None,
        forward: bool = True,
        consistent: bool = False,
    ) -> Iterator[Row]:
        """All rows of a partition between bounds."""
        start: dict[str, Any] | None = None
        while True:
            page = self.page(
                table,
                pk,
                index=index,
                prefix=prefix,
                after=after,
                before=before,
                forward=forward,
                start=start,
                consistent=consistent,
            )
            yield from page.rows
            if page.next is None:
                return
            start = page.next

    def count(self, table: Table, pk: str, *, index: str | None = None, after: str, before: str) -> int:
        """How many rows lie between bounds."""
        request = self._query(table, pk, index, None, after, before) | {"Select": "COUNT"}
        result = 0
        while True:
            answer = self._call("query", **request)
            result += int(answer["Count"])
            if "LastEvaluatedKey" not in answer:
                return result
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def write(self, write: Write) -> None:
        """One conditional write; a lost condition comes with the row that was found."""
        verb, request = self._action(write)
        try:
            self._call(_SINGLE[verb], **request)
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
            raise _lost(write, 0, error.response.get("Item")) from error

    def write_and_read(self, update: Update) -> Row:
        """One update and the whole row as it left it."""
        verb, request = self._action(update)
        try:
            return _row(self._call(_SINGLE[verb], **request, ReturnValues="ALL_NEW")["Attributes"])
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
            raise _lost(update, 0, error.response.get("Item")) from error

    def transact(self, actions: Sequence[Action]) -> None:
        """All or nothing; contention is tried again with jitter, a lost condition names its action."""
        if not 1 <= len(actions) <= 100:
            raise InvariantBroken("a transaction has 1 to 100 actions", count=len(actions))
        items = [{verb: request} for verb, request in map(self._action, actions)]
        token = _token()
        for attempt in range(_TRIES):
            try:
                self._call("transact_write_items", TransactItems=items, ClientRequestToken=token)
                return
            except ClientError as error:
                if _code(error) == "TransactionInProgressException":
                    # Our own, whose answer was lost: under its token it happens once, whatever it comes to.
                    _pause(attempt)
                    continue
                if _code(error) != "TransactionCanceledException":
                    raise
                _raise_lost_condition(error, actions)
                token = _token()
                _pause(attempt)
        raise Busy("a transaction met contention too often")

    def _query(
        self, table: Table, pk: str, index: str | None, prefix: str | None, after: str | None, before: str | None
    ) -> dict[str, Any]:
        hash_name, range_name = (f"{index}pk", f"{index}sk") if index else ("pk", "sk")
        names = {"#p": hash_name}
        values: dict[str, Any] = {":p": {"S": pk}}
        condition = "#p = :p"
        if prefix is not None:
            condition += " AND begins_with(#s, :x)"
            values[":x"] = {"S": prefix}
        elif after is not None and before is not None:
            # BETWEEN is inclusive on both sides: the upper bound is made exclusive by a text just below it.
            condition += " AND #s BETWEEN :a AND :b"
            values |= {":a": {"S": after}, ":b": {"S": _below(before)}}
        elif after is not None:
            condition += " AND #s >= :a"
            values[":a"] = {"S": after}
        elif before is not None:
            condition += " AND #s < :b"
            values[":b"] = {"S": before}
        if "#s" in condition:
            names["#s"] = range_name
        request: dict[str, Any] = {
            "TableName": self.names[table],
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        if index:
            request["IndexName"] = index
        return request

    def _action(self, action: Action) -> tuple[str, dict[str, Any]]:
        request: dict[str, Any] = {"TableName": self.names[action.table]}
        expression = _Expression()
        if isinstance(action, Put):
            row = {"pk": action.key.pk, "sk": action.key.sk, **action.item}
            request["Item"] = {name: _serialise(value) for name, value in row.items() if value is not None}
            verb = "Put"
        else:
            request["Key"] = _key(action.key)
            verb = type(action).__name__.replace("Check", "ConditionCheck").replace("Remove", "Delete")
            if isinstance(action, Update):
                request["UpdateExpression"] = expression.update(action)
        if action.when:
            request["ConditionExpression"] = expression.condition(action.when)
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if expression.names:
            request["ExpressionAttributeNames"] = expression.names
        if expression.values:
            request["ExpressionAttributeValues"] = expression.values
        return verb, request

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self.client, operation)(**request)
            return answer
        except ClientError as error:
            code = _code(error)
            if code in _THROTTLED:
                raise Busy("the table is overloaded") from error
            if code in {"InternalServerError", "ServiceUnavailable"}:
                raise Unavailable("the table does not answer") from error
            raise


_SINGLE = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}


class _Expression:
    """Collects names and values of one request's expressions."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def name(self, attribute: str) -> str:
        alias = f"#n{len(self.names)}"
        for known, real in self.names.items():
            if real == attribute:
                return known
        self.names[alias] = attribute
        return alias

    def value(self, value: Any) -> str:
        alias = f":v{len(self.values)}"
        self.values[alias] = _serialise(value)
        return alias

    def condition(self, terms: tuple[When, ...]) -> str:
        return " AND ".join(self._term(term) for term in terms)

    def _term(self, term: When) -> str:
        name = self.name(term.attribute)
        if term.operator == "exists":
            return f"attribute_exists({name})"
        if term.operator == "absent":
            return f"attribute_not_exists({name})"
        if term.operator == "in":
            return f"{name} IN ({', '.join(self.value(v) for v in term.value)})"
        if term.operator == "prefix":
            return f"begins_with({name}, {self.value(term.value)})"
        return f"{name} {term.operator} {self.value(term.value)}"

    def update(self, action: Update) -> str:
        removed = [*action.remove, *(name for name, value in action.put.items() if value is None)]
        parts = []
        kept = {name: value for name, value in action.put.items() if value is not None}
        if kept:
            parts.append("SET " + ", ".join(f"{self.name(n)} = {self.value(v)}" for n, v in kept.items()))
        if action.add:
            parts.append("ADD " + ", ".join(f"{self.name(n)} {self.value(v)}" for n, v in action.add.items()))
        if removed:
            parts.append("REMOVE " + ", ".join(self.name(n) for n in removed))
        return " ".join(parts)


def _raise_lost_condition(error: ClientError, actions: Sequence[Action]) -> None:
    for index, reason in enumerate(error.response.get("CancellationReasons", [])):
        if reason.get("Code") == "ConditionalCheckFailed":
            raise _lost(actions[index], index, reason.get("Item")) from error
    codes = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])} - {"None", None}
    if not codes & {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}:
        raise InvariantBroken("a transaction was refused", reasons=sorted(str(c) for c in codes)) from error


def _lost(action: Action, index: int, current: Any) -> ConditionFailed:
    return ConditionFailed(
        f"{type(action).__name__} of {action.table.value}:{action.key.sk} was refused",
        index=index,
        table=action.table.value,
        current=_row(current) if current else None,
    )


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _row(item: Any) -> Row:
    return {name: _native(_deserialise(value)) for name, value in item.items()}


def _native(value: Any) -> Any:
    """boto3's Binary becomes bytes; a Decimal that is an integer literal becomes an int."""
    if isinstance(value, dict):
        return {k: _native(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_native(v) for v in value]
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else value
    return bytes(value) if hasattr(value, "value") else value


def _below(text: str) -> str:
    """The greatest useful text below another one, for an exclusive upper bound of BETWEEN."""
    return text[:-1] + chr(ord(text[-1]) - 1) + "\uffff"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _token() -> str:
    return secrets.token_hex(16)


def _pause(attempt: int) -> None:
    milliseconds = random.randrange(1 + min(1000, 20 * 2**attempt))
    time.sleep(milliseconds / 1000)
