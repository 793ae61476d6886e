"""The CDR receiver, request by request (product.md rows 1-3, 8, 9, 16; rules.md 2 and 4)."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from functions.ocpi_api.handler import handler
from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Receipt
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Busy
from roamclear.kernel.writes import Table
from roamclear.ocpi import service as ocpi
from roamclear.ocpi import store
from roamclear.ocpi.model import Message, Pushed, Refused
from roamclear.partners import service as partners
from tests.support.api import LAMBDA
from tests.support.builders import cdr
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import CASES, EVENTS, Partner, admin, connect, served

ISSUER = "voltwerk"


@pytest.fixture(autouse=True)
def _served(ctx: Context) -> Iterator[None]:
    with served(ctx):
        yield


@pytest.fixture
def cpo(ctx: Context) -> Partner:
    return connect(ctx)


def rows(stage: Stage, table: Table) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = stage.client.scan(TableName=stage.tables.names[table])["Items"]
    return items


def refused(ctx: Context, partner: Partner) -> list[Any]:
    return list(store.refused(ctx.db, partner.credential.issuer_id, partner.credential.partner_id, ctx.now()))


def test_a_new_cdr_is_kept_byte_for_byte_and_read_back_from_its_location(ctx: Context, cpo: Partner) -> None:
    body = " " + numbers_json.dumps(cdr(1), indent=3) + "\n"
    answer = cpo.push(body)
    assert (answer.status, answer.code) == (201, 1000)
    assert answer.headers["Location"] == "https://clearing.roamclear.example/ocpi/2.2.1/cdrs/DE/VWK/CDR-000001"
    original = cdrs.original(ctx, ISSUER, "DEVWK*CDR-000001")
    assert original is not None
    assert zlib.decompress(original.raw) == body.encode()
    assert (original.route, original.source, original.partner_id) == ("P2P", "push", "partner-devwk")
    again = cpo.call("GET", answer.headers["Location"])
    assert again.status == 200
    assert again.data == json.loads(body, parse_float=lambda t: numbers_json.loads(t))
    assert body in again.text


def test_the_same_content_again_is_a_repeat_with_the_same_location(cpo: Partner) -> None:
    first = cpo.push(cdr(1))
    other = dict(reversed(cdr(1).items())) | {
        "last_updated": "2026-11-01T00:00:00Z",
        "remark": None,
        "id": "cdr-000001",
    }
    again = cpo.push(numbers_json.dumps(other).replace('"volume":20', '"volume":20.000'))
    assert (again.status, again.code) == (200, 1000)
    assert again.headers["Location"].upper() == first.headers["Location"].upper()


def test_other_content_under_a_known_id_is_2001_and_kept_beside_the_first(stage: Stage, cpo: Partner) -> None:
    cpo.push(cdr(1))
    answer = cpo.push(cdr(1, total_energy=21))
    assert (answer.status, answer.code) == (200, 2001)
    assert answer.body["status_message"].startswith("id:")
    assert cpo.push(cdr(1, total_energy=21)).code == 2001
    kept = [r for r in rows(stage, Table.INTAKE) if r["sk"]["S"].startswith("CONFLICT#")]
    assert len(kept) == 1
    original = cdrs.original(stage.ctx, ISSUER, "DEVWK*CDR-000001")
    assert original is not None
    assert b'"total_energy":20' in zlib.decompress(original.raw)
    assert cpo.push(cdr(1)).status == 200


def test_a_partner_may_want_200_for_new_ones(ctx: Context) -> None:
    assert connect(ctx, answer_200=True).push(cdr(1)).status == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Token {token}", 201),
        ("token  {encoded}", 201),
        ("Token {with_newline}", 201),
        ("Token {unpadded}", 201),
        ("Bearer {token}", 401),
        ("Token ", 401),
        ("", 401),
        ("Token unknown", 401),
        ("Token {token} {token}", 401),
    ],
)
def test_tokens_are_known_raw_and_encoded(stage: Stage, cpo: Partner, header: str, status: int) -> None:
    import base64

    def b64(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    shown = header.format(
        token=cpo.token, encoded=b64(cpo.token), with_newline=b64(cpo.token + "\n"), unpadded=b64(cpo.token).rstrip("=")
    )
    answer = cpo.push(cdr(1), authorization=shown)
    assert answer.status == status
    assert bool(rows(stage, Table.INTAKE)) is (status == 201)


def test_a_revoked_token_is_dead_at_once(stage: Stage, cpo: Partner) -> None:
    partners.revoke(stage.ctx, admin(ISSUER), ISSUER, cpo.credential.credential_id)
    answer = cpo.push(cdr(1))
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Token")
    assert rows(stage, Table.INTAKE) == []


def test_a_registration_token_is_good_for_registering_only(ctx: Context) -> None:
    invited = connect(ctx, registration=True)
    assert invited.push(cdr(1)).status == 401
    assert invited.call("GET", "/ocpi/versions").status == 200
    assert invited.call("GET", "/ocpi/2.2.1").status == 200


def test_a_party_that_was_not_granted_is_2001_kept_in_the_log_and_no_cdr(stage: Stage, cpo: Partner) -> None:
    body = numbers_json.dumps(cdr(1, party_id="XYZ"))
    answer = cpo.push(body)
    assert (answer.status, answer.code) == (200, 2001)
    assert "party_id" in answer.body["status_message"]
    logged = refused(stage.ctx, cpo)
    assert [(e.field, e.ocpi_code) for e in logged] == [("party_id", 2001)]
    assert store.refused_body(stage.ctx.db, logged[0]) == body.encode()
    assert [r["sk"]["S"] for r in rows(stage, Table.INTAKE) if "ORIGINAL" in r["sk"]["S"]] == []


def test_a_hub_writes_for_its_list(ctx: Context) -> None:
    hub = connect(ctx, "NLHUB", "HUB", cpo_parties=("DE*VWK", "NLXXX"), route="ROAMHUB")
    assert hub.push(cdr(1)).status == 201
    assert hub.push(cdr(2, country_code="nl", party_id="xxx")).status == 201
    assert hub.push(cdr(3, party_id="ABC")).code == 2001
    original = cdrs.original(ctx, ISSUER, "NLXXX*CDR-000002")
    assert original is not None
    assert original.route == "ROAMHUB"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ("", 400, ""),
        ("{", 400, ""),
        ('{"a": NaN}', 400, ""),
        ("[" * 2000, 400, ""),
        ("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", 400, ""),
        (b"\xff\xfe", 400, ""),
        ("[]", 200, "one CDR"),
        ("7", 200, "cdr"),
        ({}, 200, "charging_periods"),
        ([cdr(1), cdr(2)], 200, "one CDR"),
        (cdr(1, id="x" * 40), 200, "id"),
        (cdr(1, id="\ud800"), 400, ""),
        (cdr(1, credit=True), 200, "credit"),
        (cdr(1, total_cost=None), 200, "total_cost"),
        (cdr(1, total_energy="1_000"), 200, "total_energy"),
        (cdr(1, charging_periods=[]), 200, "charging_periods"),
    ],
)
def test_what_the_wire_refuses_is_2001_by_name_and_kept(
    ctx: Context, cpo: Partner, body: Any, status: int, field: str
) -> None:
    sent = json.dumps(body, default=str) if isinstance(body, dict | list) else body
    answer = cpo.push(sent)
    assert (answer.status, answer.code) == (status, 2001)
    assert field in answer.body["status_message"]
    logged = refused(ctx, cpo)
    assert len(logged) == 1
    assert store.refused_body(ctx.db, logged[0]) == (sent if isinstance(sent, bytes) else sent.encode())


def test_a_body_of_more_than_four_megabytes_is_413_and_kept_in_parts(ctx: Context, cpo: Partner) -> None:
    noise = random.Random(1).randbytes(2_100_000).hex()
    answer = cpo.push('{"x": "' + noise + '"}')
    assert (answer.status, answer.code) == (413, 2001)
    (entry,) = refused(ctx, cpo)
    assert entry.parts > 0
    assert len(store.refused_body(ctx.db, entry)) == len(noise) + 9


def test_a_list_of_one_is_taken_and_served_as_the_object(ctx: Context, cpo: Partner) -> None:
    answer = cpo.push([cdr(1)])
    assert answer.status == 201
    assert cpo.call("GET", answer.headers["Location"]).data["id"] == "CDR-000001"
    assert cpo.push(cdr(1)).status == 200


def test_a_byte_order_mark_does_not_reach_the_reader(cpo: Partner) -> None:
    answer = cpo.push(b"\xef\xbb\xbf" + numbers_json.dumps(cdr(1)).encode())
    assert answer.status == 201
    assert cpo.call("GET", answer.headers["Location"]).data["id"] == "CDR-000001"


@pytest.mark.parametrize("cdr_id", ["a/b", "..", "a b", "x#y?z", "100%", "~tilde", "é", "/", "q\"'<>"])
def test_any_id_can_be_read_back(cpo: Partner, cdr_id: str) -> None:
    answer = cpo.push(cdr(1, id=cdr_id))
    assert answer.status == 201
    assert cpo.call("GET", answer.headers["Location"]).data["id"] == cdr_id


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_cdr_is_never_changed(cpo: Partner, method: str) -> None:
    place = cpo.push(cdr(1)).headers["Location"]
    answer = cpo.call(method, place, cdr(1, total_energy=1))
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    assert cpo.call(method, "/ocpi/2.2.1/cdrs", cdr(1)).status == 405
    assert cpo.call("GET", place).data["total_energy"] == 20


def test_slashes_do_not_count_and_nothing_is_redirected(cpo: Partner) -> None:
    for number, path in enumerate(["/ocpi/2.2.1/cdrs/", "/ocpi//2.2.1//cdrs//", "/ocpi/2.2.1/cdrs"]):
        assert cpo.call("POST", path, cdr(number)).status == 201


def test_ids_are_echoed_or_made_and_routing_headers_swapped(cpo: Partner) -> None:
    answer = cpo.push(cdr(1), headers={"X-Request-ID": "r-1", "X-Correlation-ID": "c-1"})
    assert (answer.headers["X-Request-ID"], answer.headers["X-Correlation-ID"]) == ("r-1", "c-1")
    assert answer.headers["OCPI-to-party-id"] == "VWK"
    assert answer.headers["OCPI-from-country-code"] == "NL"
    made = cpo.call("GET", "/ocpi/versions", headers={"x-request-id": "a\nb", "x-correlation-id": ""})
    assert len(made.headers["X-Request-ID"]) == 36
    assert len(made.headers["X-Correlation-ID"]) == 36
    assert "OCPI-to-party-id" not in made.headers


def test_strangers_of_another_issuer_see_nothing(ctx: Context, cpo: Partner) -> None:
    place = cpo.push(cdr(1)).headers["Location"]
    for stranger in (
        connect(ctx, issuer_id="other-issuer"),
        connect(ctx, "DEXYZ"),
        connect(ctx, "NLRON", "EMSP"),
    ):
        assert stranger.call("GET", place).status == 404
    assert connect(ctx, issuer_id="other-issuer").push(cdr(1)).status == 201


def test_a_sandbox_push_is_answered_and_never_seen_by_the_clearing(stage: Stage) -> None:
    sandbox = connect(stage.ctx, sandbox=True)
    answer = sandbox.push(cdr(1))
    assert (answer.status, sandbox.push(cdr(1)).status) == (201, 200)
    assert sandbox.push(cdr(1, total_energy=3)).code == 2001
    assert sandbox.call("GET", answer.headers["Location"]).data["id"] == "CDR-000001"
    assert cdrs.original(stage.ctx, ISSUER, "DEVWK*CDR-000001") is None
    assert {r["sk"]["S"].split("#")[0] for r in rows(stage, Table.INTAKE)} == {"SANDBOX", "MESSAGE", "CASES"}
    assert connect(stage.ctx).call("GET", answer.headers["Location"]).status == 404


SPEC_CDRS = [
    ("2.2.1", "2.2.1/examples/cdr_example.json", "BEBEC"),
    ("2.3.0", "2.3.0-core/examples/cdr_example.json", "BEBEC"),
    ("2.1.1", "2.1.1/extracted/mod_cdrs__01_example_of_a_cdr.json", "BEBEC"),
]


@pytest.mark.cases
@pytest.mark.parametrize(("version", "name", "party"), SPEC_CDRS)
def test_the_specifications_own_cdrs_are_taken_and_served_unchanged(
    ctx: Context, version: str, name: str, party: str
) -> None:
    if not (CASES / name).exists():
        pytest.skip("the specification's examples are not on this machine")
    body = (CASES / name).read_text()
    partner = connect(ctx, party, ocpi_version=version)
    answer = partner.push(body)
    assert (answer.status, answer.code) == (201, 1000), answer.text
    served_back = partner.call("GET", answer.headers["Location"])
    assert body.strip() in served_back.text
    assert partner.push(json.dumps(json.loads(body), sort_keys=True)).status == 200


def test_a_wrong_clock_of_the_partner_does_not_matter(stage: Stage, cpo: Partner) -> None:
    assert cpo.push(cdr(1, last_updated="1970-1-1T00:00:00Z")).status == 201
    stage.clock.advance(timedelta(days=400))
    assert cpo.push(cdr(1)).status == 200


def test_of_many_at_once_exactly_one_is_new(ctx: Context, cpo: Partner) -> None:
    bodies = [numbers_json.dumps(cdr(1, total_energy=20 + n % 2)).encode() for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda b: ocpi.receive_cdr(ctx, cpo.credential, Message("2.2.1", b)), bodies))
    taken = [o.receipt for o in outcomes if isinstance(o, Pushed)]
    assert taken.count(Receipt.NEW) == 1
    assert taken.count(Receipt.REPEAT) == 3
    assert sum(isinstance(o, Refused) for o in outcomes) == 4


def test_the_real_handler_answers_the_sample_event(ctx: Context, cpo: Partner) -> None:
    event = json.loads((EVENTS / "post_cdr.json").read_text().replace("${token}", cpo.token))
    event["body"] = numbers_json.dumps(cdr(1))
    answer = handler(event, LAMBDA)
    assert answer["statusCode"] == 201
    assert answer["headers"]["X-Request-ID"] == event["headers"]["x-request-id"]


@pytest.mark.parametrize("name", ["list_cdrs", "get_versions", "put_location"])
def test_every_sample_event_is_answered_in_the_envelope(cpo: Partner, name: str) -> None:
    event = json.loads((EVENTS / f"{name}.json").read_text().replace("${token}", cpo.token))
    answer = handler(event, LAMBDA)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["status_code"] in (1000, 2001)


def test_a_fault_of_ours_is_told_without_its_text(cpo: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(ocpi, "receive_cdr", broken)
    answer = cpo.push(cdr(1))
    assert (answer.status, answer.code) == (500, 3000)
    assert "secret" not in answer.text


def test_an_overloaded_table_is_503_with_retry_after(cpo: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any) -> None:
        raise Busy("the table is overloaded")

    monkeypatch.setattr(ocpi, "receive_cdr", busy)
    answer = cpo.push(cdr(1))
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, 3000, "5")


def test_signed_data_of_megabytes_is_kept_and_served(stage: Stage, cpo: Partner) -> None:
    noise = random.Random(7).randbytes(900_000).hex()
    value = {"nature": "Start", "plain_data": "x", "signed_data": noise}
    body = cdr(1, signed_data={"encoding_method": "OCMF", "signed_values": [value]})
    answer = cpo.push(body)
    assert (answer.status, cpo.push(body).status) == (201, 200)
    assert cpo.call("GET", answer.headers["Location"]).data["signed_data"]["signed_values"][0]["signed_data"] == noise
    parts = list(stage.ctx.db.rows(Table.INTAKE, "voltwerk#CDR#DEVWK*CDR-000001", prefix="PART#"))
    assert len(parts) == 2
    assert cpo.push({**body, "total_energy": 3}).code == 2001
    (found,) = cdrs.originals(stage.ctx, ISSUER, ["DEVWK*CDR-000001"]).values()
    assert zlib.decompress(found.raw).decode() == numbers_json.dumps(body)


def test_a_partner_is_told_which_of_its_messages_passed_which_rule(stage: Stage) -> None:
    sandbox = connect(stage.ctx, sandbox=True)
    stage.clock.advance(timedelta(days=5))
    bodies = [cdr(1), cdr(2, total_energy=1500), cdr(3, party_id="XXX"), "{"]
    for body in bodies:
        stage.clock.advance(timedelta(seconds=1))
        sandbox.push(body)
    found = sandbox.call("GET", "/ocpi/2.2.1/conformance").data
    assert [m["result"] for m in found["messages"]][:3] == ["REJECT", "REJECT", "HOLD"]
    assert [m["findings"][0]["field"] for m in found["messages"]][:2] == ["body", "party_id"]
    assert "POWER_TOO_HIGH" in {f["id"] for f in found["messages"][2]["findings"]}
    assert sum(found["summary"].values()) == 4
    other = connect(stage.ctx)
    assert other.call("GET", "/ocpi/2.2.1/conformance").data["messages"] == []
    assert other.call("POST", "/ocpi/2.2.1/conformance", {}).status == 405
