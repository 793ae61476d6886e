"""Streams, schedules, API, dead letters and alarms."""

from __future__ import annotations

import json
import re

import pytest

from infra.catalogue import BY_NAME, SCHEDULES
from infra.constructs.schedules import FOLDERS
from roamclear.reconciliation.importing import NOT_OURS
from tests.infra.templates import STAGES, data, service, template, text

RATE = re.compile(r"rate\(([1-9]\d*) (minutes|hours|days)\)|rate\(1 (minute|hour|day)\)")
CRON = re.compile(
    r"cron\((?:[0-5]?\d|\*) (?:1?\d|2[0-3]|\*) (?:[12]?\d|3[01]|\*|\?) "
    r"(?:[1-9]|1[0-2]|\*) (?:[1-7]|\*|\?) (?:\d{4}|\*)\)"
)


@pytest.mark.parametrize("stage", STAGES)
def test_schedule_expressions_are_valid_and_in_utc(stage: str) -> None:
    schedules = service(stage).of_type("AWS::Scheduler::Schedule")
    assert len(schedules) == len(SCHEDULES)
    for schedule in schedules.values():
        expression = schedule["ScheduleExpression"]
        assert RATE.fullmatch(expression) or CRON.fullmatch(expression), expression
        if expression.startswith("cron"):
            # One of day-of-month and day-of-week must be a question mark; one wrong cron stops all after it.
            fields = expression[5:-1].split()
            assert (fields[2] == "?") != (fields[4] == "?")
        assert schedule["ScheduleExpressionTimezone"] == "UTC"
        assert "DeadLetterConfig" in schedule["Target"]
        assert ":lambda:" in text(schedule["Target"]["Arn"]) or "Function" in text(schedule["Target"]["Arn"])


@pytest.mark.parametrize("stage", STAGES)
def test_streams_are_filtered_split_at_poison_and_parked(stage: str) -> None:
    mappings = service(stage).of_type("AWS::Lambda::EventSourceMapping")
    assert len(mappings) == 6
    for mapping in mappings.values():
        assert mapping["FilterCriteria"]["Filters"]
        for one in mapping["FilterCriteria"]["Filters"]:
            json.loads(one["Pattern"])
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["MaximumRetryAttempts"] > 0
        assert 0 < mapping["MaximumRecordAgeInSeconds"] < 24 * 3600
        assert "OnFailure" in mapping["DestinationConfig"]


@pytest.mark.parametrize("stage", STAGES)
def test_ledger_and_audit_streams_go_to_the_copy_only(stage: str) -> None:
    found = {
        (text(m["FunctionName"]), text(m["EventSourceArn"]))
        for m in service(stage).of_type("AWS::Lambda::EventSourceMapping").values()
    }
    for function, stream in found:
        assert ("CopyLedger" in function) == ("Ledger" in stream or "Audit" in stream)
        assert ("ProjectStream" in function or "KeepChanges" in function) == (
            "Intake" in stream or "Clearing" in stream
        )
    assert len(found) == 6


@pytest.mark.parametrize("stage", STAGES)
def test_every_queue_is_encrypted_kept_14_days_and_watched(stage: str) -> None:
    made = service(stage)
    queues = made.of_type("AWS::SQS::Queue")
    assert len(queues) == 4
    watched = {
        text(d["Value"])
        for alarm in made.of_type("AWS::CloudWatch::Alarm").values()
        for d in alarm.get("Dimensions", [])
        if d["Name"] == "QueueName"
    }
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert f"<{name}.QueueName>" in watched


@pytest.mark.parametrize("stage", STAGES)
def test_alarms_on_what_a_person_must_look_at(stage: str) -> None:
    alarms = service(stage).of_type("AWS::CloudWatch::Alarm")
    names = {a["AlarmName"].removeprefix(f"roamclear-{stage}-") for a in alarms.values()}
    assert names >= {f"Errors-{name}" for name in BY_NAME} | {f"Throttles-{name}" for name in BY_NAME}
    assert names >= {"CloseFailed", "CloseTimedOut", "CloseThrottled", "NightlyProofProofFailed", "ApiFaults",
                     "ApiSlow", "Missed-nightly_proof", "Behind-project_stream", "Behind-copy_ledger"}  # fmt: skip
    for alarm in alarms.values():
        assert alarm["AlarmActions"], "an alarm tells somebody"
        assert alarm["AlarmDescription"]
        assert alarm["TreatMissingData"] in {"notBreaching", "breaching"}


