"""Webhooks against a real receiver: signed, at least once, in order per object, later where nobody answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from roamclear.aws import outbox
from roamclear.billing import service as billing
from roamclear.facts import service as facts
from roamclear.identity.model import Role
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.errors import Forbidden, InvalidInput, NotFound
from roamclear.kernel.money import Money
from roamclear.kernel.writes import Table
from roamclear.notify.webhook import verify
from roamclear.webhooks import sending
from roamclear.webhooks import service as webhooks
from roamclear.webhooks.model import DeliveryState, HookState, Subscription
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage, receivables
from tests.support.crashing import Fuse, mortal, survives
from tests.support.loopback import serving
from tests.support.moto_stack import Stage

ADMIN = b.actor(Role.ADMIN)
NOW = datetime(2026, 11, 9, 6, tzinfo=UTC)


@dataclass
class Receiver:
    """What a receiver got, and how it answers next."""

    url: str
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(body["type"], body["object"]["id"]) for body in map(json.loads, (raw for _, raw in self.got))]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            status = made.answers.pop(0) if made.answers else 204
            if 200 <= status <= 299:
                made.got.append((dict(self.headers), raw))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Handler) as address:
        made = Receiver(f"{address}/hook")
        yield made


@pytest.fixture
def stage() -> Stage:
    made = memory_stage.fresh(NOW)
    b.found_issuer(made.ctx)
    return made


def subscribed(stage: Stage, url: str, *kinds: str, contract_id: str | None = None) -> tuple[Subscription, str]:
    return webhooks.subscribe(stage.ctx, ADMIN, b.ISSUER, url, kinds or ("invoice.issued", "run.locked"), contract_id)


def happens(stage: Stage, name: str, subject: str, contract_id: str = b.CONTRACT, **payload: Any) -> None:
    """A fact of a room, answered as the stream does."""
    put = outbox.fact(b.ISSUER, stage.clock.now(), name, subject, {"contract_id": contract_id, **payload})
    stage.ctx.db.write(put)
    row = stage.ctx.db.get(Table.CLEARING, put.key)
    assert row is not None
    webhooks.publish(stage.ctx, row)
    stage.clock.advance(timedelta(seconds=1))


def later(stage: Stage, **after: int) -> dict[str, int]:
    stage.clock.advance(timedelta(**(after or {"seconds": 6})))
    return sending.deliver_due(stage.ctx)


def test_a_receiver_can_verify_what_it_is_told(stage: Stage, receiver: Receiver) -> None:
    _, secret = subscribed(stage, receiver.url)
    happens(stage, "invoice.issued", "VW-2026-000001", number="VW-2026-000001", account="DE89370400440532013000")
    assert later(stage) == {"delivered": 1, "failed": 0, "dead": 0}
    ((headers, raw),) = receiver.got
    assert verify(headers, raw, secret.encode(), stage.clock.now())
    assert not verify(headers, raw + b" ", secret.encode(), stage.clock.now())
    assert not verify(headers, raw, secret.encode(), stage.clock.now() + timedelta(minutes=6))
    body = json.loads(raw)
    assert body["id"] == headers["Webhook-Id"]
    assert (body["type"], body["tenant"], body["version"]) == ("invoice.issued", b.ISSUER, 1)
    assert body["time"] == "2026-11-09T06:00:00Z"
    assert body["object"]["number"] == "VW-2026-000001"
    assert "DE8937" not in raw.decode()
    assert later(stage) == {"delivered": 0, "failed": 0, "dead": 0}


def test_a_fact_told_twice_is_one_event(stage: Stage, receiver: Receiver) -> None:
    subscribed(stage, receiver.url)
    put = outbox.fact(b.ISSUER, stage.clock.now(), "run.locked", "R-1", {"contract_id": b.CONTRACT})
    stage.ctx.db.write(put)
    row = stage.ctx.db.get(Table.CLEARING, put.key)
    assert row is not None
    assert [webhooks.publish(stage.ctx, row) for _ in range(2)] == [1, 0]
    later(stage)
    assert webhooks.publish(stage.ctx, row) == 0
    later(stage)
    assert receiver.told == [("run.locked", "R-1")]


def test_the_stream_publishes_what_it_answers(stage: Stage, receiver: Receiver) -> None:
    subscribed(stage, receiver.url, "exception.opened")
    put = outbox.fact(b.ISSUER, stage.clock.now(), "exception.opened", "NO_CONTRACT#X", {})
    stage.ctx.db.write(put)
    stage.clock.advance(timedelta(minutes=2))
    assert facts.sweep(stage.ctx, lambda row, error: pytest.fail(f"{row}: {error}"))["facts"] == 1
    later(stage)
    assert receiver.told == [("exception.opened", "NO_CONTRACT#X")]


def test_a_failed_call_holds_back_its_object_only(stage: Stage, receiver: Receiver) -> None:
    subscribed(stage, receiver.url)
    happens(stage, "run.locked", "R-1")
    happens(stage, "run.locked", "R-2")
    happens(stage, "invoice.issued", "R-1")
    receiver.answers = [500]
    assert later(stage) == {"delivered": 1, "failed": 1, "dead": 0}
    assert receiver.told == [("run.locked", "R-2")]
    assert later(stage)["delivered"] == 0
    assert later(stage, minutes=1)["delivered"] == 2
    assert receiver.told == [("run.locked", "R-2"), ("run.locked", "R-1"), ("invoice.issued", "R-1")]


@pytest.mark.parametrize("status", [301, 302, 400, 404, 500, 503])
def test_only_2xx_takes_an_event(stage: Stage, receiver: Receiver, status: int) -> None:
    known, _ = subscribed(stage, receiver.url)
    happens(stage, "run.locked", "R-1")
    receiver.answers = [status]
    assert later(stage) == {"delivered": 0, "failed": 1, "dead": 0}
    (waiting,) = webhooks.deliveries(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, 10)["waiting"]
    assert (waiting.attempts, str(status) in waiting.last_answer) == (1, True)


def test_three_days_without_an_answer_pause_it_and_a_replay_sends_it(stage: Stage, receiver: Receiver) -> None:
    known, _ = subscribed(stage, receiver.url)
    happens(stage, "run.locked", "R-1")
    dead = 0
    for _ in range(10):
        receiver.answers = [500]
        dead += later(stage, hours=12)["dead"]
    assert dead == 1
    (paused,) = webhooks.subscriptions(stage.ctx, ADMIN, b.ISSUER)
    assert paused.state is HookState.PAUSED
    assert [e.kind.value for e in journal.listed(stage.ctx, ADMIN, b.ISSUER)] == ["DELIVERY_FAILED"]
    happens(stage, "run.locked", "R-2")
    receiver.answers = []
    assert later(stage)["delivered"] == 0
    webhooks.change(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, state=HookState.ACTIVE)
    (lost,) = webhooks.deliveries(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, 10)["log"]
    assert lost.state is DeliveryState.DEAD
    webhooks.replay(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, lost.event_id)
    assert later(stage)["delivered"] == 2
    assert receiver.told == [("run.locked", "R-1"), ("run.locked", "R-2")]


def test_what_is_old_is_not_given_up_at_the_first_failure(stage: Stage, receiver: Receiver) -> None:
    """A subscription that a person paused for a week, and an event that is replayed: the three days begin now."""
    known, _ = subscribed(stage, receiver.url)
    happens(stage, "run.locked", "R-1")
    receiver.answers = [500]
    later(stage)
    webhooks.change(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, state=HookState.PAUSED)
    happens(stage, "run.locked", "R-2")
    later(stage, days=7)
    webhooks.change(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, state=HookState.ACTIVE)
    receiver.answers = [500, 500]
    assert later(stage) == {"delivered": 0, "failed": 2, "dead": 0}
    assert later(stage, minutes=20)["delivered"] == 2
    first = webhooks.deliveries(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, 10)["log"][-1]
    stage.clock.advance(timedelta(days=7))
    webhooks.replay(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, first.event_id)
    receiver.answers = [500]
    assert later(stage) == {"delivered": 0, "failed": 1, "dead": 0}
    assert journal.listed(stage.ctx, ADMIN, b.ISSUER) == []


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_over_a_pause_leaves_somebody_told(stage: Stage, receiver: Receiver, *, after: bool) -> None:
    known, _ = subscribed(stage, receiver.url)
    for place in range(9):
        happens(stage, "run.locked", f"R-{place}")
        receiver.answers = [500] * 99
        for _ in range(7):
            later(stage, hours=12)
        stage.clock.advance(timedelta(hours=12))
        with survives() as died:
            sending.deliver_due(mortal(stage.ctx, Fuse(left=place, after=after)))
        later(stage)
        (told,) = journal.listed(stage.ctx, ADMIN, b.ISSUER)
        assert told.kind is ExceptionType.DELIVERY_FAILED
        (paused,) = webhooks.subscriptions(stage.ctx, ADMIN, b.ISSUER)
        assert (told.state, paused.state) == ("OPEN", HookState.PAUSED)
        journal.resolve(stage.ctx, b.ISSUER, told.kind, told.subject, by="person", reason="seen")
        webhooks.change(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, state=HookState.ACTIVE)
        receiver.answers = []
        later(stage, hours=12)
        assert webhooks.deliveries(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, 1)["waiting"] == []
        if not died:
            break
    assert place > 1


def test_a_new_secret_ends_the_old_one(stage: Stage, receiver: Receiver) -> None:
    known, old = subscribed(stage, receiver.url)
    _, new = webhooks.change(stage.ctx, ADMIN, b.ISSUER, known.subscription_id, rotate=True)
    assert new is not None
    happens(stage, "run.locked", "R-1")
    later(stage)
    ((headers, raw),) = receiver.got
    assert verify(headers, raw, new.encode(), stage.clock.now())
    assert not verify(headers, raw, old.encode(), stage.clock.now())
    kept = str([row for part in stage.ctx.db.tables.values() for rows in part.values() for row in rows.values()])  # type: ignore[attr-defined]
    assert old not in kept
    assert new not in kept


def test_a_reviewer_hears_of_its_own_contract_only(stage: Stage, receiver: Receiver) -> None:
    mine, other = b.emsp_user(), b.emsp_user("C-OTHER")
    known, _ = webhooks.subscribe(stage.ctx, mine, b.ISSUER, receiver.url, ("run.locked",))
    assert known.contract_id == b.CONTRACT
    happens(stage, "run.locked", "R-1")
    happens(stage, "run.locked", "R-2", contract_id="C-OTHER")
    later(stage)
    assert receiver.told == [("run.locked", "R-1")]
    assert webhooks.subscriptions(stage.ctx, other, b.ISSUER) == []
    with pytest.raises(NotFound):
        webhooks.change(stage.ctx, other, b.ISSUER, known.subscription_id, rotate=True)
    with pytest.raises(NotFound):
        webhooks.subscribe(stage.ctx, mine, b.ISSUER, receiver.url, ("run.locked",), "C-OTHER")
    with pytest.raises(Forbidden):
        webhooks.subscribe(stage.ctx, b.actor(Role.OPS), b.ISSUER, receiver.url, ("run.locked",))


@pytest.mark.parametrize(
    ("url", "kinds", "name"),
    [
        ("http://192.0.2.1/hook", ("run.locked",), "url"),
        ("https://10.0.0.1/hook", ("run.locked",), "url"),
        ("ftp://127.0.0.1/hook", ("run.locked",), "url"),
        ("http://127.0.0.1:1/hook", ("run.unknown",), "events"),
    ],
)
def test_what_cannot_be_called_is_refused_by_name(stage: Stage, url: str, kinds: tuple[str, ...], name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        webhooks.subscribe(stage.ctx, ADMIN, b.ISSUER, url, kinds)
    assert refused.value.details["field"] == name


def test_ping_and_the_end_of_a_subscription(stage: Stage, receiver: Receiver) -> None:
    known, _ = subscribed(stage, receiver.url)
    webhooks.ping(stage.ctx, ADMIN, b.ISSUER, known.subscription_id)
    assert later(stage)["delivered"] == 1
    assert receiver.told == [("ping", known.subscription_id)]
    webhooks.unsubscribe(stage.ctx, ADMIN, b.ISSUER, known.subscription_id)
    happens(stage, "run.locked", "R-1")
    assert later(stage)["delivered"] == 0


def test_an_allocation_says_what_became_of_its_invoices(stage: Stage, receiver: Receiver) -> None:
    subscribed(stage, receiver.url, "payment.matched", "invoice.paid", "invoice.partially_paid")
    for number, open_minor in ((1, 0), (2, 500)):
        issued = receivables.issue(stage.ctx, number, "10.00")
        _, write = billing.replace_document(issued, open_amount=Money(open_minor, "EUR"))
        stage.ctx.db.write(write)
    shares = [{"number": f"VW-2026-{n:06d}", "contract_id": b.CONTRACT} for n in (1, 2)]
    happens(stage, "cash.allocated", "P-1", shares=shares)
    assert later(stage)["delivered"] == 3
    assert sorted(receiver.told) == [
        ("invoice.paid", "VW-2026-000001"), ("invoice.partially_paid", "VW-2026-000002"), ("payment.matched", "P-1"),
    ]  # fmt: skip


def test_a_failed_step_and_a_resolved_exception_are_told(receiver: Receiver) -> None:
    stage = memory_stage.fresh()
    month.start(stage)
    subscribed(stage, receiver.url, "run.failed", "exception.opened", "exception.resolved")
    stage.clock.set(NOW)
    run = billing.prepare(stage.ctx, month.REQUEST)
    billing.fail(stage.ctx, b.ISSUER, run.run_id, "Issue", "no field")
    journal.resolve(stage.ctx, b.ISSUER, ExceptionType.RUN_FAILED, run.run_id, by="system:test", reason="mended")
    stage.clock.advance(timedelta(minutes=2))
    facts.sweep(stage.ctx, lambda row, error: pytest.fail(f"{row}: {error}"))
    later(stage)
    kinds = [kind for kind, _ in receiver.told]
    assert {"run.failed", "exception.opened", "exception.resolved"} <= set(kinds)
