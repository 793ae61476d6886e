"""Every function by its real handler and its sample events: once, once more, and with nonsense (house.md 4)."""

# Longer than 400 lines: every function stands here, so that a new one without a sample is missed in one place.

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.catalogue import BY_NAME, CLOSE_TASKS
from roamclear.aws import changes
from roamclear.billing import service as billing
from roamclear.billing.model import RunState
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Billing
from roamclear.facts import service as facts
from roamclear.identity import service as identity
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionRow, ExceptionType
from roamclear.kernel.errors import InvalidInput, NotFound, RoamclearError
from roamclear.kernel.writes import Table
from roamclear.links import service as links
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api
from tests.support.fonts import with_fonts
from tests.support.handlers import call, on, sample, samples
from tests.support.moto_stack import BUCKETS, NAMES, Stage
from tests.support.ocpi_partner import connect

ROOT = Path(__file__).resolve().parents[2]
RUN = month.REQUEST.run_id
#: The tasks of a close in their order with their sample and, where the clock has to move first, the instant.
CHAIN: tuple[tuple[str, str, datetime | None], ...] = (
    ("prepare_run", "task", datetime(2026, 10, 31, 23, 5, tzinfo=UTC)),
    ("park_run", "opens", None),
    ("open_window", "task", month.OPENS),
    ("park_run", "closes", None),
    ("lock_sessions", "task", month.CLOSES + timedelta(seconds=61)),
    ("issue_invoice", "task", None),
    ("render_invoice_pdf", "task", None),
    ("render_session_xlsx", "task", None),
    ("send_invoice", "task", None),
    ("finish_run", "task", None),
)


@pytest.fixture
def house(stage: Stage) -> Iterator[Stage]:
    """A stage with an issuer, a contract and three sessions, behind every handler."""
    with_fonts(stage.ctx)
    stage.clock.set(datetime(2026, 10, 1, tzinfo=UTC))
    month.start(stage)
    for n in range(1, 4):
        month.push(stage, b.cdr(n))
    with on(stage.ctx):
        yield stage


def snapshot(stage: Stage) -> dict[str, Any]:
    """Every row and every object but the beat of the sweeps, and how many mails and starts there were."""
    rows = {
        name: [row for row in stage.client.scan(TableName=name)["Items"] if row["pk"] != {"S": "@#MODE"}]
        for name in NAMES.values()
    }
    objects = {
        (role, key): stage.ctx.objects.get(role, key)
        for role in BUCKETS
        for key in stage.ctx.objects.keys(role)
        if key != "@/beat.json"
    }
    tables = {
        name: sorted(json.dumps(row, sort_keys=True, default=str) for row in found) for name, found in rows.items()
    }
    return {"rows": tables, "objects": objects, "mails": len(stage.mail.sent), "starts": dict(stage.workflows.started)}


def play(stage: Stage, until: int) -> Any:
    """The first tasks of the close; returns the answer of the last one."""
    answer = None
    for function, name, at in CHAIN[:until]:
        if at is not None:
            stage.clock.set(at)
        answer = call(function, sample(function, name))
    return answer


# ---- the library ---------------------------------------------------------------------------------------------------
def test_every_function_has_samples_a_line_in_the_list_and_a_test() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}
    assert folders == set(BY_NAME)
    listed = (ROOT / "events" / "README.md").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "integration").glob("test_*.py"))
    for function in sorted(folders):
        assert samples(function), function
        (line,) = (row for row in listed.splitlines() if row.startswith(f"| `{function}` |"))
        for name in samples(function):
            assert f"`{name}.json`" in line, f"{function}/{name}.json is not in the list"
        assert f'"{function}"' in tests, f"no test calls {function}"
    assert {path.name for path in (ROOT / "events").iterdir() if path.is_dir()} == folders


