"""Re-rating many sessions by a filter: shown first, done in pieces, told per CDR (product.md row 29)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roamclear.cdrs.jobs import service as jobs
from roamclear.cdrs.jobs import store as job_store
from roamclear.cdrs.jobs.model import JobState, Result
from roamclear.cdrs.model import Billing
from roamclear.cdrs.selection import Filter, walk
from roamclear.evses import service as evses
from roamclear.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from roamclear.kernel.money import Money
from tests.support import builders as b
from tests.support.crashing import Fuse, mortal, survives
from tests.support.moto_stack import Stage
from tests.unit.cdrs import month as m

FINANCE = b.actor("FINANCE")
ALL = Filter(contract_id=b.CONTRACT)


def regrouped(stage: Stage) -> None:
    """The register changes after the sessions were priced, so that the same version prices them anew."""
    evses.set_group(stage.ctx, b.actor("OPS"), b.ISSUER, "DE*VWK*E001", "SITE")


def two_prices() -> tuple[dict[str, Any], ...]:
    """0.31 per kWh for EVSEs of one group, 0.39 elsewhere."""
    first = {"id": "site", "priority": 1, "scope": {"evse_group_ids": ["SITE"]}, "tariff": b.tariff("0.31", "0.50")}
    return (first, *m.grid("0.39"))


def items(stage: Stage, job_id: str) -> dict[str, tuple[str, str | None]]:
    return {i.cdr_ref: (i.result.value, i.reason) for i in job_store.items(stage.ctx.db, b.ISSUER, job_id)}


def test_the_preview_is_what_the_job_does_and_the_lock_ends_it() -> None:
    stage = m.started(grid=two_prices())
    locked = [m.push(stage, b.cdr(n)) for n in (1, 2)]
    m.issued(stage, m.opened(stage))
    start = datetime(2026, 11, 10, 10, tzinfo=UTC)
    fresh = [m.push(stage, b.cdr(n, start=start + timedelta(hours=2 * n))) for n in (11, 12, 13)]
    waiting = m.push(stage, b.cdr(14, start=start + timedelta(hours=40), evse="DE*VWK*E777"))
    regrouped(stage)
    shown = jobs.preview(stage.ctx, FINANCE, b.ISSUER, ALL)
    assert [(a.name, a.sessions, a.before, a.after) for a in shown.actions] == [
        ("RERATE", 3, Money(2490, "EUR"), Money(2010, "EUR"))
    ]
    assert (shown.refused, shown.waiting) == ({"LOCKED": 2}, 1)
    jobs.order(stage.ctx, FINANCE, b.ISSUER, "site-prices", ALL, "the site has its own price")
    done = m.finished(stage, "site-prices")
    assert {(r.result, r.sessions, r.delta.amount_minor) for r in done.results} == {
        (Result.RERATED, 3, -480), (Result.REFUSED, 2, 0), (Result.RETRIED, 1, 0)
    }  # fmt: skip
    told = items(stage, "site-prices")
    assert told == {
        **dict.fromkeys(fresh, ("RERATED", None)),
        **dict.fromkeys(locked, ("REFUSED", "LOCKED")),
        waiting: ("RETRIED", "EVSE_UNASSIGNED"),
    }
    made = m.session(stage, fresh[0])
    assert (made.net, made.rating_version) == (Money(670, "EUR"), 2)


def test_the_same_job_twice_does_nothing_twice() -> None:
    stage = m.started(grid=two_prices())
    ref = m.push(stage, b.cdr(1))
    regrouped(stage)
    first = jobs.order(stage.ctx, FINANCE, b.ISSUER, "J-1", ALL, "the site has its own price")
    assert jobs.order(stage.ctx, FINANCE, b.ISSUER, "J-1", ALL, "the site has its own price") == first
    m.finished(stage, "J-1")
    again = jobs.order(stage.ctx, FINANCE, b.ISSUER, "J-1", ALL, "the site has its own price")
    assert again.state is JobState.DONE
    m.drain(stage)
    jobs.advance(stage.ctx, b.ISSUER, "J-1")
    assert m.session(stage, ref).rating_version == 2
    with pytest.raises(Conflict):
        jobs.order(stage.ctx, FINANCE, b.ISSUER, "J-1", ALL, "another reason")


@pytest.mark.parametrize("after", [False, True])
def test_a_job_survives_its_workers(after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_PIECE", 2)
    stage = m.started(grid=two_prices())
    refs = [m.push(stage, b.cdr(n)) for n in range(1, 8)]
    regrouped(stage)
    jobs.order(stage.ctx, FINANCE, b.ISSUER, "J-1", ALL, "the site has its own price")
    for writes in range(25):
        with survives():
            m.drain(stage, mortal(stage.ctx, Fuse(left=writes, after=after)))
    done = m.finished(stage, "J-1")
    assert [(r.result, r.sessions, r.delta) for r in done.results] == [(Result.RERATED, 7, Money(-1120, "EUR"))]
    assert {m.session(stage, ref).rating_version for ref in refs} == {2}


def test_the_sweep_goes_on_where_the_facts_were_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_PIECE", 2)
    stage = m.started(grid=two_prices())
    for n in range(1, 8):
        m.push(stage, b.cdr(n))
    regrouped(stage)
    jobs.order(stage.ctx, FINANCE, b.ISSUER, "J-1", ALL, "the site has its own price")
    assert jobs.sweep_jobs(stage.ctx, b.ISSUER) == 5
    assert jobs.jobs(stage.ctx, FINANCE, b.ISSUER)[0].state is JobState.DONE
    assert jobs.sweep_jobs(stage.ctx, b.ISSUER) == 0


@pytest.mark.parametrize(
    ("narrow", "meant"),
    [
        ({}, {1, 2, 3}),
        ({"start_from_utc": datetime(2026, 10, 5, 14, tzinfo=UTC)}, {2, 3}),
        ({"start_until_utc": datetime(2026, 10, 5, 14, tzinfo=UTC)}, {1}),
        ({"country": "FR"}, set()),
        ({"state": Billing.ON_HOLD}, {3}),
        ({"reason": "EVSE_UNASSIGNED"}, {3}),
        ({"route": "Gireve"}, set()),
        ({"evse_id": "DEVWKE001"}, {1, 2}),
        ({"contract_id": None, "evse_id": "DE*VWK*E001"}, {1, 2}),
    ],
)
def test_what_a_filter_means(narrow: dict[str, Any], meant: set[int]) -> None:
    stage = m.started()
    refs = {m.push(stage, b.cdr(n, evse="DE*VWK*E777" if n == 3 else "DE*VWK*E001")): n for n in (1, 2, 3)}
    wanted = Filter.model_validate({"contract_id": b.CONTRACT} | narrow)
    jobs.order(stage.ctx, FINANCE, b.ISSUER, "J-1", wanted, "look at them again")
    m.finished(stage, "J-1")
    assert {refs[ref] for ref in items(stage, "J-1")} == meant


def test_a_walk_goes_on_behind_its_cursor() -> None:
    stage = m.started()
    refs = [m.push(stage, b.cdr(n)) for n in range(1, 6)]
    whole = [ref for _, piece in walk(stage.ctx, b.ISSUER, ALL, stage.clock.now(), 2) for ref in piece]
    assert whole == refs
    for cursor, piece in walk(stage.ctx, b.ISSUER, ALL, stage.clock.now(), 2):
        rest = walk(stage.ctx, b.ISSUER, ALL, stage.clock.now(), 2, cursor=cursor)
        assert [r for _, more in rest for r in more] == refs[refs.index(piece[-1]) + 1 :]


def test_rights_reasons_and_limits() -> None:
    stage = m.started()
    m.push(stage, b.cdr(1))
    with pytest.raises(Forbidden):
        jobs.order(stage.ctx, b.actor("VIEWER"), b.ISSUER, "J-1", ALL, "because I say so")
    with pytest.raises(InvalidInput):
        jobs.order(stage.ctx, FINANCE, b.ISSUER, "J-1", ALL, " ")
    with pytest.raises(NotFound):
        jobs.order(stage.ctx, b.actor("FINANCE", contract_id="C-TWO"), b.ISSUER, "J-1", ALL, "because I say so")
    with pytest.raises(NotFound):
        jobs.job(stage.ctx, FINANCE, b.ISSUER, "J-1")
    with pytest.raises(ValueError, match="name a contract_id"):
        Filter(country="DE")


def test_a_preview_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from roamclear.cdrs import impact

    monkeypatch.setattr(impact, "MOST", 1)
    stage = m.started()
    for n in (1, 2):
        m.push(stage, b.cdr(n))
    with pytest.raises(InvalidInput) as told:
        jobs.preview(stage.ctx, FINANCE, b.ISSUER, ALL)
    assert told.value.field == "filter"
