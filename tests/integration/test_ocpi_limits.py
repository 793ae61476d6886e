"""The token bucket of a partner (rules.md 11)."""

from __future__ import annotations

from datetime import timedelta

from roamclear.partners import limits
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import connect, served


def test_a_partner_that_asks_too_often_is_told_when_to_come_again(stage: Stage) -> None:
    with served(stage.ctx):
        partner = connect(stage.ctx, requests_per_s=2, burst=5)
        other = connect(stage.ctx, "DEXYZ")
        assert [partner.call("GET", "/ocpi/versions").status for _ in range(7)] == [200] * 5 + [429] * 2
        refused = partner.call("GET", "/ocpi/versions")
        assert (refused.code, refused.headers["Retry-After"]) == (2000, "1")
        assert other.call("GET", "/ocpi/versions").status == 200
        stage.clock.advance(timedelta(seconds=1))
        assert [partner.call("GET", "/ocpi/versions").status for _ in range(3)] == [200, 200, 429]
        stage.clock.advance(timedelta(days=-1))
        assert partner.call("GET", "/ocpi/versions").status == 429
        stage.clock.advance(timedelta(seconds=1))
        assert partner.call("GET", "/ocpi/versions").status == 200, "a clock that was set back fills again"


def test_workers_share_one_bucket(stage: Stage) -> None:
    with served(stage.ctx):
        partner = connect(stage.ctx, requests_per_s=1, burst=8)
        answers = []
        for _ in range(12):
            answers.append(partner.call("GET", "/ocpi/versions").status)
            limits._leases.clear()
        assert answers.count(200) == 4, "each fresh worker takes two of eight at once"
        assert set(answers) == {200, 429}