# ---- tasks of the close --------------------------------------------------------------------------------------------
def test_the_tasks_close_a_month(house: Stage) -> None:
    stage = house
    assert play(stage, 1) == {"outcome": "READY", "issuer_id": b.ISSUER, "run_id": RUN}
    assert call("park_run", sample("park_run", "opens")) == {"parked": "OPENS"}
    assert call("open_window", sample("open_window", "task")) == {"outcome": "NOT_YET"}
    stage.clock.set(month.OPENS)
    assert call("open_window", sample("open_window", "task")) == {"outcome": "OPEN", "members": 3}
    assert call("lock_sessions", sample("lock_sessions", "task")) == {"outcome": "NOT_YET"}
    stage.clock.set(month.CLOSES + timedelta(seconds=61))
    locked = call("lock_sessions", sample("lock_sessions", "task"))
    assert locked == {"outcome": "LOCKED", "locked": 3, "needs_approval": False}
    issued = call("issue_invoice", sample("issue_invoice", "task"))
    assert issued == {"outcome": "DONE", "state": "ISSUED", "numbers": ["VW-2026-000001"]}
    drawn = call("render_invoice_pdf", sample("render_invoice_pdf", "task"))["keys"]
    drawn += call("render_session_xlsx", sample("render_session_xlsx", "task"))["keys"]
    assert sorted(Path(key).suffix for key in drawn) == [".csv", ".ndjson", ".pdf", ".xlsx", ".xml", ".xml"]
    assert len(call("send_invoice", sample("send_invoice", "task"))["messages"]) == 1
    assert call("finish_run", sample("finish_run", "task")) == {"state": "SENT", "numbers": ["VW-2026-000001"]}
    assert call("prepare_run", sample("prepare_run", "task"))["outcome"] == "ALREADY_DONE"


@pytest.mark.parametrize("place", range(len(CHAIN)), ids=[f"{c[0]}-{c[1]}" for c in CHAIN])
def test_a_task_that_runs_again_changes_nothing(house: Stage, place: int) -> None:
    first = play(house, place + 1)
    before = snapshot(house)
    function, name, _ = CHAIN[place]
    assert call(function, sample(function, name)) == first
    assert snapshot(house) == before


def test_an_approval_gate_keeps_its_token(house: Stage) -> None:
    play(house, 5)
    event = sample("park_run", "approved")
    assert call("park_run", event) == call("park_run", event) == {"parked": "APPROVED"}
    run = billing.run(house.ctx, b.ISSUER, RUN)
    assert (run.state, run.approval_token) == (RunState.AWAITING_APPROVAL, event["task_token"])


@pytest.mark.parametrize("function", CLOSE_TASKS)
def test_a_task_refuses_nonsense_and_writes_nothing(house: Stage, function: str) -> None:
    play(house, 3)
    whole = sample(function, samples(function)[0])
    key, other = ("contract_id", "C-NONE") if function == "prepare_run" else ("run_id", "C-NONE.2026-10.CLOSE")
    before = snapshot(house)
    nameless = [{}, {k: v for k, v in whole.items() if k not in (key, "input")}]
    for event in (*nameless, whole | {key: {"S": "x"}}, whole | {"issuer_id": ""}):
        if function == "fail_run" and event in nameless:
            assert call(function, event)["state"] == "NOT_CREATED"
            continue
        with pytest.raises(InvalidInput):
            call(function, event)
    with pytest.raises(NotFound):
        call(function, whole | {key: other})
    assert snapshot(house) == before


@pytest.mark.parametrize(
    "change", [{"period": "2026-13"}, {"period": "2026-11"}, {"kind": "OTHER"}, {"issuer_id": "NO"}]
)
def test_a_close_of_no_ended_period_is_refused(house: Stage, change: dict[str, str]) -> None:
    house.clock.set(month.OPENS)
    before = snapshot(house)
    with pytest.raises((RoamclearError, ValueError)):
        call("prepare_run", sample("prepare_run", "task") | change)
    assert snapshot(house) == before


def test_a_gate_that_does_not_exist_is_refused(house: Stage) -> None:
    play(house, 1)
    before = snapshot(house)
    for gate in ("LATER", "CLOSES"):  # the window has no end yet
        with pytest.raises(InvalidInput):
            call("park_run", sample("park_run", "opens") | {"gate": gate})
    assert snapshot(house) == before


