"""An in-process stage: every table and bucket on moto, a clock moved by hand, and doors that write down what they did.

moto alone does not serialise transactions; ``serialised`` puts one lock round its DynamoDB backend, as platform.md 4
asks before any claim about concurrency, and round its S3, which closes an object under a reader when it is put again.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend
from moto.s3.responses import S3Response

from roamclear.aws.db import Tables
from roamclear.aws.objects import Buckets
from roamclear.kernel.clock import ManualClock
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import Unavailable
from roamclear.kernel.writes import Table
from tests.support.fonts import SCHEMAS

REGION = "eu-central-1"
NAMES = {table: f"t-{table.value}" for table in Table}
INDEXES = {Table.CLEARING: 3, Table.INTAKE: 1, Table.LEDGER: 1}
ALL_COLUMNS = {Table.LEDGER}
BUCKETS = {name: f"b-{name}" for name in ("documents", "inbox", "exports", "archive", "changes")}
_LOCK = threading.RLock()


@dataclass
class SentMail:
    """A mail the fake door took."""

    raw: bytes
    sender: str
    recipients: tuple[str, ...]


@dataclass
class MailSink:
    """``Mailer`` that keeps what it is given."""

    sent: list[SentMail] = field(default_factory=list)

    def send(self, raw: bytes, *, sender: str, recipients: Sequence[str]) -> str:
        """Keep a mail and number it."""
        self.sent.append(SentMail(raw, sender, tuple(recipients)))
        return f"mail-{len(self.sent)}"


@dataclass
class WorkflowLog:
    """``Workflows`` that keeps starts, completions and wake-ups."""

    started: dict[str, Row] = field(default_factory=dict)
    completed: list[tuple[str, Row]] = field(default_factory=list)
    wakes: set[datetime] = field(default_factory=set)

    def start_close(self, name: str, payload: Row) -> bool:
        """Keep a start; a second one under the same name is none."""
        if name in self.started:
            return False
        self.started[name] = payload
        return True

    def complete(self, task_token: str, output: Row) -> bool:
        """Keep a completion; a token is completed once."""
        if any(token == task_token for token, _ in self.completed):
            return False
        self.completed.append((task_token, output))
        return True

    def wake_at(self, at: datetime) -> None:
        """Keep a wish to be woken."""
        self.wakes.add(at)


@dataclass
class SealBook:
    """``Sealer`` that writes down what it sealed and for what."""

    sealed: dict[bytes, tuple[str, dict[str, str]]] = field(default_factory=dict)

    def seal(self, text: str, bound_to: Mapping[str, str]) -> bytes:
        """Keep a text under a number that says nothing of it."""
        number = f"sealed-{len(self.sealed) + 1}".encode()
        self.sealed[number] = (text, dict(bound_to))
        return number

    def unseal(self, sealed: bytes, bound_to: Mapping[str, str]) -> str:
        """The text, for what it was sealed for."""
        text, to = self.sealed.get(sealed, ("", {}))
        if to != dict(bound_to):
            raise Unavailable("the key service did not unseal")
        return text


@dataclass
class Stage:
    """A stage in a process."""

    ctx: Context
    clock: ManualClock
    mail: MailSink
    workflows: WorkflowLog
    tables: Tables
    client: Any


def create_tables(client: Any) -> None:
    """The five tables with the keys and indexes of the template."""
    for table, name in NAMES.items():
        attributes = ["pk", "sk"]
        indexes = []
        for number in range(1, INDEXES.get(table, 0) + 1):
            attributes += [f"gsi{number}pk", f"gsi{number}sk"]
            indexes.append(
                {
                    "IndexName": f"gsi{number}",
                    "KeySchema": [
                        {"AttributeName": f"gsi{number}pk", "KeyType": "HASH"},
                        {"AttributeName": f"gsi{number}sk", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL" if table in ALL_COLUMNS else "KEYS_ONLY"},
                }
            )
        request: dict[str, Any] = {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": a, "AttributeType": "S"} for a in attributes],
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        }
        if indexes:
            request["GlobalSecondaryIndexes"] = indexes
        client.create_table(**request)


def _locked(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _LOCK:
            return method(*args, **kwargs)

    return call


_SERIALISED: tuple[tuple[type[Any], tuple[str, ...]], ...] = (
    (
        DynamoDBBackend,
        ("put_item", "update_item", "delete_item", "get_item", "query", "transact_write_items", "batch_get_item"),
    ),
    (S3Response, ("ambiguous_response", "bucket_response", "key_response")),
)


@contextmanager
def serialised() -> Iterator[None]:
    """One lock round moto's DynamoDB backend and round its answers of S3 while the block runs."""
    originals = [(owner, name, getattr(owner, name)) for owner, names in _SERIALISED for name in names]
    for owner, name, method in originals:
        setattr(owner, name, _locked(method))
    try:
        yield
    finally:
        for owner, name, method in originals:
            setattr(owner, name, method)


@contextmanager
def stage(now: datetime = datetime(2026, 10, 1, tzinfo=UTC)) -> Iterator[Stage]:
    """A fresh stage; everything in it is gone afterwards."""
    with mock_aws(), serialised():
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        client = boto3.client("dynamodb", **keys)
        s3 = boto3.client("s3", **keys)
        create_tables(client)
        for name in BUCKETS.values():
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        clock = ManualClock(now)
        mail, workflows = MailSink(), WorkflowLog()
        tables = Tables(client, NAMES)
        ctx = Context(
            clock=clock,
            db=tables,
            objects=Buckets(lambda: s3, BUCKETS),
            mailer=mail,
            workflows=workflows,
            sealer=SealBook(),
            public_base_url="https://clearing.roamclear.example",
            schemas_dir=str(SCHEMAS),
        )
        yield Stage(ctx, clock, mail, workflows, tables, client)
