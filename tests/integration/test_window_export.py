"""The list of a run as a file, from the first minute of its window on (product.md row 35)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from functions.export_window import handler as function
from roamclear.billing import service as billing
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Claim, Reason
from roamclear.documents.checks import missing
from roamclear.identity.model import Role
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from roamclear.packages import exporting, window
from roamclear.packages import service as packages
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.fonts import with_fonts
from tests.support.handlers import Invocation
from tests.support.memory_stage import fresh
from tests.support.moto_stack import BUCKETS, Stage

RUN = month.REQUEST.run_id


@pytest.fixture
def memory() -> Stage:
    """Three sessions in a window that opened this minute."""
    return opened(fresh())


def opened(stage: Stage) -> Stage:
    with_fonts(stage.ctx)
    month.start(stage)
    for n in range(1, 4):
        month.push(stage, b.cdr(n))
    month.open_run(stage)
    return stage


def ask(stage: Stage, kind: str = "csv", **more: Any) -> exporting.Export:
    return exporting.export(stage.ctx, b.emsp_user(), b.ISSUER, RUN, kind=kind, **more)


def requests(stage: Stage) -> list[str]:
    return list(stage.ctx.objects.keys("inbox", exporting.FOLDER))


def drawn(stage: Stage, kind: str = "csv") -> bytes:
    """Ask, draw and take."""
    assert ask(stage, kind).files == ()
    (key,) = window.draw(stage.ctx, requests(stage)[-1])
    (name, link) = ask(stage, kind).files[0]
    assert key.rsplit("/", 1)[1] == name
    assert name in link
    return stage.ctx.objects.get("exports", key) or b""


def test_every_format_says_the_same_from_the_first_minute_on(memory: Stage) -> None:
    disputes.file(memory.ctx, b.emsp_user(), b.ISSUER, Claim(cdr_ref="DEVWK*CDR-000002", reason=Reason.FRAUD))
    table = list(csv.DictReader(io.StringIO(drawn(memory, "csv").decode("utf-8-sig"))))
    assert [(r["CDR id"], r["Dispute outcome"], r["Net EUR"]) for r in table] == [
        ("CDR-000001", "", "8.30"),
        ("CDR-000002", "OPEN", "8.30"),
        ("CDR-000003", "", "8.30"),
    ]
    lines = [numbers_json.loads(line) for line in drawn(memory, "ndjson").splitlines()]
    assert [(line["cdr_id"], line["net"]) for line in lines] == [(r["CDR id"], Decimal(r["Net EUR"])) for r in table]
    book = openpyxl.load_workbook(io.BytesIO(drawn(memory, "xlsx")), data_only=True)
    assert [c.value for c in book["Sessions"]["D"]][1:4] == [r["CDR id"] for r in table]
    summary = {row[0]: row[1] for row in book["Summary"].iter_rows(values_only=True)}
    assert (summary["Document"], summary["Net of document"]) == ("not issued yet", 24.9)


def test_a_list_is_drawn_once_and_anew_after_a_minute(memory: Stage) -> None:
    first = ask(memory)
    assert first.files == ()
    memory.clock.advance(timedelta(seconds=30))
    assert ask(memory) == first
    assert len(requests(memory)) == 1
    keys = window.draw(memory.ctx, requests(memory)[0])
    assert window.draw(memory.ctx, requests(memory)[0]) == keys
    assert [name for name, _ in ask(memory).files] == [keys[0].rsplit("/", 1)[1]]
    memory.clock.advance(timedelta(seconds=31))
    second = ask(memory)
    assert second.files == ()
    assert second.as_of is not None
    assert first.as_of is not None
    assert second.as_of > first.as_of
    assert len(ask(memory, as_of=first.as_of).files) == 1
    assert len(requests(memory)) == 2


def test_what_an_event_lost_is_drawn_by_the_schedule_and_what_never_came_is_asked_again(memory: Stage) -> None:
    ask(memory)
    assert window.waiting(memory.ctx) == requests(memory)
    memory.clock.advance(timedelta(minutes=16))
    assert window.waiting(memory.ctx) == []
    ask(memory)
    assert len(requests(memory)) == 2
    assert window.waiting(memory.ctx) == [requests(memory)[1]]


def test_what_left_the_window_stands_apart(memory: Stage) -> None:
    actor = b.emsp_user()
    made = disputes.file(memory.ctx, actor, b.ISSUER, Claim(cdr_ref="DEVWK*CDR-000001", reason=Reason.NO_SUCH_SESSION))
    disputes.accept(memory.ctx, b.actor(Role.FINANCE), b.ISSUER, made.dispute_id)
    book = openpyxl.load_workbook(io.BytesIO(drawn(memory, "xlsx")), data_only=True)
    assert [row[0] for row in book["Not included"].iter_rows(min_row=2, values_only=True)] == ["CDR-000001"]
    assert [c.value for c in book["Sessions"]["D"]][1:3] == ["CDR-000002", "CDR-000003"]


def test_a_locked_run_is_drawn_and_an_issued_one_gives_its_own_files(memory: Stage) -> None:
    memory.clock.set(month.CLOSES + timedelta(seconds=61))
    run = billing.lock(memory.ctx, b.ISSUER, RUN)
    assert b"CDR-000001" in drawn(memory)
    billing.issue(memory.ctx, b.ISSUER, run.run_id, missing)
    memory.clock.advance(timedelta(minutes=2))
    assert ask(memory).files == ()
    packages.render_sessions(memory.ctx, b.ISSUER, RUN)
    for kind in exporting.FORMATS:
        assert [name for name, _ in ask(memory, kind).files] == [f"VW-2026-000001.{kind}"]


def test_who_may_and_what_is_refused(memory: Stage) -> None:
    with pytest.raises(NotFound):
        exporting.export(memory.ctx, b.emsp_user("C-OTHER"), b.ISSUER, RUN, kind="csv")
    with pytest.raises(Forbidden):
        exporting.export(memory.ctx, b.actor(Role.SUB_CPO_USER), b.ISSUER, RUN, kind="csv")
    with pytest.raises(InvalidInput, match="a format is one of"):
        ask(memory, "pdf")
    with pytest.raises(NotFound, match="no list of this instant"):
        ask(memory, as_of=month.OPENS - timedelta(days=1))
    for strange in ("windows/x", "windows/voltwerk/../20261102T090000Z.csv", "compare/voltwerk/M-1.csv"):
        with pytest.raises(NotFound):
            window.draw(memory.ctx, strange)
    early = fresh()
    month.start(early)
    early.clock.set(datetime(2026, 10, 31, 23, 5, tzinfo=UTC))
    billing.prepare(early.ctx, month.REQUEST)
    with pytest.raises(Conflict, match="not open yet"):
        ask(early)


def test_over_the_api_and_the_function(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(stage)
    monkeypatch.setattr(function, "compose", lambda: stage.ctx)
    with environment(stage):
        api = Api(stage)
        path = f"/v1/runs/{RUN}/export"
        reply = api.call("GET", path, "EMSP_USER", contract_id=b.CONTRACT, format="xlsx")
        assert (reply.status, reply.body["files"]) == (202, [])
        (key,) = requests(stage)
        event = {
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": BUCKETS["inbox"]}, "object": {"key": key}},
        }
        assert len(function.handler(event, Invocation("export_window"))["keys"]) == 1
        assert function.handler({"reason": "schedule"}, Invocation("export_window")) == {"keys": []}
        as_of = reply.body["as_of"]
        reply = api.call("GET", path, "EMSP_USER", contract_id=b.CONTRACT, format="xlsx", as_of=as_of)
        assert reply.status == 200
        assert reply.body["files"][0]["name"].endswith(".xlsx")
        assert api.call("GET", path, "EMSP_USER", contract_id="C-OTHER", format="xlsx").status == 404
        assert api.call("GET", path, "EMSP_USER", contract_id=b.CONTRACT).body["field"] == "format"
        reply = api.call("GET", path, "EMSP_USER", contract_id=b.CONTRACT, format="csv", as_of="soon")
        assert (reply.status, reply.body["field"]) == (422, "as_of")
