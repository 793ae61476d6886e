"""The table door against a real request path."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from roamclear.aws import db
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.writes import Check, Key, Put, Remove, Table, Update, When

ROW = Key("a#X", "HEAD")


def put(ctx: Context, key: Key, **item: object) -> None:
    ctx.db.write(Put(Table.CLEARING, key, item))


def test_a_row_is_created_once(ctx: Context) -> None:
    put(ctx, ROW, n=1, d=Decimal("1.5"), raw=b"x", gone=None)
    with pytest.raises(ConditionFailed) as lost:
        put(ctx, ROW, n=2)
    assert lost.value.current is not None
    assert lost.value.current["n"] == 1
    assert lost.value.table == "clearing"
    assert ctx.db.get(Table.CLEARING, ROW) == {"pk": "a#X", "sk": "HEAD", "n": 1, "d": Decimal("1.5"), "raw": b"x"}


def test_update_sets_adds_and_removes_under_a_condition(ctx: Context) -> None:
    put(ctx, ROW, state="OPEN", n=1, old="x")
    ctx.db.write(
        Update(
            Table.CLEARING, ROW, put={"state": "SHUT", "x": None}, add={"n": 2}, remove=("old",),
            when=(When("state", "in", ("OPEN", "AJAR")), When("n", "<=", 1)),
        )
    )  # fmt: skip
    assert ctx.db.get(Table.CLEARING, ROW) == {"pk": "a#X", "sk": "HEAD", "state": "SHUT", "n": 3}
    with pytest.raises(ConditionFailed):
        ctx.db.write(Update(Table.CLEARING, ROW, put={"n": 9}, when=(When("state", "=", "OPEN"),)))


def test_a_transaction_is_all_or_nothing_and_names_the_loser(ctx: Context) -> None:
    put(ctx, ROW, state="OPEN")
    other = Key("a#Y", "HEAD")
    with pytest.raises(ConditionFailed) as lost:
        ctx.db.transact(
            [Put(Table.CLEARING, other, {"n": 1}), Check(Table.CLEARING, ROW, (When("state", "=", "SHUT"),))]
        )
    assert lost.value.index == 1
    assert ctx.db.get(Table.CLEARING, other) is None
    ctx.db.transact([Put(Table.CLEARING, other, {"n": 1}), Remove(Table.CLEARING, ROW, (When("state", "=", "OPEN"),))])
    assert ctx.db.get(Table.CLEARING, ROW) is None


def test_a_transaction_whose_answer_was_lost_is_asked_for_again_under_its_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under a new token what adds would add twice; a contention that cancelled it needs a new one."""
    tokens: list[str] = []
    answers = iter(["TransactionInProgressException", "TransactionCanceledException", None])

    class Client:
        def transact_write_items(self, **request: Any) -> dict[str, Any]:
            tokens.append(request["ClientRequestToken"])
            code = next(answers)
            if code is None:
                return {}
            reasons = [{"Code": "TransactionConflict"}]
            raise ClientError({"Error": {"Code": code}, "CancellationReasons": reasons}, "TransactWriteItems")  # type: ignore[typeddict-unknown-key]

    monkeypatch.setattr(db, "_pause", lambda attempt: None)
    db.Tables(Client(), {Table.CLEARING: "t"}).transact([Update(Table.CLEARING, ROW, add={"n": 1})])
    first, again, other = tokens
    assert first == again != other


def test_pages_bounds_and_counts(ctx: Context) -> None:
    for n in range(25):
        put(ctx, Key("a#L", f"{n:03d}"), gsi1pk="a#I", gsi1sk=f"{n:03d}")
    page = ctx.db.page(Table.CLEARING, "a#L", limit=10)
    assert [r["sk"] for r in page.rows] == [f"{n:03d}" for n in range(10)]
    rest = ctx.db.page(Table.CLEARING, "a#L", start=page.next)
    assert len(rest.rows) == 15
    assert rest.next is None
    assert [r["sk"] for r in ctx.db.rows(Table.CLEARING, "a#L", after="005", before="008")] == ["005", "006", "007"]
    assert ctx.db.count(Table.CLEARING, "a#I", index="gsi1", after="005", before="008") == 3
    assert len(list(ctx.db.rows(Table.CLEARING, "a#L", prefix="02"))) == 5
    assert [r["sk"] for r in ctx.db.rows(Table.CLEARING, "a#L", before="002")] == ["000", "001"]


def test_many_rows_by_key(ctx: Context) -> None:
    for n in range(120):
        put(ctx, Key("a#M", f"{n:03d}"), n=n)
    found = ctx.db.get_many(Table.CLEARING, [Key("a#M", f"{n:03d}") for n in range(130)])
    assert len(found) == 120
    assert found[Key("a#M", "119")]["n"] == 119
