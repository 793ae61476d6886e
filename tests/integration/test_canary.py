"""A card and a contract that nobody without need may see: looked for in everything the system says (row 139)."""

from __future__ import annotations

import io
import logging
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from infra.local import openapi
from roamclear.aws import observe
from roamclear.billing import service as billing
from roamclear.cdrs import masking
from roamclear.cdrs.model import Original
from roamclear.disputes import service as disputes
from roamclear.disputes.model import Answer, Claim, Reason
from roamclear.facts import service as facts
from roamclear.identity.model import Right, Role
from roamclear.identity.rules import TABLE
from roamclear.kernel import numbers_json
from roamclear.kernel.writes import Table
from roamclear.packages import service as packages
from roamclear.payouts import service as payouts
from roamclear.webhooks import service as webhooks
from roamclear.webhooks.model import CATALOGUE
from tests.integration import test_close as month
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.api import Api, environment
from tests.support.corrections import INVOICE, facts_told, ref
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import Partner, connect, served

UID, CONTRACT, REFERENCE = "CANARY7UID42", "NLRONCANARY742", "CANARYREF9"
SECRETS = (UID, CONTRACT, REFERENCE)
#: Who works without the token (product.md E.8 and decision of the table).
WITHOUT = [role for role in (Role.ADMIN, Role.FINANCE_APPROVER, Role.VIEWER) if role not in TABLE[Right.TOKEN_VIEW]]
#: What the two sides of a dispute write to each other is theirs to write; beside its CDR the card is hidden in it.
CLAIM = f"our customer never had card {UID.lower()}"


def cdr(number: int, **changes: Any) -> dict[str, Any]:
    made = b.cdr(number, **changes)
    made["cdr_token"] |= {"uid": UID, "contract_id": CONTRACT, "visual_number": f"{UID}-7"}
    signed = {"encoding_method": "OCMF", "signed_values": [{"nature": "End", "plain_data": UID, "signed_data": UID}]}
    return made | {
        "authorization_reference": REFERENCE, "remark": f"card {UID} / {CONTRACT}", "signed_data": signed,
        "charged_by": UID,
    }  # fmt: skip


class World:
    """A month with one card in it, everything that can be said of it said."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.ctx = stage, stage.ctx
        month.start(stage)
        stage.clock.advance(timedelta(days=5))  # behind the last of its sessions
        self.partner = connect(stage.ctx, "DEVWK")
        webhooks.subscribe(stage.ctx, b.actor(Role.ADMIN), b.ISSUER, "http://127.0.0.1:9/in", tuple(CATALOGUE))
        for number in (1, 2):
            self.push(cdr(number))
        self.push(cdr(3, evse="DE*VWK*E404"))
        self.push(cdr(1, total_energy=21))  # other content under a known id
        self.push(cdr(4, currency="EURO"))  # refused
        self.push({**cdr(5), "total_energy": UID})  # refused for a value that is the card
        self.push({**cdr(6), "end_date_time": "1999-01-01T00:00:00Z"})
        self.dispute()
        self.close()

    def push(self, raw: dict[str, Any]) -> None:
        self.stage.clock.advance(timedelta(hours=1))
        self.partner.push(raw)
        self.deliver()

    def deliver(self) -> None:
        """What the stream hands over: every row of the intake, again harmlessly."""
        kept = [r for p in self.stage.tables.tables[Table.INTAKE].values() for r in p.values()]  # type: ignore[attr-defined]
        for row in kept:
            if row["sk"] == "ORIGINAL" or row["sk"].startswith(("CONFLICT", "2")):
                facts.took_in(self.ctx, row)

    def dispute(self) -> None:
        month.open_run(self.stage)
        claim = Claim(cdr_ref=ref(1), reason=Reason.UNKNOWN_TOKEN, text=CLAIM)
        self.number = disputes.file(self.ctx, b.emsp_user(), b.ISSUER, claim).dispute_id
        facts_told(self.ctx, self.stage)
        said = Answer(dispute_id=self.number, outcome="REJECTED", answer=f"{UID} it was")
        disputes.answer(self.ctx, b.actor(Role.DISPUTE_AGENT), b.ISSUER, said)
        facts_told(self.ctx, self.stage)

    def close(self) -> None:
        self.run = month.close_run(self.stage, billing.run(self.ctx, b.ISSUER, month.REQUEST.run_id)).run_id
        facts_told(self.ctx, self.stage)
        packages.render_sessions(self.ctx, b.ISSUER, self.run)
        payouts.close_cycle(self.ctx, b.actor(Role.FINANCE), b.ISSUER, self.ctx.now())
        facts_told(self.ctx, self.stage)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    stage = memory_stage.fresh()
    with environment(stage), served(stage.ctx):
        yield World(stage)


def secrets_in(text: str) -> list[str]:
    return [word for word in SECRETS if word in text.upper()]


def test_the_card_did_come(world: World) -> None:
    bodies = [r for p in world.stage.tables.tables[Table.INTAKE].values() for r in p.values() if "raw" in r]  # type: ignore[attr-defined]
    assert sum(UID in zlib.decompress(r["raw"]).decode() for r in bodies) >= 6
    assert isinstance(world.partner, Partner)


@pytest.mark.parametrize("role", WITHOUT)
def test_no_answer_of_the_api_shows_it_without_need(world: World, role: Role) -> None:
    api, asked = Api(world.stage), 0
    known = {
        "cdr_ref": ref(1), "contract_id": b.CONTRACT, "run_id": world.run, "number": INVOICE,
        "dispute_id": world.number, "period": "2026-10",
    }  # fmt: skip
    for path, method, _ in openapi.routes():
        if method.upper() != "GET":
            continue
        for cdr_ref in (ref(1), ref(3)) if "cdr_ref" in path else ("",):
            values = known | ({"cdr_ref": cdr_ref} if cdr_ref else {})
            place = re.sub(r"[<{](\w+)[>}]", lambda m, v=values: str(v.get(m[1], "x")), path)  # type: ignore[misc]
            place = place if place.startswith("/v1") else f"/v1{place}"
            for query in ({}, {"contract": b.CONTRACT}, {"list": "on_hold", "contract": b.CONTRACT}):
                reply = api.call("GET", place, role.value, **query)
                asked += reply.status == 200
                text = numbers_json.dumps(reply.body)
                assert secrets_in(text) == [], (role, place)
    assert asked > 40


def test_who_needs_it_sees_it(world: World) -> None:
    api = Api(world.stage)
    for role in ("FINANCE", "OPS", "DISPUTE_AGENT"):
        raw = api.call("GET", f"/v1/cdrs/{ref(1)}/trace", role).body["raw"]
        assert raw["cdr_token"]["uid"] == UID


def test_no_mail_says_it(world: World) -> None:
    import email
    from email import policy

    assert world.stage.mail.sent
    for mail in world.stage.mail.sent:
        parsed = email.message_from_bytes(mail.raw, policy=policy.default)
        for part in parsed.walk():
            if part.get_content_maintype() == "text":
                text = part.get_content()
                assert secrets_in(text.replace(CLAIM, "").replace(f"{UID} it was", "")) == [], parsed["Subject"]


def test_no_row_beside_the_intake_holds_it(world: World) -> None:
    """Ledger, audit, journal, outbox, webhooks, sessions and prices; the note of a token's use has it in its key."""
    allowed = ("#OCCUPIED#TOKEN#", "#DISPUTE#")
    for table, partitions in world.stage.tables.tables.items():  # type: ignore[attr-defined]
        for pk, rows in partitions.items():
            if table is Table.INTAKE or any(name in pk for name in allowed):
                continue
            for row in rows.values():
                assert secrets_in(plain(row)) == [], (table, pk)


