"""What two workers at once, or an event that comes twice or late, must not do: each on the smallest interleaving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from roamclear.aws import keys, outbox
from roamclear.cdrs import proof as cdrs_proof
from roamclear.cdrs import service as cdrs
from roamclear.cdrs import store as cdrs_store
from roamclear.cdrs import telling
from roamclear.cdrs.model import Billing, Receipt
from roamclear.deliveries import sending
from roamclear.deliveries import store as deliveries_store
from roamclear.facts import proof
from roamclear.facts import service as facts
from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context, Row
from roamclear.kernel.errors import Conflict, InProgress, Unavailable
from roamclear.kernel.writes import Table
from roamclear.ledger.proof import Equation
from roamclear.mode import service as mode
from roamclear.notify.model import MailKind, MailMessage
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.crashing import Fuse, mortal, survives
from tests.support.handlers import call, on
from tests.support.moto_stack import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """An issuer with a contract, in memory."""
    with memory_stage.stage() as made:
        month.start(made)
        yield made


def meanwhile(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, other: Callable[[], Any], *, after: bool) -> None:
    """Let another worker act once, before or after the next call of a function."""
    real = getattr(where, name)

    def with_another(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(where, name, real)
        if not after:
            other()
        found = real(*args, **kwargs)
        if after:
            other()
        return found

    monkeypatch.setattr(where, name, with_another)


def received(stage: Stage, number: int) -> str:
    """A body that no stream has told of yet."""
    raw = b.cdr(number)
    stage.clock.set(datetime.fromisoformat(raw["end_date_time"]) + timedelta(minutes=5))
    body = b.body_of(raw, received=stage.clock.now())
    assert cdrs.receive(stage.ctx, body) is Receipt.NEW
    return body.cdr_ref


def opened(stage: Stage, kind: ExceptionType) -> list[str]:
    return [row.subject for row in journal.open_of(stage.ctx, b.ISSUER, kind)]


# ---- the proof -----------------------------------------------------------------------------------------------------
def test_a_body_that_came_this_moment_breaks_no_proof(stage: Stage) -> None:
    ref = received(stage, 1)
    assert [e for e in proof.prove(stage.ctx, b.ISSUER, (cdrs_proof.equations,)) if not e.holds] == []
    stage.clock.advance(cdrs_proof.SETTLE + timedelta(seconds=1))
    (equation,) = proof.prove(stage.ctx, b.ISSUER, (cdrs_proof.equations,))
    assert (equation.left, equation.right) == (1, 0)
    cdrs.process(stage.ctx, b.ISSUER, ref)
    (equation,) = proof.prove(stage.ctx, b.ISSUER, (cdrs_proof.equations,))
    assert (equation.left, equation.right) == (1, 1)


def test_who_posts_while_the_proof_reads_breaks_it_not(stage: Stage) -> None:
    """The left side is read before another worker posts, the right side after it."""
    posted, asked, paused = [1], [0], list[int]()

    def part(ctx: Context, issuer_id: str) -> list[Equation]:
        left = sum(posted)
        if asked[0] == 0:
            posted.append(1)
        asked[0] += 1
        return [Equation(name="posted", scope=issuer_id, unit="entries", left=left, right=sum(posted))]

    (equation,) = proof.prove(stage.ctx, b.ISSUER, (part,), pause=paused.append)
    assert equation.holds
    assert paused == [30]
    assert opened(stage, ExceptionType.PROOF_FAILED) == []


def test_an_equation_that_holds_in_either_reading_holds(stage: Stage) -> None:
    readings = iter([((1, 2), (3, 3)), ((1, 1), (3, 4)), ((1, 2), (3, 3)), ((1, 2), (3, 3))])

    def part(ctx: Context, issuer_id: str) -> list[Equation]:
        return [Equation(name=str(n), scope="", unit="", left=x, right=y) for n, (x, y) in enumerate(next(readings))]

    assert [e.holds for e in proof.equations(stage.ctx, b.ISSUER, (part,))] == [True, True]
    assert [e.holds for e in proof.equations(stage.ctx, b.ISSUER, (part,))] == [False, True]


# ---- mails ---------------------------------------------------------------------------------------------------------
class Elsewhere:
    """What is done here is done by a process of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch, self._count = monkeypatch, 0

    def __call__(self, work: Callable[[], Any]) -> Any:
        self._count += 1
        with self._monkeypatch.context() as patch:
            patch.setattr(sending, "_PROCESS", f"another-{self._count}")
            return work()


def said(stage: Stage, key: str = "KEY") -> tuple[str, ...]:
    """A mail under a business key."""

    def write() -> MailMessage:
        raw = b"Subject: once\r\n\r\nonce\r\n"
        return MailMessage(
            kind=MailKind.WINDOW_OPENED,
            message_id="<1@x.example>",
            subject="once",
            sender="a@x.example",
            recipients=("b@x.example",),
            raw=raw,
        )

    return sending.once(stage.ctx, b.ISSUER, key, write, subject="S", partner="P")


