"""What a person must look at, as alarms on one topic."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.settings import StageSettings

#: Log lines that a person must see, by function and by the value of their `message`.
LOGGED_FAULTS = {
    "nightly_proof": ("proof failed",),
    "fail_run": ("run failed",),
    "finance_api": ("unexpected fault",),
    "ocpi_api": ("unexpected fault",),
    "project_stream": ("a record was parked",),
    "pull_cdrs": ("a pull failed",),
}


class Alarms(Construct):
    """Alarms named after what went wrong; each says where to look."""

    def __init__(self, scope: Construct, construct_id: str, settings: StageSettings, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self.topic = sns.Topic(self, "Topic", topic_name=f"{settings.prefix}-alarms", master_key=key, enforce_ssl=True)
        if settings.alarm_mail:
            self.topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_mail))

    def queue(self, name: str, queue: sqs.IQueue) -> None:
        """Something was parked that nobody could handle."""
        self._alarm(
            f"Parked-{name}",
            f"Records of {name} wait in {name} failures: read the first, repair, redrive (docs/deploy.md).",
            queue.metric_approximate_number_of_messages_visible(period=Duration.minutes(1), statistic="Maximum"),
            1,
        )

    def function(self, name: str, function: lambda_.Function) -> None:
        """A function failed or was refused its share of concurrency."""
        period = Duration.minutes(5)
        self._alarm(
            f"Errors-{name}", f"{name} failed: read its log.", function.metric_errors(period=period, statistic="Sum"), 1
        )
        self._alarm(
            f"Throttles-{name}",
            f"{name} was throttled: raise the concurrency of the account or of the function.",
            function.metric_throttles(period=period, statistic="Sum"),
            1,
        )

    def stream(self, name: str, function: lambda_.Function) -> None:
        """A stream function falls behind."""
        metric = function.metric("IteratorAge", period=Duration.minutes(5), statistic="Maximum")
        self._alarm(f"Behind-{name}", f"{name} is more than five minutes behind its stream.", metric, 300_000)

    def machine(self, machine: sfn.StateMachine) -> None:
        """A month close failed, ran out of time or was throttled."""
        period = Duration.minutes(5)
        for what, metric in {
            "Failed": machine.metric_failed(period=period, statistic="Sum"),
            "TimedOut": machine.metric_timed_out(period=period, statistic="Sum"),
            "Throttled": machine.metric_throttled(period=period, statistic="Sum"),
        }.items():
            self._alarm(f"Close{what}", "A month close stopped: the run says at which step; resume it.", metric, 1)

    def logged(self, name: str, log_group: logs.ILogGroup, message: str) -> None:
        """A log line that means a person must look."""
        metric_name = "".join(part.title() for part in f"{name}_{message}".replace(" ", "_").split("_"))
        logs.CfnMetricFilter(
            self,
            f"Filter{metric_name}",
            log_group_name=log_group.log_group_name,
            filter_pattern=f'{{ $.message = "{message}" }}',
            metric_transformations=[
                logs.CfnMetricFilter.MetricTransformationProperty(
                    metric_name=metric_name, metric_namespace=f"Roamclear/{self._settings.stage}", metric_value="1"
                )
            ],
        )
        metric = cloudwatch.Metric(
            namespace=f"Roamclear/{self._settings.stage}",
            metric_name=metric_name,
            period=Duration.minutes(5),
            statistic="Sum",
        )
        self._alarm(metric_name, f"{name} logged {message!r}: read the entry and the runbook.", metric, 1)

    def missed(self, name: str, function: lambda_.Function, period: Duration) -> None:
        """A regular job did not run at all."""
        metric = function.metric_invocations(period=period, statistic="Sum")
        self._alarm(f"Missed-{name}", f"{name} did not run.", metric, 1, less=True)

    def api(self, api_id: str) -> None:
        """The API answers with faults, or too slowly for partners who give up at five seconds."""
        dimensions = {"ApiId": api_id}
        faults = cloudwatch.Metric(
            namespace="AWS/ApiGateway",
            metric_name="5xx",
            dimensions_map=dimensions,
            period=Duration.minutes(5),
            statistic="Sum",
        )
        slow = cloudwatch.Metric(
            namespace="AWS/ApiGateway",
            metric_name="IntegrationLatency",
            dimensions_map=dimensions,
            period=Duration.minutes(5),
            statistic="p99",
        )
        self._alarm("ApiFaults", "The API answered 5xx.", faults, 1)
        self._alarm("ApiSlow", "One request in a hundred takes more than three seconds.", slow, 3000, periods=3)

    def _alarm(
        self,
        name: str,
        description: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        *,
        less: bool = False,
        periods: int = 1,
    ) -> None:
        operator = cloudwatch.ComparisonOperator
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_name=f"{self._settings.prefix}-{name}",
            alarm_description=description,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=operator.LESS_THAN_THRESHOLD if less else operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=missing.BREACHING if less else missing.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