def failed_runs(house: Stage) -> list[ExceptionRow]:
    """The open exceptions of runs."""
    rows = journal.listed(house.ctx, b.actor("FINANCE"), b.ISSUER)
    return [row for row in rows if row.kind is ExceptionType.RUN_FAILED]


def test_a_step_that_gave_up_is_marked_once(house: Stage) -> None:
    play(house, 6)
    event = sample("fail_run", "caught")
    assert call("fail_run", event) == call("fail_run", event) == {"state": "ISSUED", "failed_step": "Render"}
    (row,) = failed_runs(house)
    assert (row.kind, row.subject, row.severity) == ("RUN_FAILED", RUN, "HIGH")
    assert billing.run(house.ctx, b.ISSUER, RUN).failed_step == "Render"


def test_an_approval_before_its_gate_is_passed_on(house: Stage) -> None:
    play(house, 5)
    seen = Api(house).call("GET", f"/v1/runs/{RUN}/draft", "FINANCE_APPROVER").body["content_hash"]
    answer = Api(house).call("POST", f"/v1/runs/{RUN}/approve", "FINANCE_APPROVER", {"content_hash": seen})
    assert answer.status == 200
    event = sample("park_run", "approved")
    assert call("park_run", event) == {"parked": "APPROVED"}
    assert house.workflows.completed == [(event["task_token"], {"run_id": RUN, "gate": "APPROVED"})]
    assert billing.run(house.ctx, b.ISSUER, RUN).state is RunState.LOCKED


