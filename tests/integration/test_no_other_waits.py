"""One issuer, request or partner that fails stops no other, and what happens meanwhile is looked at again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from roamclear.journal import service as journal
from roamclear.journal.model import ExceptionType
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Unavailable
from roamclear.privacy import answering, requests
from roamclear.privacy import service as privacy
from roamclear.privacy import store as privacy_store
from roamclear.privacy.model import DataRequest, Subject
from tests.integration.test_two_workers import stage as stage  # the fixture
from tests.support import builders as b
from tests.support.moto_stack import Stage


def test_a_partner_that_falls_silent_again_is_told_again(stage: Stage) -> None:
    kind, subject = ExceptionType.PARTNER_SILENT, "pull#P#DEABC"
    for _ in range(2):
        stage.clock.advance(timedelta(days=1))
        assert journal.raise_once(stage.ctx, b.ISSUER, kind, subject, "its CDRs could not all be read")
        stage.clock.advance(timedelta(days=1))
        assert journal.resolve(stage.ctx, b.ISSUER, kind, subject, by="system:pull", reason="its CDRs were read")


def test_a_fault_at_one_issuer_keeps_no_other_from_its_retention(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[str] = []

    class Work:
        def __init__(self, ctx: Context, issuer_id: str) -> None:
            self.issuer_id = issuer_id

        def work(self, time_left: Any) -> None:
            worked.append(self.issuer_id)
            if self.issuer_id == "a":
                raise Unavailable("no")

    monkeypatch.setattr(privacy, "Expiry", Work)
    monkeypatch.setattr(privacy.identity, "issuer_ids", lambda ctx: ["a", "b"])
    with pytest.raises(Unavailable):
        privacy.expire_all(stage.ctx)
    assert worked == ["a", "b"]


def test_a_request_that_cannot_be_answered_keeps_no_other_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = b.actor("ADMIN")
    made = [
        requests.ask(stage.ctx, admin, b.ISSUER, "EXPORT", Subject(emsp_party=b.EMSP, token_uid=uid), uid)
        for uid in ("AAA1", "BBB2")
    ]
    real = answering.answer

    def failing(ctx: Context, known: DataRequest, time_left: Any) -> bool:
        if known.reference == "AAA1":
            raise Unavailable("no")
        return real(ctx, known, time_left)

    monkeypatch.setattr(answering, "answer", failing)
    with pytest.raises(Unavailable):
        answering.answer_all(stage.ctx)
    states = [requests.request(stage.ctx, admin, b.ISSUER, each.request_id).state for each in made]
    assert states == ["OPEN", "ANSWERED"]


def test_a_differing_body_that_comes_while_its_cdr_is_looked_at_is_looked_at_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = stage.clock.now().date()
    stage.ctx.db.write(privacy_store.waiting_put(b.ISSUER, today, "CDR", "R", "CAME_LATER", stage.clock.now()))
    looks: list[str] = []

    def look(self: privacy.Expiry, cdr_ref: str) -> None:
        looks.append(cdr_ref)
        if len(looks) == 1:
            stage.clock.advance(timedelta(seconds=1))
            stage.ctx.db.write(privacy_store.waiting_put(b.ISSUER, today, "CDR", "R", "CAME_LATER", stage.clock.now()))

    monkeypatch.setattr(privacy.Expiry, "look", look)
    for _ in range(3):
        privacy.Expiry(stage.ctx, b.ISSUER).work(lambda: True)
    assert looks == ["R", "R"]