def test_no_file_holds_it(world: World) -> None:
    kept = world.ctx.objects.kept  # type: ignore[attr-defined]
    assert any(key.endswith(".xlsx") for _, key in kept)
    for (bucket, key), content in kept.items():
        texts = [content.decode(errors="replace")]
        if key.endswith(".xlsx"):
            with zipfile.ZipFile(io.BytesIO(content)) as book:
                texts = [book.read(name).decode(errors="replace") for name in book.namelist()]
        for text in texts:
            assert secrets_in(text) == [], (bucket, key)


def test_no_log_line_says_it(caplog: pytest.LogCaptureFixture) -> None:
    stage, stream = memory_stage.fresh(), io.StringIO()
    handler = logging.StreamHandler(stream)
    observe.logger.addHandler(handler)
    try:
        with caplog.at_level(logging.DEBUG), environment(stage), served(stage.ctx):
            made = World(stage)
            Api(stage).call("GET", f"/v1/cdrs/{ref(1)}/trace", "FINANCE")
            broken = Original.model_construct(cdr_ref=UID)
            observe.parked({"pk": f"{b.ISSUER}#CDR#1", "sk": "ORIGINAL"}, ValueError(type(broken).__name__))
            made.partner.push(b'{"cdr_token": {"uid": "' + UID.encode())
    finally:
        observe.logger.removeHandler(handler)
    assert "parked" in stream.getvalue()
    assert secrets_in(stream.getvalue() + caplog.text) == []


def test_refusals_name_the_field_and_not_the_value(world: World) -> None:
    found = [r for p in world.stage.tables.tables[Table.INTAKE].values() for r in p.values() if "#INGEST#" in r["pk"]]  # type: ignore[attr-defined]
    assert len(found) >= 2
    for row in found:
        assert secrets_in(f"{row['message']} {row.get('field', '')}") == []


def test_words_of_people_beside_the_body_are_masked() -> None:
    raw = cdr(1)
    viewer, agent = b.actor(Role.VIEWER), b.actor(Role.DISPUTE_AGENT)
    assert masking.said(viewer, b.ISSUER, CLAIM, raw) == "our customer never had card *********D42"
    assert masking.said(agent, b.ISSUER, CLAIM, raw) == CLAIM
    assert masking.said(viewer, b.ISSUER, [{"text": CONTRACT}], raw) == [{"text": "NLRON******742"}]
    assert secrets_in(numbers_json.dumps(masking.body(viewer, b.ISSUER, raw))) == []
    assert secrets_in(numbers_json.dumps(masking.body(viewer, b.ISSUER, [raw]))) == []


def plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{k}={plain(v)}" for k, v in value.items())
    if isinstance(value, list):
        return " ".join(plain(v) for v in value)
    if isinstance(value, bytes):
        try:
            return zlib.decompress(value).decode(errors="replace")
        except zlib.error:
            return value.decode(errors="replace")
    return str(value)