def test_a_run_is_resumed_once_per_fault_and_told_again(house: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    play(house, 6)
    api, path = Api(house), f"/v1/runs/{RUN}/resume"
    assert api.call("POST", path, "FINANCE").status == 409
    assert api.call("POST", path.replace("C-RON", "C-NONE"), "FINANCE").status == 404
    assert api.call("POST", path, "VIEWER").status == 403
    for attempt in (1, 2):
        call("fail_run", sample("fail_run", "caught"))
        (row,) = failed_runs(house)
        assert row.details == {"step": "Render"}
        # A crash between the count and the start: the next call starts the same name.
        with monkeypatch.context() as crash:
            crash.setattr(type(house.workflows), "start_close", lambda *_: 1 / 0)
            assert api.call("POST", path, "FINANCE").status == 500
        run = api.call("POST", path, "FINANCE")
        assert (run.status, run.body["resumed"], run.body.get("failed_step")) == (200, attempt, None)
        assert failed_runs(house) == []
        assert api.call("POST", path, "FINANCE").status == 409
    assert list(house.workflows.started) == [f"{b.ISSUER}.{RUN}.R1", f"{b.ISSUER}.{RUN}.R2"]


def test_a_close_that_could_not_be_prepared_is_told_to_a_person(house: Stage) -> None:
    house.clock.set(month.OPENS)
    event = sample("fail_run", "not_created")
    assert call("fail_run", event) == call("fail_run", event) == {"state": "NOT_CREATED"}
    (row,) = failed_runs(house)
    assert (row.kind, row.subject) == ("RUN_FAILED", RUN)
    run = Api(house).call("POST", f"/v1/runs/{RUN}/resume", "FINANCE")
    assert (run.status, run.body["state"]) == (200, "GRACE")
    assert list(house.workflows.started) == [f"{b.ISSUER}.{RUN}.R1"]
    assert failed_runs(house) == []


# ---- schedules -----------------------------------------------------------------------------------------------------
def test_the_hourly_start_begins_each_close_once(house: Stage) -> None:
    house.clock.set(month.OPENS)
    event = sample("start_close", "schedule")
    assert call("start_close", event) == {"started": [f"{b.ISSUER}.{RUN}"]}
    assert call("start_close", event) == {"started": []}
    assert call("start_close", {}) == {"started": []}
    assert house.workflows.started == {f"{b.ISSUER}.{RUN}": sample("prepare_run", "task")}


@pytest.mark.parametrize("name", ["schedule", "due"])
def test_the_sweep_lets_what_is_due_go_on_once(house: Stage, name: str) -> None:
    play(house, 2)
    event = sample("sweep", name)
    assert call("sweep", event)["due"] == 0
    house.clock.set(month.OPENS)
    assert call("sweep", event)["due"] == 1
    before = snapshot(house)
    assert call("sweep", event)["due"] == call("sweep", {})["due"] == 0
    assert snapshot(house) == before
    token = sample("park_run", "opens")["task_token"]
    assert house.workflows.completed == [(token, {"run_id": RUN, "gate": "OPENS"})]


def test_facts_that_wait_never_keep_what_is_due_from_its_turn(house: Stage) -> None:
    """Twenty runs that lock at one instant leave more to a sweep than it has time for."""
    play(house, 2)
    house.clock.set(month.OPENS)
    turns = iter([True, False])
    done = facts.sweep(house.ctx, lambda row, error: pytest.fail(f"{row}: {error}"), lambda: next(turns, False))
    assert (done["facts"], done["due"]) == (1, 1)
    done = facts.sweep(house.ctx, lambda row, error: pytest.fail(f"{row}: {error}"))
    assert (done["facts"] > 0, done["due"]) == (True, 0)


def test_a_gate_at_which_no_execution_waits_is_told_after_a_while(house: Stage) -> None:
    """An execution that was stopped can tell nobody; the sweep finds its token dead and the run where it stood."""
    play(house, 2)
    token = sample("park_run", "opens")["task_token"]
    house.workflows.completed.append((token, {}))
    event = sample("sweep", "schedule")
    for minutes, failed in ((0, None), (29, None), (31, "ParkUntilOpen"), (60, "ParkUntilOpen")):
        house.clock.set(month.OPENS + timedelta(minutes=minutes))
        assert call("sweep", event)["due"] == 0
        assert billing.run(house.ctx, b.ISSUER, RUN).failed_step == failed
    (row,) = failed_runs(house)
    assert (row.kind, row.subject, row.details) == ("RUN_FAILED", RUN, {"step": "ParkUntilOpen"})
    assert Api(house).call("POST", f"/v1/runs/{RUN}/resume", "FINANCE").status == 200
    call("park_run", sample("park_run", "opens") | {"task_token": "another"})
    assert call("sweep", event)["due"] == 1


def test_a_token_that_another_sweep_completed_is_forgotten_when_the_run_went_on(house: Stage) -> None:
    play(house, 2)
    token = sample("park_run", "opens")["task_token"]
    house.workflows.completed.append((token, {}))
    house.clock.set(month.OPENS)
    assert call("sweep", sample("sweep", "due"))["due"] == 0
    call("open_window", sample("open_window", "task"))
    assert call("sweep", sample("sweep", "due"))["due"] == 0
    assert list(house.ctx.db.rows(Table.CLEARING, f"{b.ISSUER}#DUE")) == []
    assert failed_runs(house) == []


def test_the_proof_of_a_closed_month_holds(house: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[int] = []
    monkeypatch.setattr("functions.nightly_proof.handler.sleep", paused.append)
    play(house, len(CHAIN))
    house.clock.set(house.clock.now() + timedelta(minutes=2))
    call("sweep", sample("sweep", "schedule"))  # the facts that the stream would have answered
    assert call("nightly_proof", {"retry": False})["holds"], "a copy may still be on its way"
    house.clock.set(house.clock.now() + timedelta(minutes=15))
    broken = call("nightly_proof", {"retry": False})
    assert [e["name"] for e in broken["equations"] if not e["holds"]] == ["ledger entries = archived copies"]
    assert paused == [30]
    rows = house.client.scan(TableName=NAMES[Table.LEDGER])["Items"]
    event = {"Records": [{"eventName": "INSERT", "dynamodb": {"NewImage": row}} for row in rows]}
    call("copy_ledger", event)
    for name in ("schedule", "by_hand"):
        told = call("nightly_proof", sample("nightly_proof", name))
        assert told["holds"]
        assert {e["holds"] for e in told["equations"]} == {True}
    assert told["freed"] == told["expired"] == 0
    before = snapshot(house)
    call("nightly_proof", {})
    assert snapshot(house) == before
    with pytest.raises(NotFound):
        call("nightly_proof", {"issuer_id": "nobody"})


@pytest.mark.parametrize(("function", "key"), [("export_payments", "files"), ("render_payout_statement", "drawn")])
def test_a_payout_schedule_with_nothing_to_do_writes_nothing(house: Stage, function: str, key: str) -> None:
    play(house, len(CHAIN))
    before = snapshot(house)
    for event in (sample(function, "schedule"), sample(function, "by_hand"), {}, {"issuer_id": "nobody"}):
        assert call(function, event) == {key: []}
    assert snapshot(house) == before


def test_a_pull_without_a_registered_cpo_asks_nobody(house: Stage) -> None:
    before = snapshot(house)
    for event in (sample("pull_cdrs", "schedule"), sample("pull_cdrs", "schedule"), {}):
        assert call("pull_cdrs", event) == {"partners": []}
    assert snapshot(house) == before


# ---- streams -------------------------------------------------------------------------------------------------------
def test_a_received_body_is_checked_and_rated_by_the_stream(stage: Stage) -> None:
    month.start(stage)
    raw = b.cdr(1)
    stage.clock.set(datetime.fromisoformat(raw["end_date_time"]) + timedelta(minutes=5))
    body = b.body_of(raw, received=stage.clock.now())
    cdrs.receive(stage.ctx, body)
    event = sample("project_stream", "cdr_received")
    image = event["Records"][0]["dynamodb"]["NewImage"]
    assert base64.b64decode(image["raw"]["B"]) == body.raw
    with on(stage.ctx):
        assert call("project_stream", event) == {"batchItemFailures": []}
        assert month.state(stage, body.cdr_ref)[0] is Billing.VERIFIED
        before = snapshot(stage)
        call("project_stream", event)
    assert snapshot(stage) == before


def test_a_fact_reaches_its_room_and_is_forgotten(house: Stage) -> None:
    play(house, 5)
    event = sample("project_stream", "run_locked")
    keys = {k: v["S"] for k, v in event["Records"][0]["dynamodb"]["Keys"].items()}
    known = [row for row in house.client.scan(TableName="t-clearing")["Items"] if row["sk"]["S"] == keys["sk"]]
    assert [row["pk"]["S"] for row in known] == [keys["pk"]]
    call("project_stream", event)
    assert not [row for row in house.client.scan(TableName="t-clearing")["Items"] if row["sk"]["S"] == keys["sk"]]
    before = snapshot(house)
    call("project_stream", event)
    assert snapshot(house) == before


def test_a_poison_record_is_parked_and_the_others_go_on(house: Stage) -> None:
    play(house, 5)
    good = sample("project_stream", "run_locked")["Records"][0]
    poison = json.loads(json.dumps(good))
    poison["dynamodb"]["NewImage"]["payload"] = {"M": {}}
    poison["dynamodb"]["NewImage"]["sk"] = {"S": "2026-11-08T23:01:01.000000Z#run.locked#poison"}
    house.client.put_item(TableName=NAMES[Table.CLEARING], Item=poison["dynamodb"]["NewImage"])
    odd = [{}, {"eventName": "REMOVE", "dynamodb": {"Keys": {}}}, {"eventName": "INSERT", "dynamodb": {}}]
    assert call("project_stream", {"Records": [poison, *odd, good]}) == {"batchItemFailures": []}
    kinds = {row.kind for row in journal.listed(house.ctx, b.actor("FINANCE"), b.ISSUER)}
    assert kinds == {"PROCESSING_FAILED"}
    left = {row["sk"]["S"] for row in house.client.scan(TableName="t-clearing")["Items"] if "#OUTBOX" in row["pk"]["S"]}
    assert good["dynamodb"]["Keys"]["sk"]["S"] not in left
    before = snapshot(house)
    assert call("project_stream", {}) == {"batchItemFailures": []}
    assert snapshot(house) == before


@pytest.mark.parametrize("name", ["ledger_entry", "audit_entry"])
def test_an_entry_is_copied_once_with_the_same_bytes(house: Stage, name: str) -> None:
    event = sample("copy_ledger", name)
    before = list(house.ctx.objects.keys("archive"))
    call("copy_ledger", event)
    (key,) = set(house.ctx.objects.keys("archive")) - set(before)
    kept = house.ctx.objects.get("archive", key)
    call("copy_ledger", event)
    assert house.ctx.objects.get("archive", key) == kept
    assert json.loads(kept or b"")["pk"] == event["Records"][0]["dynamodb"]["Keys"]["pk"]["S"]
    for odd in ({}, {"Records": []}, {"Records": [{}]}):
        assert call("copy_ledger", odd) == {"batchItemFailures": []}
    assert len(list(house.ctx.objects.keys("archive"))) == len(before) + 1


@pytest.mark.parametrize("name", ["body_received", "fact_acknowledged"])
def test_a_batch_of_changes_is_kept_once_with_the_same_bytes(house: Stage, name: str) -> None:
    event = sample("keep_changes", name)
    for _ in range(2):
        assert call("keep_changes", event) == {"batchItemFailures": []}
    (key,) = house.ctx.objects.keys("changes")
    (change,) = changes.of_hour(house.ctx.objects, key[:14])
    given = event["Records"][0]["dynamodb"]
    assert (change.pk, change.sk) == (given["Keys"]["pk"]["S"], given["Keys"]["sk"]["S"])
    assert (change.row is None) == (name == "fact_acknowledged")
    for odd in ({}, {"Records": []}, {"Records": [{}]}):
        assert call("keep_changes", odd) == {"batchItemFailures": []}
    assert list(house.ctx.objects.keys("changes")) == [key]


def test_a_look_after_a_restore_names_what_differs_and_changes_nothing(house: Stage) -> None:
    play(house, len(CHAIN))
    before = snapshot(house)
    looked = call("recover", sample("recover", "look"))
    assert looked["mode"] == "NORMAL"
    assert not looked["clean"]  # the copies that a stream makes are not there in this test
    assert snapshot(house) == before


def test_webhooks_with_nobody_to_call_write_nothing(house: Stage) -> None:
    before = snapshot(house)
    for event in (sample("deliver_webhooks", "schedule"), {}):
        assert call("deliver_webhooks", event) == {"delivered": 0, "failed": 0, "dead": 0}
    assert snapshot(house) == before


# ---- people and partners -------------------------------------------------------------------------------------------
def test_first_roles_are_granted_once_and_all_or_none(stage: Stage) -> None:
    event = sample("bootstrap", "grants")
    with on(stage.ctx):
        assert call("bootstrap", event) == {"granted": 2}
        known = identity.signed_in(stage.ctx, event["grants"][1]["actor_id"])
        assert [(g.role, g.contract_id) for g in known.grants] == [("EMSP_USER", "C-RON")]
        call("bootstrap", event)
        assert identity.signed_in(stage.ctx, known.actor_id) == known
        before = snapshot(stage)
        good = event["grants"][0] | {"actor_id": "somebody-else"}
        nobody = {"roles": ["ADMIN"], "issuer_id": b.ISSUER}
        faults = [{}, good | {"roles": ["KING"]}, good | {"issuer_id": None}, nobody]
        for bad in faults:
            with pytest.raises((RoamclearError, ValueError)):
                call("bootstrap", {"grants": [good, bad]})
            assert snapshot(stage) == before
        assert call("bootstrap", {}) == {"granted": 0}


def test_the_json_api_answers_its_samples(house: Stage) -> None:
    play(house, 5)
    api = Api(house)
    found = call("finance_api", sample("finance_api", "get_runs", sub=api.actor("FINANCE", None), token="t"))
    assert found["statusCode"] == 200
    assert [run["run_id"] for run in json.loads(found["body"])["items"]] == [RUN]
    event = sample("finance_api", "put_issuer", sub=api.actor("ADMIN", None), token="t")
    answers = [call("finance_api", event) for _ in range(2)]
    assert [a["statusCode"] for a in answers] == [200, 200]
    seen = api.call("GET", f"/v1/runs/{RUN}/draft", "FINANCE_APPROVER").body["content_hash"]
    who = api.actor("FINANCE_APPROVER", None)
    event = sample("finance_api", "post_approve", sub=who, token="t", content_hash=seen)
    assert call("finance_api", event)["statusCode"] == 200
    assert billing.run(house.ctx, b.ISSUER, RUN).approved_by == "finance_approver"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"body": "{"}, 422),
        ({"body": "[]"}, 422),
        ({"body": '{"issuer_id": "voltwerk"}'}, 422),
        ({"body": None}, 422),
        ({"rawPath": "/v1/nothing"}, 404),
        ({"rawPath": "/"}, 404),
        ({"requestContext": {"http": {"method": "PUT", "path": "/v1/issuer"}, "stage": "$default"}}, 401),
    ],
)
def test_the_json_api_refuses_nonsense_by_name(house: Stage, change: dict[str, Any], status: int) -> None:
    event = sample("finance_api", "put_issuer", sub=Api(house).actor("ADMIN", None), token="t")
    before = snapshot(house)
    answer = call("finance_api", event | change)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(answer["body"])["status"] == status
    assert snapshot(house) == before


