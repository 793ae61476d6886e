"""Giving out and revoking credentials over the JSON API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from roamclear.audit import service as audit
from roamclear.kernel.writes import Table
from tests.support.api import Api, environment
from tests.support.builders import ISSUER, cdr
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import connect, served

WANTED = {"partner_id": "vwk-backend", "party": "DE*VWK", "role": "CPO"}


@pytest.fixture
def api(stage: Stage) -> Iterator[Api]:
    with environment(stage), served(stage.ctx):
        yield Api(stage)


def test_a_credential_is_made_used_listed_and_revoked(stage: Stage, api: Api) -> None:
    made = api.call("POST", "/v1/credentials", "ADMIN", WANTED)
    assert (made.status, made.body["cpo_parties"], made.body["status"]) == (201, ["DEVWK"], "ACTIVE")
    token, credential_id = made.body["token"], made.body["credential_id"]
    partner = replace(connect(stage.ctx, "DEXYZ"), token=token)
    assert partner.push(cdr(1)).status == 201
    listed = api.call("GET", "/v1/credentials", "ADMIN").body["items"]
    assert credential_id in {c["credential_id"] for c in listed}
    assert token not in str(listed)
    for _ in range(2):
        gone = api.call("DELETE", f"/v1/credentials/{credential_id}", "ADMIN")
        assert (gone.status, gone.body["status"]) == (200, "REVOKED")
    assert partner.push(cdr(2)).status == 401
    history = audit.history(stage.ctx, ISSUER, "CREDENTIAL", credential_id)
    assert [e.action for e in history] == ["ISSUED", "REVOKED"]
    everything = [str(stage.client.scan(TableName=stage.tables.names[t])["Items"]) for t in Table]
    assert not any(token in text for text in everything), "a token is kept nowhere"


@pytest.mark.parametrize(
    ("role", "body", "status"),
    [
        ("FINANCE", WANTED, 403),
        ("ADMIN", {**WANTED, "party": "1234567"}, 422),
        ("ADMIN", {**WANTED, "partner_id": "No Slug"}, 422),
        ("ADMIN", {**WANTED, "role": "HUB"}, 422),
        ("ADMIN", {**WANTED, "ocpi_version": "2.0"}, 422),
        ("ADMIN", {**WANTED, "unknown": 1}, 422),
    ],
)
def test_who_may_not_and_what_cannot_be(api: Api, role: str, body: dict[str, object], status: int) -> None:
    assert api.call("POST", "/v1/credentials", role, body).status == status


def test_credentials_of_another_issuer_are_not_there(stage: Stage, api: Api) -> None:
    other = connect(stage.ctx, issuer_id="other")
    assert api.call("DELETE", f"/v1/credentials/{other.credential.credential_id}", "ADMIN").status == 404
    assert api.call("DELETE", "/v1/credentials/none", "ADMIN").status == 404
