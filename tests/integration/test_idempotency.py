"""A POST with a key happens once: repeated, reused, in two workers at once, after a refusal and after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest

from roamclear.kernel.errors import Busy, InvariantBroken
from roamclear.repeats import service as repeats
from roamclear.webhooks import service as webhooks
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, Reply, environment
from tests.support.moto_stack import Stage

RATES = {"day": "2026-09-01", "rates": {"SEK": "11.2"}}
LOGO = {"content_type": "image/png"}
HOOK = {"url": "https://93.184.216.34/hook", "events": ["run.locked"]}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage(datetime(2026, 9, 2, 12, tzinfo=UTC)) as made, environment(made):
        b.found_issuer(made.ctx)
        b.found_contract(made.ctx)
        yield made


def post(api: Api, path: str, body: object, key: str | None = "k-1", role: str = "ADMIN") -> Reply:
    """A request two minutes after the one before: a logo asked for again is another one by then."""
    api.stage.clock.advance(timedelta(minutes=2))
    return api.call("POST", path, role, body, headers={"idempotency-key": key} if key else {})


def proposals(stage: Stage) -> int:
    rows = [row for part in stage.ctx.db.tables.values() for rows in part.values() for row in rows.values()]  # type: ignore[attr-defined]
    return len([row for row in rows if row.get("state") == "FILE_AWAITED"])


def test_the_same_request_is_answered_as_before_and_happens_once(stage: Stage) -> None:
    api = Api(stage)
    first, again = (post(api, "/v1/logos", LOGO) for _ in range(2))
    assert (first.status, first.body) == (again.status, again.body) == (201, first.body)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert proposals(stage) == 1
    other = post(api, "/v1/logos", LOGO, "k-2")
    assert (other.status, proposals(stage)) == (201, 2)
    assert post(api, "/v1/logos", LOGO, None).status == 201
    assert proposals(stage) == 3


def test_a_key_stands_for_one_request_of_one_actor(stage: Stage) -> None:
    api = Api(stage)
    assert post(api, "/v1/logos", LOGO).status == 201
    for path, body in (("/v1/logos", {"content_type": "image/jpeg"}), ("/v1/rates", RATES)):
        reused = post(api, path, body)
        assert (reused.status, reused.body["rule"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert post(api, "/v1/rates", RATES, role="FINANCE").status == 201
    assert proposals(stage) == 1


def test_what_was_refused_stands_for_nothing(stage: Stage) -> None:
    api = Api(stage)
    assert post(api, "/v1/rates", {"day": "x"}, role="FINANCE").status == 422
    assert post(api, "/v1/rates", RATES, role="VIEWER").status == 403
    assert post(api, "/v1/rates", RATES, role="FINANCE").status == 201
    assert post(api, "/v1/rates", RATES, role="FINANCE").headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("key", ["k" * 129, "k\n", "ü"])
def test_what_is_no_key(stage: Stage, key: str) -> None:
    refused = post(Api(stage), "/v1/rates", RATES, key)
    assert (refused.status, refused.body["field"]) == (422, "Idempotency-Key")


def test_a_secret_is_told_once_and_kept_nowhere(stage: Stage) -> None:
    api = Api(stage)
    first, again = (post(api, "/v1/webhooks", HOOK) for _ in range(2))
    assert first.status == 201
    assert (again.status, again.body["rule"]) == (409, "IDEMPOTENCY_TOLD_ONCE")
    assert len(webhooks.subscriptions(stage.ctx, b.actor("ADMIN"), b.ISSUER)) == 1
    kept = str([row for part in stage.ctx.db.tables.values() for rows in part.values() for row in rows.values()])  # type: ignore[attr-defined]
    assert first.body["secret"] not in kept


def test_a_request_that_died_is_never_begun_again(stage: Stage) -> None:
    api = Api(stage)
    with mock.patch.object(repeats, "end", side_effect=InvariantBroken("the process is gone")):
        assert post(api, "/v1/logos", LOGO).status == 500
    assert proposals(stage) == 1
    again = post(api, "/v1/logos", LOGO)
    assert (again.status, again.body["rule"]) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert proposals(stage) == 1


def test_two_at_once_happen_once(stage: Stage) -> None:
    api = Api(stage)
    inner: list[Reply] = []
    real = repeats.end

    def meanwhile(*args: object, **kwargs: object) -> None:
        inner.append(post(api, "/v1/logos", LOGO))
        real(*args, **kwargs)  # type: ignore[arg-type]

    with mock.patch.object(repeats, "end", side_effect=meanwhile):
        assert post(api, "/v1/logos", LOGO).status == 201
    assert [(each.status, each.body["rule"]) for each in inner] == [(409, "IDEMPOTENCY_IN_PROGRESS")]
    assert proposals(stage) == 1


def test_a_store_that_was_busy_gives_the_key_back(stage: Stage) -> None:
    api = Api(stage)
    with mock.patch("roamclear.rates.service.record", side_effect=Busy("too many at once")):
        assert post(api, "/v1/rates", RATES, role="FINANCE").status == 503
    assert post(api, "/v1/rates", RATES, role="FINANCE").status == 201


def test_disputes_keep_their_keys_themselves(stage: Stage) -> None:
    b.found_own_account(stage.ctx)
    ref = month.push(stage, b.cdr(1))
    month.open_run(stage)
    api, claim = Api(stage), {"cdr_ref": ref, "reason": "FRAUD"}
    headers = {"idempotency-key": "d-1"}
    first, again = (
        api.call("POST", "/v1/disputes", "EMSP_USER", claim, contract_id=b.CONTRACT, headers=headers) for _ in range(2)
    )
    assert (first.status, again.status) == (201, 201)
    assert first.body["dispute_id"] == again.body["dispute_id"]
    assert "Idempotency-Replayed" not in again.headers
