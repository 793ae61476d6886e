"""Samples and certificates of the partner bench (product.md B21)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roamclear.audit import service as audit
from roamclear.kernel import numbers_json
from roamclear.kernel.errors import ConditionFailed, Unavailable
from roamclear.kernel.writes import Put, Table
from roamclear.ocpi import certificate_papers, certificates, store
from roamclear.ocpi.samples import CASES, cases_of
from roamclear.partners.model import VERSIONS
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.fonts import with_fonts
from tests.support.handlers import call, on, sample
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import Answer, Partner, connect, served

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage(NOW) as made, served(made.ctx):
        with_fonts(made.ctx)
        b.found_issuer(made.ctx)
        yield made


def sandbox(stage: Stage, version: str = "2.2.1", **more: Any) -> Partner:
    return connect(stage.ctx, sandbox=True, ocpi_version=version, **more)


def bench(partner: Partner, method: str = "GET", path: str = "", version: str | None = None) -> Answer:
    return partner.call(method, f"/ocpi/{version or partner.version}/conformance{path}/")


def send(stage: Stage, partner: Partner, message: dict[str, Any]) -> Answer:
    """Send a sample as its reader is told to."""
    stage.clock.advance(timedelta(seconds=1))
    body = message.get("text") or numbers_json.dumps(message["body"])
    return partner.push(body.ljust(message.get("pad_to_bytes", 0)))


def run_bench(stage: Stage, partner: Partner, *, without: str = "") -> None:
    for message in bench(partner, path="/samples").data:
        if message["case"] != without:
            send(stage, partner, message)


@pytest.mark.parametrize("answer_200", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_each_sample_is_answered_as_it_says(stage: Stage, version: str, answer_200: bool) -> None:
    partner = sandbox(stage, version, answer_200=answer_200)
    found = bench(partner, path="/samples").data
    assert tuple(m["case"] for m in found) == cases_of(version)
    for message in found:
        answer = send(stage, partner, message)
        assert {"http_status": answer.status, "status_code": answer.code} == message["expected"], message["case"]
    report = bench(partner).data
    assert {m["case"] for m in report["messages"]} == set(cases_of(version))
    new = next(m for m in report["messages"] if m["case"] == "NEW")
    remarks = {f["id"] for f in new["findings"]}
    assert (new["result"], remarks) == (("OK", set()) if version != "2.1.1" else ("WARN", {"SIGNED_DATA_MISSING"}))


def test_samples_are_fresh_and_in_the_caller_s_name(stage: Stage) -> None:
    partner = connect(stage.ctx, "ATXYZ", sandbox=True)
    first = bench(partner, path="/samples").data[0]["body"]
    stage.clock.advance(timedelta(milliseconds=1))
    assert first["id"] != bench(partner, path="/samples").data[0]["body"]["id"]
    assert (first["country_code"], first["party_id"], first["cdr_location"]["country"]) == ("AT", "XYZ", "AUT")
    hub = connect(stage.ctx, "DEHUB", "HUB", sandbox=True, cpo_parties=("BEABC", "BEZZ9"))
    messages = {m["case"]: m["body"] for m in bench(hub, path="/samples").data if "body" in m}
    assert (messages["NEW"]["party_id"], messages["FOREIGN_PARTY"]["party_id"]) == ("ABC", "ZZ8")


def test_samples_and_certificates_are_for_sandboxes_of_cpos(stage: Stage) -> None:
    real, emsp = connect(stage.ctx), connect(stage.ctx, "NLRON", "EMSP", sandbox=True)
    assert bench(real, path="/samples").code == bench(emsp, path="/samples").code == 2000
    assert bench(real, "POST", "/certificate").code == bench(real, "GET", "/certificate").code == 2000
    assert bench(emsp, "POST", "/certificate").code == 2000
    assert bench(real, path="/samples", version="9.9").status == 404
    refused = bench(real, "DELETE", "/certificate")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_is_earned_by_every_rule(stage: Stage, version: str) -> None:
    partner = sandbox(stage, version)
    assert bench(partner, path="/certificate").status == 404
    run_bench(stage, partner)
    answer = bench(partner, "POST", "/certificate")
    assert (answer.status, answer.code) == (200, 1000), answer.text
    made = answer.data
    assert (made["status"], made["party"], made["ocpi_version"]) == ("VALID", "DEVWK", version)
    assert made["issued_at"] == "2026-10-20T12:00:0" + ("6Z" if version == "2.1.1" else "8Z")
    assert [r["name"] for r in made["rules"]][: len(cases_of(version))] == [f"case {c}" for c in cases_of(version)]
    assert {"check times", "check energy", "check wire"} <= {r["name"] for r in made["rules"]}
    stage.clock.advance(timedelta(days=40))
    assert bench(partner, "POST", "/certificate").data == bench(partner, path="/certificate").data == made
    kept = {k: v for k, v in made.items() if k not in ("sha256", "status")}
    assert hashlib.sha256(json.dumps(kept, separators=(",", ":")).encode()).hexdigest() == made["sha256"]
    (entry,) = audit.history(stage.ctx, b.ISSUER, "CERTIFICATE", made["certificate_id"])
    assert (entry.action, entry.details) == ("ISSUED", {"sha256": made["sha256"]})


@pytest.mark.parametrize("case", sorted(set(CASES) - {"NEW"}))
def test_one_case_untried_is_no_certificate(stage: Stage, case: str) -> None:
    partner = sandbox(stage)
    run_bench(stage, partner, without=case)
    answer = bench(partner, "POST", "/certificate")
    assert (answer.status, answer.code) == (200, 2000)
    assert answer.body["status_message"] == f"not passed yet: case {case}"
    assert bench(partner, path="/certificate").status == 404


def test_a_check_that_holds_the_newest_cdr_is_no_certificate(stage: Stage) -> None:
    partner = sandbox(stage)
    assert "case NEW" in bench(partner, "POST", "/certificate").body["status_message"]
    run_bench(stage, partner)
    fresh = bench(partner, path="/samples").data[0]
    high = fresh["body"] | {"total_energy": 2000, "id": "TOO-MUCH", "session_id": "TOO-MUCH"}
    send(stage, partner, {"body": high})
    assert "check energy" in bench(partner, "POST", "/certificate").body["status_message"]
    send(stage, partner, fresh)
    assert bench(partner, "POST", "/certificate").code == 1000


def test_each_version_and_each_credential_for_itself(stage: Stage) -> None:
    partner = sandbox(stage)
    run_bench(stage, partner)
    assert bench(partner, "POST", "/certificate", version="2.3.0").code == 2000
    assert bench(partner, "POST", "/certificate").code == 1000
    assert bench(partner, "GET", "/certificate", version="2.3.0").status == 404
    other = sandbox(stage)
    assert bench(other, "GET", "/certificate").status == 404
    assert bench(other, "POST", "/certificate").code == 2000


def test_other_rules_revoke_it_and_a_new_one_is_earned(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    partner = sandbox(stage)
    run_bench(stage, partner)
    made = bench(partner, "POST", "/certificate").data
    monkeypatch.setitem(CASES, "NEW", ("another rule", 201, CASES["NEW"][2]))
    certificates.rule_set.cache_clear()
    try:
        revoked = bench(partner, path="/certificate").data
        assert (revoked["status"], revoked["revoked_because"]) == ("REVOKED", "the set of rules has changed")
        assert revoked["sha256"] == made["sha256"]
        assert bench(partner, "POST", "/certificate").code == 2000, "what was shown under other rules does not count"
        run_bench(stage, partner)
        renewed = bench(partner, "POST", "/certificate").data
        assert (renewed["status"], renewed["rule_set"] != made["rule_set"]) == ("VALID", True)
        assert bench(partner, path="/certificate").data == renewed
        listed = certificates.listed(stage.ctx, b.actor("OPS"), b.ISSUER)
        assert [each["status"] for each in listed] == ["VALID", "REVOKED"]
    finally:
        certificates.rule_set.cache_clear()


def test_two_workers_make_one_certificate(stage: Stage) -> None:
    partner = sandbox(stage)
    run_bench(stage, partner)
    tables = stage.tables

    class Slower:
        """Another worker writes between this one's look and its write."""

        raced = False

        def __getattr__(self, name: str) -> Any:
            return getattr(tables, name)

        def transact(self, actions: Any) -> None:
            if not self.raced:
                self.raced = True
                assert bench(partner, "POST", "/certificate").code == 1000
                stage.clock.advance(timedelta(seconds=5))
            tables.transact(actions)

    slower = certificates.issue(replace(stage.ctx, db=Slower()), partner.credential, "2.2.1")
    assert slower == bench(partner, path="/certificate").data
    assert len(list(store.certificates(stage.ctx.db, b.ISSUER))) == 1


