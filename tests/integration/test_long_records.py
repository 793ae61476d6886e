"""The records of a long document come piece by piece: the same ones as of a document that is read at once."""

from __future__ import annotations

import zlib
from functools import cache
from itertools import count
from typing import Any

import pytest

from roamclear.billing import service as billing
from roamclear.facts import service as facts
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.writes import Table
from roamclear.ocpi import reconciliation
from tests.integration import test_close as month
from tests.integration.test_streamed_close import RUN, SEEDS, again, finished, locked
from tests.support import at_once
from tests.support import builders as b
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage


def told(stage: Stage) -> None:
    """Every fact is answered, also those that answers tell."""
    while facts.answer_waiting(stage.ctx, b.ISSUER, stage.clock.now(), pytest.fail):
        stage.clock.set(stage.clock.now() + month.timedelta(minutes=1))


@cache
def _issued(seed: int) -> Stage:
    stage = locked(seed)
    finished(stage)
    stage.clock.set(stage.clock.now() + month.timedelta(minutes=5))
    return stage


def issued(seed: int) -> Stage:
    return again(_issued(seed))


def records(stage: Stage) -> dict[str, dict[str, Any]]:
    """Every record by its name, without the instant at which it was made."""
    rows = [row for part in stage.tables.tables[Table.INTAKE].values() for row in part.values()]  # type: ignore[attr-defined]
    found = {r["record_id"]: numbers_json.loads(zlib.decompress(r["raw"])) for r in rows if "record_id" in r}
    return {name: {k: v for k, v in body.items() if k != "last_updated"} for name, body in found.items()}


def plain(stage: Stage) -> dict[str, dict[str, Any]]:
    """The records as they come of lists in memory."""
    run, made = billing.run(stage.ctx, b.ISSUER, RUN), {}
    for place, number in enumerate(run.numbers):
        by_party: dict[str, list[str]] = {}
        for session, _, _ in at_once.rows_of(stage.ctx, run, outside=place == 1):
            by_party.setdefault(session.party, []).append(session.cdr_id)
        names = (number if at == 1 else f"{number}-{at}" for at in count(1))
        for party, listed in sorted(by_party.items()):
            unique = list(dict.fromkeys(listed))
            fitting, long = ([i for i in unique if (len(i) <= 36) is fits] for fits in (True, False))
            for at in range(0, len(fitting), reconciliation.MAX_CDRS):
                name = next(names)
                made[name] = {
                    "country_code": party[:2], "party_id": party[2:], "id": name, "invoice_id": number,
                    "cdrs": fitting[at : at + reconciliation.MAX_CDRS],
                }  # fmt: skip
                if long and at == 0:
                    made[name]["long_cdrs"] = long
    return made


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("size", "most"), [(20_000, 25_000), (20_000, 4), (7, 4), (1, 25_000)])
def test_records_are_those_of_the_plain_way(monkeypatch: pytest.MonkeyPatch, seed: int, size: int, most: int) -> None:
    monkeypatch.setattr(reconciliation, "PIECE", size)
    monkeypatch.setattr(reconciliation, "MAX_CDRS", most)
    monkeypatch.setattr("roamclear.billing.scan.PAGE", 5)
    stage = issued(seed)
    told(stage)
    assert records(stage) == plain(stage) != {}


def test_a_crash_anywhere_makes_the_same_records_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "PIECE", 12)
    monkeypatch.setattr("roamclear.billing.scan.PAGE", 5)

    def published(ctx: Context) -> None:
        for number in billing.run(ctx, b.ISSUER, RUN).numbers:
            for _ in range(6):
                reconciliation.publish_invoice(ctx, b.ISSUER, number)

    for after in (False, True):
        for place in count():
            stage, fuse = issued(2), Fuse(place, after)
            with survives():
                published(mortal(stage.ctx, fuse))
            published(stage.ctx)
            assert records(stage) == plain(stage)
            if fuse.effects <= place:
                break
        assert place > 10


def test_what_was_read_and_forgotten_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "PIECE", 12)
    stage = issued(3)
    number = billing.run(stage.ctx, b.ISSUER, RUN).numbers[0]
    assert reconciliation.publish_invoice(stage.ctx, b.ISSUER, number) == 0
    for place in [p for p in stage.ctx.objects.kept if p[0] == "exports"]:  # type: ignore[attr-defined]
        del stage.ctx.objects.kept[place]  # type: ignore[attr-defined]
    told(stage)
    assert records(stage) == plain(stage)
