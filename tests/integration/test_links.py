"""Mailed links: listed, followed with a trace, revoked; nobody else's are there (product.md row 64)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from roamclear.audit import service as audit
from roamclear.identity.model import Actor, Grant, Role
from roamclear.kernel.errors import Conflict, Forbidden, NotFound
from roamclear.links import service as links
from roamclear.packages import mailed
from tests.support import builders as b
from tests.support.api import Api, environment
from tests.support.memory_stage import fresh
from tests.support.moto_stack import Stage

FILE = "VW-2026-000001.pdf"


@pytest.fixture
def quick() -> Stage:
    return fresh()


def token(stage: Stage) -> str:
    return links.make(stage.ctx, b.ISSUER, "documents", f"{b.ISSUER}/r/{FILE}", FILE).rsplit("/", 1)[1]


def test_a_link_tells_when_and_from_where_it_was_opened(quick: Stage) -> None:
    made = token(quick)
    for place in ("192.0.2.1", "192.0.2.2"):
        assert links.follow(quick.ctx, made, source=place, program="Mail/1.0").status == 302
    shown, openings = mailed.opened(quick.ctx, b.actor("VIEWER"), b.ISSUER, links.digest(made))
    assert (shown["filename"], shown["opened"], "key" in shown) == (FILE, 2, False)
    assert [o.source for o in openings] == ["192.0.2.1", "192.0.2.2"]
    assert {o.program for o in openings} == {"Mail/1.0"}


def test_a_revoked_link_is_over_and_the_next_one_is_another(quick: Stage) -> None:
    made = token(quick)
    finance = b.actor("FINANCE")
    for _ in range(2):
        assert mailed.revoke(quick.ctx, finance, b.ISSUER, links.digest(made))["revoked"] is True
    assert links.follow(quick.ctx, made).status == 403
    (entry,) = audit.history(quick.ctx, b.ISSUER, "LINK", links.digest(made))
    assert (entry.actor_id, entry.action) == (finance.actor_id, "REVOKED")
    again = token(quick)
    assert again != made
    assert links.follow(quick.ctx, again).status == 302


def test_links_to_one_file_are_limited(quick: Stage) -> None:
    for _ in range(links.MOST_A_DAY):
        mailed.revoke(quick.ctx, b.actor("FINANCE"), b.ISSUER, links.digest(token(quick)))
    with pytest.raises(Conflict):
        token(quick)
    quick.clock.advance(timedelta(days=1))
    assert links.follow(quick.ctx, token(quick)).status == 302


def test_only_valid_links_are_listed(quick: Stage) -> None:
    made = token(quick)
    listed = mailed.listed(quick.ctx, b.actor("VIEWER"), b.ISSUER, file="VW-2026-000001")
    assert [link["link_id"] for link in listed] == [links.digest(made)]
    assert mailed.listed(quick.ctx, b.actor("VIEWER"), b.ISSUER, file="XX") == []
    quick.clock.advance(links.LIFE)
    assert mailed.listed(quick.ctx, b.actor("VIEWER"), b.ISSUER) == []
    assert links.follow(quick.ctx, made).status == 403


def test_links_of_another_issuer_are_not_there(quick: Stage) -> None:
    made = links.digest(token(quick))
    stranger = Actor(actor_id="x", grants=(Grant(issuer_id="other", role=Role.FINANCE),))
    with pytest.raises(NotFound):
        mailed.opened(quick.ctx, stranger, "other", made)
    with pytest.raises(NotFound):
        mailed.revoke(quick.ctx, stranger, b.ISSUER, made)
    with pytest.raises(Forbidden):
        mailed.listed(quick.ctx, b.emsp_user(), b.ISSUER)
    with pytest.raises(Forbidden):
        mailed.revoke(quick.ctx, b.actor("VIEWER"), b.ISSUER, made)


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    with environment(stage):
        yield Api(stage)


def test_links_by_api(api: Api) -> None:
    made = token(api.stage)
    (listed,) = api.call("GET", "/v1/links", "FINANCE").body["items"]
    assert listed["link_id"] == links.digest(made)
    links.follow(api.stage.ctx, made, source="192.0.2.1")
    shown = api.call("GET", f"/v1/links/{listed['link_id']}", "VIEWER").body
    assert [o["source"] for o in shown["openings"]] == ["192.0.2.1"]
    assert api.call("DELETE", f"/v1/links/{listed['link_id']}", "FINANCE").body["revoked"] is True
    assert links.follow(api.stage.ctx, made).status == 403
    assert api.call("DELETE", f"/v1/links/{'0' * 64}", "FINANCE").status == 404