def test_two_workers_hand_a_mail_over_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps meet where many windows close at one instant: what each of them says is said once."""
    elsewhere, refused = Elsewhere(monkeypatch), list[bool]()

    def another() -> None:
        with pytest.raises(InProgress):
            elsewhere(lambda: said(stage))
        refused.append(True)

    meanwhile(monkeypatch, stage.mail, "send", another, after=False)
    ids = said(stage)
    assert (len(stage.mail.sent), refused) == (1, [True])
    assert elsewhere(lambda: said(stage)) == ids
    assert len(stage.mail.sent) == 1


def test_a_mail_that_was_handed_over_after_the_look_is_not_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, ids = Elsewhere(monkeypatch), list[tuple[str, ...]]()
    meanwhile(
        monkeypatch, deliveries_store, "handed_over", lambda: ids.append(elsewhere(lambda: said(stage))), after=True
    )
    assert said(stage) == ids[0]
    assert len(stage.mail.sent) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_dies_over_a_mail_leaves_it_to_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    elsewhere = Elsewhere(monkeypatch)
    for place in count():
        before = len(stage.mail.sent)
        with survives() as died:
            dying = replace(stage, ctx=mortal(stage.ctx, Fuse(left=place, after=after)))
            elsewhere(partial(said, dying, f"KEY-{place}"))
        stage.clock.advance(timedelta(seconds=61))
        assert elsewhere(partial(said, stage, f"KEY-{place}"))
        assert elsewhere(partial(said, stage, f"KEY-{place}"))
        assert len(stage.mail.sent) - before in (1, 2)
        if not died:
            break
    assert place > 2


def test_a_mail_that_was_taken_at_last_leaves_nothing_open(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the record of the mail: the row of its first failure is closed by whoever comes again."""
    with monkeypatch.context() as patch:
        patch.setattr(stage.mail, "send", _unavailable)
        assert said(stage) == ()
    assert opened(stage, ExceptionType.DELIVERY_FAILED) == ["KEY"]
    with survives() as died:
        said(replace(stage, ctx=mortal(stage.ctx, Fuse(left=2, after=True))))
    assert died
    assert len(stage.mail.sent) == 1
    assert said(stage)
    assert opened(stage, ExceptionType.DELIVERY_FAILED) == []
    assert len(stage.mail.sent) == 1


def _unavailable(*args: Any, **kwargs: Any) -> str:
    raise Unavailable("no")


# ---- facts and what came in ----------------------------------------------------------------------------------------
def nobody_hears(row: Row, error: Exception) -> None:
    """The log."""


