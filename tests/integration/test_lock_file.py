"""Both sides take the manifest of a lock away and check it without us."""

from __future__ import annotations

import zlib
from urllib.parse import urlsplit

import pytest

from roamclear.billing import manifest
from roamclear.billing import service as billing
from roamclear.billing.lock_file import lock_file
from roamclear.cdrs import service as cdrs
from roamclear.kernel.errors import Conflict, Forbidden, NotFound
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage

RUN = month.REQUEST.run_id


@pytest.fixture
def memory() -> Stage:
    made = fresh()
    month.start(made)
    for number in range(1, 4):
        month.push(made, b.cdr(number))
    month.open_run(made)
    return made


def lock(stage: Stage) -> None:
    stage.clock.set(month.CLOSES + month.timedelta(seconds=61))
    billing.lock(stage.ctx, b.ISSUER, RUN)


def test_what_is_taken_away_holds_for_the_bodies_as_they_came(memory: Stage) -> None:
    lock(memory)
    found = lock_file(memory.ctx, b.emsp_user(), b.ISSUER, RUN)
    assert found.root == billing.run(memory.ctx, b.ISSUER, RUN).manifest
    data = memory.ctx.objects.get("archive", manifest.key_of(b.ISSUER, RUN))
    assert data is not None
    originals = (cdrs.original(memory.ctx, b.ISSUER, f"DEVWK*CDR-{n:06d}") for n in range(1, 4))
    bodies = [zlib.decompress(original.raw) for original in originals if original is not None]
    assert manifest.verify(manifest.read(data), bodies).holds
    assert manifest.read(data).root == found.root


def test_before_the_lock_there_is_none(memory: Stage) -> None:
    with pytest.raises(Conflict, match="not locked"):
        lock_file(memory.ctx, b.actor("FINANCE"), b.ISSUER, RUN)


def test_it_is_nobody_else_s(memory: Stage) -> None:
    lock(memory)
    b.found_contract(memory.ctx, "C-TWO", party_ids=("NLTWO",))
    with pytest.raises(NotFound):
        lock_file(memory.ctx, b.emsp_user("C-TWO"), b.ISSUER, RUN)
    with pytest.raises((NotFound, Forbidden)):
        lock_file(memory.ctx, b.actor("SUB_CPO_USER"), b.ISSUER, RUN)


def test_the_api_gives_an_address_of_the_file(stage: Stage) -> None:
    month.start(stage)
    month.push(stage, b.cdr(1))
    month.open_run(stage)
    with environment(stage):
        api = Api(stage)
        early = api.call("GET", f"/v1/runs/{RUN}/lock", "FINANCE")
        assert (early.status, early.body["code"]) == (409, "CONFLICT")
        lock(stage)
        reply = api.call("GET", f"/v1/runs/{RUN}/lock", "VIEWER")
    assert reply.status == 200
    assert reply.body["name"] == f"{RUN}.lock.json"
    assert urlsplit(reply.body["link"]).path.endswith(f"/locks/{RUN}.json")