def test_the_paper_is_drawn_once_and_linked(stage: Stage) -> None:
    partner = sandbox(stage)
    run_bench(stage, partner)
    made = bench(partner, "POST", "/certificate").data
    (listed,) = certificates.listed(stage.ctx, b.actor("OPS"), b.ISSUER)
    assert "pdf" not in listed
    with on(stage.ctx):
        assert call("render_certificate", sample("render_certificate", "schedule")) == {
            "drawn": [made["certificate_id"]]
        }
        assert call("render_certificate", sample("render_certificate", "by_hand")) == {"drawn": []}
    (listed,) = certificates.listed(stage.ctx, b.actor("OPS"), b.ISSUER)
    key = f"{b.ISSUER}/certificates/{made['certificate_id']}.pdf"
    assert key in listed["pdf"]
    pdf = stage.ctx.objects.get("documents", key)
    assert pdf is not None
    assert pdf.startswith(b"%PDF-")
    assert bench(partner, path="/certificate").data == made, "the paper changes nothing of what is certified"


def test_a_paper_that_fails_does_not_stop_the_others(stage: Stage) -> None:
    for party in ("DEVWK", "ATVWK"):
        partner = connect(stage.ctx, party, sandbox=True)
        run_bench(stage, partner)
        assert bench(partner, "POST", "/certificate").code == 1000
    broken, fine = store.certificates(stage.ctx.db, b.ISSUER)
    spoiled = broken.model_copy(update={"rules": (("x" * 10, "y"),), "issuer_id": "nobody"})
    row = store.certificate_put(spoiled)
    real = store.certificate_put(broken)
    stage.ctx.db.write(Put(Table.INTAKE, real.key, row.item, when=()))
    with pytest.raises(Unavailable):
        certificate_papers.draw_due(stage.ctx)
    found = store.certificate(stage.ctx.db, b.ISSUER, fine.credential_id, fine.ocpi_version, fine.rule_set)
    assert found is not None
    assert found.pdf_key is not None
    with pytest.raises(ConditionFailed):
        stage.ctx.db.write(store.certificate_put(fine))
