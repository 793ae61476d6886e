"""The laptop stack itself: the same template, its functions load, roles are enforced, data rules are real."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from infra.local.deploy import unloadable
from infra.local.stack import LaptopStack
from tests.support.laptop import laptop_stack

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def stack() -> Iterator[LaptopStack]:
    with laptop_stack("infra") as made:
        yield made


def test_every_function_loads(stack: LaptopStack) -> None:
    assert unloadable(stack.boto) == {}


def test_the_json_api_wants_a_token_and_the_ocpi_api_its_own(stack: LaptopStack) -> None:
    assert stack.http("GET", "/v1/contracts").status == 401
    assert stack.http("GET", "/v1/contracts", token="not.a.token").status == 401
    assert stack.http("GET", f"/v1/contracts?issuer_id={stack.issuer_id}", token=stack.token("FINANCE")).status == 200
    answer = stack.http("GET", "/ocpi/versions")
    assert answer.status == 401
    assert answer.json()["status_code"] == 2000
    assert stack.http("GET", f"/links/{uuid.uuid4().hex}").status in {403, 404}


def test_there_is_a_token_for_every_role(stack: LaptopStack) -> None:
    known = json.loads((stack.folder / "tokens.json").read_text())
    assert len(known["tokens"]) == len(set(known["tokens"].values())) == 8
    assert known["api"] == stack.outputs["ApiEndpoint"]
    assert (stack.folder / "tokens.json").stat().st_mode & 0o077 == 0


def test_the_clock_can_be_set_and_runs_on(stack: LaptopStack) -> None:
    stack.set_clock(datetime(2026, 9, 1, tzinfo=UTC))
    assert timedelta(0) <= stack.now() - datetime(2026, 9, 1, tzinfo=UTC) < timedelta(seconds=10)
    stack.set_clock(datetime.now(UTC))


def test_roles_are_enforced(stack: LaptopStack) -> None:
    iam = stack.boto("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    import boto3

    client = boto3.client(
        "dynamodb",
        endpoint_url=stack.endpoint,
        region_name="eu-central-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        client.get_item(TableName=stack.table("ledger"), Key={"pk": {"S": "x"}, "sk": {"S": "x"}})


def test_audit_entries_are_copied_and_cannot_be_deleted(stack: LaptopStack) -> None:
    s3, bucket = stack.boto("s3"), stack.bucket("archive")
    copies = stack.wait_until(
        lambda: s3.list_object_versions(Bucket=bucket).get("Versions"), "a copy of an audit entry"
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=copies[0]["Key"], VersionId=copies[0]["VersionId"])


def test_rows_expire_where_the_template_says_so(stack: LaptopStack) -> None:
    dynamodb = stack.boto("dynamodb")
    for name, expected in {"intake": "ENABLED", "clearing": "ENABLED", "ledger": "DISABLED"}.items():
        told = dynamodb.describe_time_to_live(TableName=stack.table(name))["TimeToLiveDescription"]
        assert told.get("TimeToLiveStatus", "DISABLED") == expected


def test_a_mail_becomes_a_file(stack: LaptopStack) -> None:
    before = len(stack.mails())
    raw = b"From: a@roamclear.example\r\nTo: b@example.com\r\nSubject: One two\r\n\r\nbody\r\n"
    stack.boto("ses").send_raw_email(
        Source="clearing@roamclear.example", Destinations=["b@example.com"], RawMessage={"Data": raw}
    )
    stack.wait_until(lambda: len(stack.mails()) == before + 1, "the mail")
    assert stack.mails()[-1].name.endswith("-One-two.eml")
    assert b"body" in stack.mails()[-1].read_bytes()


def test_a_file_in_the_inbox_reaches_the_import(stack: LaptopStack) -> None:
    stack.boto("s3").put_object(Bucket=stack.bucket("inbox"), Key="no bank file+ü.txt", Body=b"hello")
    lines = stack.wait_until(
        lambda: [line for line in stack.log("import_bank_file") if "bank files" in line], "the import's log line"
    )
    assert json.loads(lines[-1])["service"] == "import_bank_file"


def test_a_file_of_cdrs_reaches_its_own_import(stack: LaptopStack) -> None:
    name = f"cdrs/{stack.issuer_id}/nobody/a.csv"
    stack.boto("s3").put_object(Bucket=stack.bucket("inbox"), Key=name, Body=b"id\n1\n")

    def results() -> list[str]:
        listed = stack.boto("s3").list_objects_v2(Bucket=stack.bucket("inbox"), Prefix=f"{name}.")
        return [item["Key"] for item in listed.get("Contents", [])]

    (key,) = stack.wait_until(results, "the result beside the file")
    body = stack.boto("s3").get_object(Bucket=stack.bucket("inbox"), Key=key)["Body"].read()
    assert b"no such credential" in body
    assert not [line for line in stack.log("import_bank_file") if "nobody" in line]


def test_a_close_with_a_wrong_input_fails_in_order(stack: LaptopStack) -> None:
    """Prepare refuses it, the tries are spent, FailRun is told which step gave up."""
    states = stack.boto("stepfunctions")
    started = states.start_execution(
        stateMachineArn=stack.outputs["CloseStateMachineArn"],
        name=f"wrong-{uuid.uuid4().hex}",
        input=json.dumps({"issuer_id": stack.issuer_id, "contract_id": "none", "period": "x", "kind": "CLOSE"}),
    )
    seen = stack.wait_until(
        lambda: [
            event["type"]
            for event in states.get_execution_history(executionArn=started["executionArn"], maxResults=100)["events"]
            if event["type"] == "TaskFailed"
        ],
        "a failed try",
    )
    assert seen
    states.stop_execution(executionArn=started["executionArn"])


def test_starting_again_updates_the_running_stack(stack: LaptopStack) -> None:
    other = LaptopStack(stack.name, issuer_id=stack.issuer_id, verify=False, enforce_iam=True)
    other.start()
    assert other.port == stack.port
    assert other.http("GET", f"/v1/contracts?issuer_id={stack.issuer_id}", token=other.token("VIEWER")).status == 200
