"""The data stack: what lives for years is encrypted, recoverable and cannot be deleted by accident."""

from __future__ import annotations

import pytest

from infra.catalogue import BUCKETS, EXPIRING, INDEXES, STREAMS
from tests.infra.templates import STAGES, data, text

KEPT = ("dev", "prod")


@pytest.mark.parametrize("stage", STAGES)
def test_every_table_is_encrypted_recoverable_and_on_demand(stage: str) -> None:
    tables = data(stage).of_type("AWS::DynamoDB::Table")
    assert len(tables) == len(INDEXES) == 5
    for table in tables.values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert table["SSESpecification"]["SSEType"] == "KMS"
        assert "KMSMasterKeyId" in table["SSESpecification"]
        assert [k["AttributeName"] for k in table["KeySchema"]] == ["pk", "sk"]


@pytest.mark.parametrize("stage", STAGES)
def test_indexes_streams_and_expiry_are_those_of_the_catalogue(stage: str) -> None:
    for table in data(stage).of_type("AWS::DynamoDB::Table").values():
        name = table["TableName"].removeprefix(f"roamclear-{stage}-")
        found = {g["IndexName"]: g["Projection"]["ProjectionType"] for g in table.get("GlobalSecondaryIndexes", [])}
        assert found == INDEXES[name]
        assert (table.get("StreamSpecification") == {"StreamViewType": "NEW_IMAGE"}) == (name in STREAMS)
        expiry = table.get("TimeToLiveSpecification")
        assert (expiry == {"AttributeName": "expires_at", "Enabled": True}) == (name in EXPIRING)


def test_nothing_expires_in_ledger_audit_or_identity() -> None:
    assert not EXPIRING & {"ledger", "audit", "identity"}


@pytest.mark.parametrize("stage", KEPT)
def test_data_survive_the_stack_and_tables_refuse_to_be_deleted(stage: str) -> None:
    made = data(stage)
    for kind in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Cognito::UserPool"):
        for name, resource in made.raw(kind).items():
            assert resource["DeletionPolicy"] == "Retain", name
            assert resource["UpdateReplacePolicy"] == "Retain", name
    for table in made.of_type("AWS::DynamoDB::Table").values():
        assert table["DeletionProtectionEnabled"] is True
    for pool in made.of_type("AWS::Cognito::UserPool").values():
        assert pool["DeletionProtection"] == "ACTIVE"


@pytest.mark.parametrize("stage", STAGES)
def test_buckets_are_blocked_versioned_encrypted_logged_and_tls_only(stage: str) -> None:
    made = data(stage)
    buckets = made.of_type("AWS::S3::Bucket")
    assert len(buckets) == len(BUCKETS) + 1
    policies = {p["Bucket"]["Ref"]: p["PolicyDocument"] for p in made.of_type("AWS::S3::BucketPolicy").values()}
    for name, bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["LifecycleConfiguration"]["Rules"]
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        encryption = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]
        logs = "access-logs" in text(bucket["BucketName"])
        assert encryption["SSEAlgorithm"] == ("AES256" if logs else "aws:kms")
        assert ("LoggingConfiguration" in bucket) != logs
        denied = [s for s in policies[name]["Statement"] if s["Effect"] == "Deny"]
        assert any(s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} for s in denied), name


@pytest.mark.parametrize(
    ("stage", "mode", "days"), [("prod", "COMPLIANCE", 3653), ("dev", "GOVERNANCE", 1), ("local", "GOVERNANCE", 1)]
)
def test_object_lock_by_stage(stage: str, mode: str, days: int) -> None:
    locked = {}
    for bucket in data(stage).of_type("AWS::S3::Bucket").values():
        if bucket.get("ObjectLockEnabled"):
            name = text(bucket["BucketName"])
            locked[name.split("-")[2]] = bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert locked == {name: {"Mode": mode, "Days": days} for name in ("documents", "archive")}


@pytest.mark.parametrize("stage", STAGES)
def test_what_names_drivers_is_forgotten_where_nobody_must_keep_it(stage: str) -> None:
    found = {}
    for bucket in data(stage).of_type("AWS::S3::Bucket").values():
        name = text(bucket["BucketName"]).split("-")[2]
        for rule in bucket["LifecycleConfiguration"]["Rules"]:
            if "Prefix" in rule:
                found[f"{name}/{rule['Prefix']}"] = rule["ExpirationInDays"]
    longest = 12 * 366
    assert {"exports/data-requests/": 30, "inbox/cdrs/": longest, "inbox/compare/": longest}.items() <= found.items()


@pytest.mark.parametrize("stage", KEPT)
def test_nobody_may_schedule_the_deletion_of_the_key(stage: str) -> None:
    (key,) = data(stage).of_type("AWS::KMS::Key").values()
    denied = [s for s in key["KeyPolicy"]["Statement"] if s["Effect"] == "Deny"]
    assert [(s["Action"], s["Principal"]) for s in denied] == [("kms:ScheduleKeyDeletion", {"AWS": "*"})]
    assert key["EnableKeyRotation"] is True


@pytest.mark.parametrize("stage", STAGES)
def test_only_invited_people_with_long_passwords(stage: str) -> None:
    (pool,) = data(stage).of_type("AWS::Cognito::UserPool").values()
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] >= 14
    assert pool["MfaConfiguration"] == ("ON" if stage == "prod" else "OPTIONAL")


@pytest.mark.parametrize("stage", STAGES)
def test_the_inbox_tells_of_new_files(stage: str) -> None:
    telling = [
        text(b["BucketName"])
        for b in data(stage).of_type("AWS::S3::Bucket").values()
        if b.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {}).get("EventBridgeEnabled")
    ]
    assert [name.split("-")[2] for name in telling] == ["inbox"]
