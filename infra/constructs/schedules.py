"""Regular schedules (UTC, rules.md 1) and the group of the one-off wake-ups."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.catalogue import JITTER_MINUTES, SCHEDULES
from infra.constructs.functions import function_name
from infra.settings import StageSettings


def group_name(settings: StageSettings) -> str:
    """The group that holds regular schedules and wake-ups."""
    return settings.prefix


def target_arn(settings: StageSettings, name: str) -> str:
    """A function's ARN by its name, so that the function may know its own wake-up target."""
    return f"arn:{Aws.PARTITION}:lambda:{settings.region}:{Aws.ACCOUNT_ID}:function:{function_name(settings, name)}"


def scheduler_role(scope: Construct, construct_id: str, settings: StageSettings, failures: sqs.IQueue) -> iam.Role:
    """What EventBridge Scheduler may do: invoke the scheduled functions, park what it cannot deliver."""
    return iam.Role(
        scope,
        construct_id,
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        ),
        inline_policies={
            "only": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        sid="InvokeScheduled",
                        actions=["lambda:InvokeFunction"],
                        resources=[target_arn(settings, name) for name in SCHEDULES],
                    ),
                    iam.PolicyStatement(sid="Park", actions=["sqs:SendMessage"], resources=[failures.queue_arn]),
                ]
            )
        },
    )


def _window(name: str) -> scheduler.CfnSchedule.FlexibleTimeWindowProperty:
    minutes = JITTER_MINUTES.get(name)
    if minutes is None:
        return scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF")
    return scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="FLEXIBLE", maximum_window_in_minutes=minutes)


class Schedules(Construct):
    """One regular schedule per entry of the catalogue."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: StageSettings,
        functions: dict[str, lambda_.Function],
        role: iam.IRole,
        failures: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        group = scheduler.CfnScheduleGroup(self, "Group", name=group_name(settings))
        for name, expression in SCHEDULES.items():
            schedule = scheduler.CfnSchedule(
                self,
                "".join(part.title() for part in name.split("_")),
                name=function_name(settings, name),
                group_name=group_name(settings),
                schedule_expression=expression,
                schedule_expression_timezone="UTC",
                flexible_time_window=_window(name),
                target=scheduler.CfnSchedule.TargetProperty(
                    arn=functions[name].function_arn,
                    role_arn=role.role_arn,
                    input='{"reason":"schedule"}',
                    dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=failures.queue_arn),
                    retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                        maximum_retry_attempts=5, maximum_event_age_in_seconds=3600
                    ),
                ),
            )
            schedule.add_resource_dependency(group)


#: What SES reports that somebody must act upon.
MAIL_FAILURES = ("Bounce", "Complaint", "Reject", "Rendering Failure")
#: Folders of the inbox and the function each belongs to; whatever lies elsewhere is a bank file.
FOLDERS: dict[str, str] = {
    "compare_sessions": "compare/",
    "draw_accruals": "accruals/",
    "export_window": "windows/",
    "import_cdr_file": "cdrs/",
    "rehearse": "rehearse/",
    "take_dispute_file": "disputes/",
}
#: Which keys of the inbox reach which function; every key reaches exactly one.
INBOX: dict[str, list[object]] = {
    "import_bank_file": [{"anything-but": {"prefix": sorted(FOLDERS.values())}}],
    **{name: [{"prefix": folder}] for name, folder in FOLDERS.items()},
}


class InboxEvents(Construct):
    """A new object in the inbox invokes its import; the hourly lists find what an event lost (rules.md 10)."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: StageSettings,
        bucket_name: str,
        functions: dict[str, lambda_.Function],
        failures: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        for name, key in INBOX.items():
            pattern = {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [bucket_name]}, "object": {"key": key}},
            }
            title = "".join(part.title() for part in name.split("_"))
            rule = events.CfnRule(
                self,
                f"{title}Rule",
                name=f"{settings.prefix}-inbox-{name.replace('_', '-')}",
                description=f"A file arrived for {name}",
                event_pattern=pattern,
                targets=[_target(functions[name], failures)],
            )
            _invoked_by(self, title, rule, functions[name], failures)


class MailEvents(Construct):
    """What SES reports of a mail invokes the function that answers it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: StageSettings,
        function: lambda_.Function,
        failures: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        rule = events.CfnRule(
            self,
            "Rule",
            name=f"{settings.prefix}-mail-failures",
            description="A mail bounced, was refused or complained about",
            event_pattern={"source": ["aws.ses"], "detail": {"eventType": list(MAIL_FAILURES)}},
            targets=[_target(function, failures)],
        )
        _invoked_by(self, "Mail", rule, function, failures)


def _target(function: lambda_.Function, failures: sqs.IQueue) -> events.CfnRule.TargetProperty:
    """A function as the one target of a rule: tried for six hours, then parked."""
    return events.CfnRule.TargetProperty(
        id="import",
        arn=function.function_arn,
        dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=failures.queue_arn),
        retry_policy=events.CfnRule.RetryPolicyProperty(
            maximum_retry_attempts=20, maximum_event_age_in_seconds=6 * 3600
        ),
    )


def _invoked_by(
    scope: Construct, title: str, rule: events.CfnRule, function: lambda_.Function, failures: sqs.IQueue
) -> None:
    lambda_.CfnPermission(
        scope,
        f"{title}MayInvoke",
        action="lambda:InvokeFunction",
        function_name=function.function_name,
        principal="events.amazonaws.com",
        source_arn=rule.attr_arn,
    )
    failures.grant_send_messages(
        iam.ServicePrincipal("events.amazonaws.com", conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}})
    )