def test_a_fact_that_another_worker_answered_is_no_fault(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sweeps take one fact; the slower one finds that what it wants to do is done, and fails at it."""
    told = outbox.fact(b.ISSUER, stage.clock.now(), "window.opened", "R", {"run_id": "R"})
    stage.ctx.db.write(told)
    row = {"pk": told.key.pk, "sk": told.key.sk, **told.item, "replayed": True}

    def overtaken(ctx: Context, _: Row) -> None:
        outbox.acknowledge(ctx.db, row)
        raise Conflict("this was done")

    assert not facts.isolated(stage.ctx, row, overtaken, nobody_hears)
    assert opened(stage, ExceptionType.PROCESSING_FAILED) == []

    def failing(ctx: Context, _: Row) -> None:
        raise Conflict("this cannot be done")

    stage.clock.advance(timedelta(minutes=5))
    stage.ctx.db.write(told)
    assert not facts.isolated(stage.ctx, row, failing, nobody_hears)
    assert len(opened(stage, ExceptionType.PROCESSING_FAILED)) == 1
    # The stream answers it after all: nobody replays it any more, and the night closes the row.
    outbox.acknowledge(stage.ctx.db, row)
    stage.clock.advance(timedelta(minutes=5))
    facts.nightly(stage.ctx, nobody_hears)
    assert opened(stage, ExceptionType.PROCESSING_FAILED) == []


def test_what_another_worker_does_at_the_moment_is_no_fault(stage: Stage) -> None:
    def busy(ctx: Context, _: Row) -> None:
        raise InProgress("another worker does it")

    row = {"issuer_id": b.ISSUER, "pk": f"{b.ISSUER}#SWEEP", "sk": "statements", "replayed": True}
    assert not facts.isolated(stage.ctx, row, busy, nobody_hears)
    assert opened(stage, ExceptionType.PROCESSING_FAILED) == []


def test_a_body_that_failed_in_the_stream_is_closed_by_the_sweep(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = received(stage, 1)
    key = keys.cdr_original(b.ISSUER, ref)
    row = {"pk": key.pk, "sk": key.sk, **(stage.ctx.db.get(Table.INTAKE, key) or {})}
    with monkeypatch.context() as patch:
        patch.setattr(cdrs, "process", _unavailable)
        assert not facts.take_in(stage.ctx, row, nobody_hears)
    assert len(opened(stage, ExceptionType.PROCESSING_FAILED)) == 1
    for _ in range(2):
        stage.clock.advance(timedelta(minutes=6))
        facts.sweep(stage.ctx, nobody_hears)
    assert cdrs.session(stage.ctx, b.ISSUER, ref) is not None
    assert opened(stage, ExceptionType.PROCESSING_FAILED) == []


@pytest.mark.parametrize("cause", ["a fault", "recovery"])
def test_a_differing_body_is_told_of_whatever_the_stream_met(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    """No sweep looks for differing bodies, refused messages or locations: the stream leaves a fact behind."""
    ref = received(stage, 1)
    cdrs.process(stage.ctx, b.ISSUER, ref)
    other = b.body_of(b.cdr(1) | {"remark": "another"}, received=stage.clock.now())
    assert cdrs.receive(stage.ctx, other) is Receipt.CONFLICT
    key = keys.cdr_conflict(b.ISSUER, ref, other.sha256)
    row = {"pk": key.pk, "sk": key.sk, **(stage.ctx.db.get(Table.INTAKE, key) or {})}
    image = {name: TypeSerializer().serialize(value) for name, value in row.items() if value is not None}
    event = {"Records": [{"eventName": "INSERT", "dynamodb": {"NewImage": image}}]}
    with on(stage.ctx), monkeypatch.context() as patch:
        if cause == "recovery":
            mode.enter(stage.ctx, "a test")
        else:
            patch.setattr(facts.privacy, "came_later", _unavailable)
        for _ in range(2):
            call("project_stream", event)
    assert opened(stage, ExceptionType.CDR_ID_CONFLICT) == []
    if cause == "recovery":
        mode.lift(stage.ctx)
    stage.clock.advance(timedelta(minutes=6))
    facts.sweep(stage.ctx, nobody_hears)
    assert len(opened(stage, ExceptionType.CDR_ID_CONFLICT)) == 1
    assert opened(stage, ExceptionType.PROCESSING_FAILED) == []
    assert list(outbox.pending(stage.ctx.db, b.ISSUER, stage.clock.now())) == []


# ---- what waits too long -------------------------------------------------------------------------------------------
def too_old(stage: Stage, number: int) -> str:
    ref = month.push(stage, b.cdr(number, emsp="FRXXX"))
    stage.clock.advance(timedelta(days=91))
    return ref


@pytest.mark.parametrize("after", [False, True])
def test_no_crash_lets_a_session_expire_in_silence(stage: Stage, *, after: bool) -> None:
    for place in range(1, 9):
        ref = too_old(stage, place)
        with survives() as died:
            cdrs.expire(mortal(stage.ctx, Fuse(left=place - 1, after=after)), b.ISSUER, None, 90)
        cdrs.expire(stage.ctx, b.ISSUER, None, 90)
        assert month.state(stage, ref)[0] is Billing.EXPIRED
        assert f"{ref}#EXPIRED" in opened(stage, ExceptionType.TOO_LATE)
        if not died:
            break
    assert place > 2


def test_a_session_that_is_freed_as_it_expires_leaves_no_alarm(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = too_old(stage, 1)

    def freed() -> None:
        known = cdrs.session(stage.ctx, b.ISSUER, ref)
        assert known is not None
        stage.ctx.db.write(cdrs_store.replace(known, known))

    meanwhile(monkeypatch, cdrs_store, "replace", freed, after=True)
    assert cdrs.expire(stage.ctx, b.ISSUER, None, 90) == 0
    assert opened(stage, ExceptionType.TOO_LATE) == []
    stage.clock.advance(timedelta(days=1))
    assert cdrs.expire(stage.ctx, b.ISSUER, None, 90) == 1
    assert opened(stage, ExceptionType.TOO_LATE) == [f"{ref}#EXPIRED"]


@pytest.mark.parametrize("kind", [ExceptionType.NO_CONTRACT, ExceptionType.EVSE_UNASSIGNED])
def test_a_session_that_was_freed_before_it_was_told_of_leaves_nothing_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: ExceptionType
) -> None:
    """A retry frees it between the row that holds it and the exception: nothing closes what is opened after that."""
    wrong = {"emsp": "FRXXX"} if kind is ExceptionType.NO_CONTRACT else {"evse": "DE*ZZZ*E1"}
    raw = b.cdr(1, **wrong)

    def freed() -> None:
        known = cdrs.session(stage.ctx, b.ISSUER, ref_of(raw))
        assert known is not None
        assert known.reasons
        free = known.model_copy(update={"billing": Billing.VERIFIED, "reasons": ()})
        stage.ctx.db.write(cdrs_store.replace(free, known))

    meanwhile(monkeypatch, telling, "_raised", freed, after=False)
    month.push(stage, raw)
    assert journal.listed(stage.ctx, b.actor("FINANCE"), b.ISSUER) == []


def test_a_session_that_is_held_is_told_of(stage: Stage) -> None:
    month.push(stage, b.cdr(1, emsp="FRXXX"))
    assert opened(stage, ExceptionType.NO_CONTRACT) == ["FRXXX"]


def ref_of(raw: dict[str, Any]) -> str:
    return b.body_of(raw, received=datetime.fromisoformat(raw["end_date_time"])).cdr_ref