def test_the_ocpi_endpoint_answers_its_samples(house: Stage) -> None:
    partner = connect(house.ctx)
    token = base64.b64encode(partner.token.encode()).decode()
    body = json.dumps(b.cdr(9), default=str)
    for name in samples("ocpi_api"):
        event = sample("ocpi_api", name, token=token)
        if name == "post_cdr":
            event["body"] = body
        first, again = call("ocpi_api", event), call("ocpi_api", event)
        assert (name, first["statusCode"] // 100, again["statusCode"] // 100) == (name, 2, 2)
        refused = call("ocpi_api", sample("ocpi_api", name, token="bm9ib2R5") | {"body": body})
        assert (refused["statusCode"], json.loads(refused["body"])["status_code"]) == (401, 2000)
    before = snapshot(house)
    answer = call("ocpi_api", sample("ocpi_api", "get_versions", token=token) | {"rawPath": "/ocpi/9.9"})
    assert answer["statusCode"] == 404
    assert snapshot(house)["objects"] == before["objects"]


def test_a_mailed_link_leads_to_its_file(house: Stage) -> None:
    play(house, 7)
    key = next(k for k in house.ctx.objects.keys("documents", b.ISSUER) if k.endswith(".pdf"))
    token = links.make(house.ctx, b.ISSUER, "documents", key, "invoice.pdf").rsplit("/", 1)[1]
    event = sample("open_link", "get", token=token)
    for _ in range(2):
        answer = call("open_link", event)
        assert (answer["statusCode"], key in answer["headers"]["location"]) == (302, True)
    before = snapshot(house)
    for odd in (sample("open_link", "get", token="f" * 64), {}, {"pathParameters": {"token": "../x"}}):
        assert call("open_link", odd)["statusCode"] == 404
    house.clock.set(house.clock.now() + links.LIFE)
    assert call("open_link", event)["statusCode"] == 403
    assert snapshot(house) == before


def test_a_page_is_served_by_its_sample_and_anything_else_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROAMCLEAR_STAGE", "dev")
    monkeypatch.setenv("CONSOLE_SIGN_IN", "https://sign-in.example")
    event = sample("serve_console", "page")
    page = call("serve_console", event)
    assert (page["statusCode"], page["headers"]["content-type"]) == (200, "text/html; charset=utf-8")
    assert "https://sign-in.example" in page["headers"]["content-security-policy"]
    known = event | {"headers": {"if-none-match": page["headers"]["etag"]}}
    assert call("serve_console", known)["statusCode"] == 304
    assert '"paste_token": false' in call("serve_console", event | {"rawPath": "/console/config.json"})["body"]
    for odd in ({}, {"rawPath": "/console/../secret"}, {"rawPath": None, "headers": None}):
        assert call("serve_console", odd)["statusCode"] == 404


def test_an_empty_inbox_and_a_broken_notification(house: Stage) -> None:
    before = snapshot(house)
    assert call("import_bank_file", sample("import_bank_file", "schedule")) == {"files": []}
    with pytest.raises((KeyError, InvalidInput)):
        call("import_bank_file", {"Records": [{}]})
    assert snapshot(house) == before
