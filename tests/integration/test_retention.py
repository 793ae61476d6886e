"""What must be kept is locked for its issuer's term, and nobody deletes it before (product.md row 138)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from roamclear.audit import service as audit
from roamclear.aws.objects import Buckets
from roamclear.identity import service as identity
from roamclear.identity.model import Role
from roamclear.kernel.context import Context
from roamclear.kernel.errors import Conflict, Forbidden
from roamclear.retention import service as retention
from tests.support import builders as b
from tests.support import moto_stack
from tests.support.api import Api, environment
from tests.support.moto_stack import REGION, Stage

#: After the machine's own day, for S3 refuses terms in the past.
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
TEN_AND_CURRENT = datetime(2037, 12, 31, 23, tzinfo=UTC)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with moto_stack.stage(NOW) as made:
        b.found_issuer(made.ctx)
        yield made


@pytest.fixture
def s3(stage: Stage) -> Any:
    """The client, with locked buckets beside the others."""
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
    for name in ("documents", "archive"):
        client.create_bucket(
            Bucket=f"locked-{name}",
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=True,
        )
    return client


@pytest.fixture
def prod(stage: Stage, s3: Any) -> Context:
    names = moto_stack.BUCKETS | {name: f"locked-{name}" for name in ("documents", "archive")}
    return replace(stage.ctx, objects=Buckets(lambda: s3, names), lock_mode="COMPLIANCE")


def put(ctx: Context, body: bytes = b"%PDF", key: str = f"{b.ISSUER}/a.pdf") -> None:
    retention.put(ctx, b.ISSUER, "documents", key, body, "application/pdf")


def locked(s3: Any, key: str = f"{b.ISSUER}/a.pdf", bucket: str = "documents") -> tuple[str, datetime, str]:
    found = s3.head_object(Bucket=f"locked-{bucket}", Key=key)
    return found["ObjectLockMode"], found["ObjectLockRetainUntilDate"], found["VersionId"]


def choose(stage: Stage, years: int | None, months: int | None = None, day: date = NOW.date()) -> str:
    made = retention.propose(
        stage.ctx, b.actor(Role.ADMIN, name="anna"), b.ISSUER,
        valid_from=day, document_years=years, detail_months=months, reason="the auditor asked",
    )  # fmt: skip
    retention.approve(stage.ctx, b.actor(Role.FINANCE_APPROVER, name="frida"), b.ISSUER, made.choice_id)
    return made.choice_id


def test_a_document_is_locked_for_ten_years_and_the_current_one(prod: Context, s3: Any) -> None:
    put(prod)
    assert locked(s3)[:2] == ("COMPLIANCE", TEN_AND_CURRENT)


def test_nobody_deletes_it_before(prod: Context, s3: Any) -> None:
    put(prod)
    _, _, version = locked(s3)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="locked-documents", Key=f"{b.ISSUER}/a.pdf", VersionId=version)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(
            Bucket="locked-documents", Key=f"{b.ISSUER}/a.pdf", VersionId=version, BypassGovernanceRetention=True
        )
    assert prod.objects.get("documents", f"{b.ISSUER}/a.pdf") == b"%PDF"


def test_other_bytes_under_its_name_leave_the_first_ones_locked(prod: Context, s3: Any) -> None:
    put(prod)
    _, _, first = locked(s3)
    put(prod, b"%PDF other")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="locked-documents", Key=f"{b.ISSUER}/a.pdf", VersionId=first)
    assert s3.get_object(Bucket="locked-documents", Key=f"{b.ISSUER}/a.pdf", VersionId=first)["Body"].read() == b"%PDF"


def test_longer_terms_hold_for_what_comes_then_and_shorten_nothing(stage: Stage, prod: Context, s3: Any) -> None:
    choose(stage, 20, day=NOW.date())
    put(prod)
    assert locked(s3)[1].year == 2047
    choose(stage, 12, day=NOW.date() + timedelta(days=1))
    stage.clock.advance(timedelta(days=1))
    put(prod)  # a repeat
    put(prod, key=f"{b.ISSUER}/b.pdf")
    assert locked(s3)[1].year == 2047
    assert locked(s3, f"{b.ISSUER}/b.pdf")[1].year == 2039


def test_the_country_of_the_issuer_decides(stage: Stage, prod: Context, s3: Any) -> None:
    known = identity.issuer(stage.ctx, b.ISSUER)
    moved = known.model_copy(update={"address": known.address.model_copy(update={"country": "HR"})})
    identity.save_issuer(stage.ctx, b.actor(Role.ADMIN, name="anna"), moved)
    put(prod)
    assert locked(s3)[1] == TEN_AND_CURRENT.replace(year=2038)


def test_copies_of_entries_have_the_term_of_their_own_issuer(prod: Context, s3: Any) -> None:
    rows = [
        {"pk": f"{issuer}#AUDIT#RUN#R-1", "sk": "00000001", "at_utc": "2027-03-01T00:00:00.000000Z"}
        for issuer in (b.ISSUER, "@", "unknown")
    ]
    assert retention.keep_entries(prod, rows) == 3
    assert locked(s3, f"{b.ISSUER}/audit/2027-03-01/RUN%23R-1/00000001.json", "archive")[1] == TEN_AND_CURRENT
    for issuer in ("@", "unknown"):
        found = s3.head_object(Bucket="locked-archive", Key=f"{issuer}/audit/2027-03-01/RUN%23R-1/00000001.json")
        assert "ObjectLockMode" not in found, "the bucket's own rule holds for what has no issuer"


def test_other_stages_leave_it_to_the_bucket(stage: Stage) -> None:
    assert retention.until(stage.ctx, b.ISSUER) is None
    put(stage.ctx)
    assert stage.ctx.objects.get("documents", f"{b.ISSUER}/a.pdf") == b"%PDF"


# ---- choosing ------------------------------------------------------------------------------------------------------
def test_two_persons_choose_and_every_step_is_in_the_audit_trail(stage: Stage) -> None:
    anna = b.actor(Role.ADMIN, name="anna")
    terms = {"valid_from": NOW.date(), "document_years": 15, "detail_months": None, "reason": "tax assessment open"}
    made = retention.propose(stage.ctx, anna, b.ISSUER, **terms)  # type: ignore[arg-type]
    assert retention.propose(stage.ctx, anna, b.ISSUER, **terms) == made  # type: ignore[arg-type]
    assert retention.terms(stage.ctx, b.ISSUER).document_years == 10
    with pytest.raises(Forbidden):
        retention.approve(stage.ctx, anna, b.ISSUER, made.choice_id)
    for _ in range(2):
        retention.approve(stage.ctx, b.actor(Role.ADMIN, name="bert"), b.ISSUER, made.choice_id)
    assert retention.terms(stage.ctx, b.ISSUER).document_years == 15
    with pytest.raises(Conflict):
        retention.withdraw(stage.ctx, anna, b.ISSUER, made.choice_id)
    said = [e.action for e in audit.history(stage.ctx, b.ISSUER, "ISSUER", b.ISSUER)]
    assert said[-2:] == ["RETENTION_PROPOSED", "RETENTION_APPROVED"]


def test_what_was_withdrawn_or_is_late_is_not_approved(stage: Stage) -> None:
    anna, bert = b.actor(Role.ADMIN, name="anna"), b.actor(Role.ADMIN, name="bert")
    terms = {"valid_from": NOW.date(), "document_years": 15, "detail_months": None}
    gone = retention.propose(stage.ctx, anna, b.ISSUER, reason="a mistake", **terms)  # type: ignore[arg-type]
    late = retention.propose(stage.ctx, anna, b.ISSUER, reason="too late", **terms)  # type: ignore[arg-type]
    retention.withdraw(stage.ctx, anna, b.ISSUER, gone.choice_id)
    stage.clock.advance(timedelta(days=2))
    for each in (gone, late):
        with pytest.raises(Conflict):
            retention.approve(stage.ctx, bert, b.ISSUER, each.choice_id)
    assert retention.terms(stage.ctx, b.ISSUER).document_years == 10


def test_the_setting_by_the_api(stage: Stage) -> None:
    with environment(stage):
        api = Api(stage)
        body = {"valid_from": "2027-03-01", "detail_months": 36, "reason": "three years are enough"}
        made = api.call("POST", "/v1/retention", "ADMIN", body)
        assert made.status == 201
        assert api.call("POST", "/v1/retention", "FINANCE", body).status == 403
        assert api.call("POST", "/v1/retention", "ADMIN", body | {"document_years": 3}).status == 422
        done = api.call("POST", f"/v1/retention/{made.body['choice_id']}/approve", "FINANCE_APPROVER")
        assert (done.status, done.body["state"]) == (200, "APPROVED")
        told = api.call("GET", "/v1/retention", "VIEWER").body
        assert told["in_force"]["document_years"] == 10
        assert told["in_force"]["detail_months"] == 36
        assert told["in_force"]["legal_years"] == 8
        assert told["lock_mode"] == "GOVERNANCE"
        printed = api.call("GET", "/v1/issuer", "VIEWER").body["retention"]
        assert (printed["country"], printed["document_years"], printed["legal_source"]) == (
            "DE", 10, "AO 147, UStG 14b (BEG IV)",
        )  # fmt: skip