@pytest.mark.parametrize("stage", STAGES)
def test_routes_and_who_guards_them(stage: str) -> None:
    made = service(stage)
    routes = {
        r["RouteKey"]: r.get("AuthorizationType", "NONE") for r in made.of_type("AWS::ApiGatewayV2::Route").values()
    }
    pages = {"GET /console": "NONE", "GET /console/{proxy+}": "NONE"}
    assert routes == {"ANY /ocpi/{proxy+}": "NONE", "ANY /v1/{proxy+}": "JWT", "GET /links/{token}": "NONE"} | pages
    (authorizer,) = made.of_type("AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["AuthorizerType"] == "JWT"
    assert text(authorizer["JwtConfiguration"]["Issuer"]).startswith("https://cognito-idp.eu-central-1.amazonaws.com/")


@pytest.mark.parametrize("stage", STAGES)
def test_the_api_is_throttled_and_logs_no_token(stage: str) -> None:
    (made,) = service(stage).of_type("AWS::ApiGatewayV2::Stage").values()
    assert made["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    assert made["DefaultRouteSettings"]["ThrottlingBurstLimit"] > 0
    log = made["AccessLogSettings"]["Format"]
    for secret in ("path", "header", "authorizer", "sourceIp", "$context.protocol"):
        assert secret not in log


def test_the_laptop_api_id_is_a_parameter_of_stage_local_only() -> None:
    for stage in STAGES:
        assert ("ApiId" in service(stage).body["Parameters"]) == (stage == "local")


@pytest.mark.parametrize("stage", STAGES)
def test_inbox_events_reach_one_import_each_and_are_parked_when_they_do_not(stage: str) -> None:
    rules = [r for r in service(stage).of_type("AWS::Events::Rule").values() if "inbox" in str(r["Name"])]
    found = {}
    for rule in rules:
        assert rule["EventPattern"]["source"] == ["aws.s3"]
        (target,) = rule["Targets"]
        assert "DeadLetterConfig" in target
        found[text(target["Arn"])] = rule["EventPattern"]["detail"]["object"]["key"]
    (bank,) = [key for arn, key in found.items() if "ImportBankFile" in arn]
    others = {text(arn): key for arn, key in found.items() if "ImportBankFile" not in arn}
    (excluded,) = bank
    folders = [alternative["prefix"] for key in others.values() for alternative in key]
    assert sorted(folders) == excluded["anything-but"]["prefix"] == sorted(FOLDERS.values())
    assert len(rules) == len(FOLDERS) + 1
    assert set(FOLDERS.values()) <= set(NOT_OURS), "the hourly list of bank files leaves these alone"


@pytest.mark.parametrize("stage", STAGES)
def test_what_the_mail_service_reports_is_answered(stage: str) -> None:
    (rule,) = (r for r in service(stage).of_type("AWS::Events::Rule").values() if "mail" in str(r["Name"]))
    assert rule["EventPattern"]["source"] == ["aws.ses"]
    assert set(rule["EventPattern"]["detail"]["eventType"]) == {"Bounce", "Complaint", "Reject", "Rendering Failure"}
    (target,) = rule["Targets"]
    assert "TakeMailEvent" in text(target["Arn"])
    assert "DeadLetterConfig" in target
    reported = data(stage).of_type("AWS::SES::ConfigurationSetEventDestination").values()
    assert len(reported) == (0 if stage == "local" else 1)
    for destination in reported:
        assert "event-bus/default" in text(destination["EventDestination"]["EventBridgeDestination"]["EventBusArn"])
    for identity in data(stage).of_type("AWS::SES::EmailIdentity").values():
        assert identity["ConfigurationSetAttributes"]["ConfigurationSetName"]


@pytest.mark.parametrize("stage", STAGES)
def test_partners_are_pulled_at_any_minute_of_an_hour(stage: str) -> None:
    windows = {
        str(s["Name"]).removeprefix(f"roamclear-{stage}-"): s["FlexibleTimeWindow"]
        for s in service(stage).of_type("AWS::Scheduler::Schedule").values()
    }
    assert windows.pop("pull-cdrs") == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 45}
    assert windows.pop("start-close") == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 20}
    assert all(window == {"Mode": "OFF"} for window in windows.values())


@pytest.mark.parametrize("stage", STAGES)
def test_no_secret_stands_in_a_template(stage: str) -> None:
    for made in (data(stage), service(stage)):
        whole = json.dumps(made.body)
        assert not re.search(r"AKIA[0-9A-Z]{16}|-----BEGIN|[Pp]assword\"\s*:\s*\"[^\"{]", whole)
        assert len(whole) < 1_000_000, "CloudFormation takes templates up to 1 MB"
        assert len(made.resources) < 450, "CloudFormation takes 500 resources"


def test_only_production_has_an_edge_and_it_filters_requests() -> None:
    for stage in ("local", "dev"):
        assert not service(stage).of_type("AWS::CloudFront::Distribution")
    (distribution,) = service("prod").of_type("AWS::CloudFront::Distribution").values()
    config = distribution["DistributionConfig"]
    assert config["WebACLId"]
    assert config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "https-only"
    (acl,) = template("prod", "Edge").of_type("AWS::WAFv2::WebACL").values()
    assert acl["Scope"] == "CLOUDFRONT"
    assert [rule["Name"] for rule in acl["Rules"]] == [
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "per-address",
    ]
    # What WAF samples of requests would hold tokens.
    assert all(rule["VisibilityConfig"]["SampledRequestsEnabled"] is False for rule in acl["Rules"])
