"""DynamoDB streams to functions: filtered, retried, split at a poison record, parked in a queue at last."""

from __future__ import annotations

import json

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.nag import acknowledge, acknowledge_findings
from infra.settings import StageSettings

_NEW_IMAGES = ["INSERT", "MODIFY"]
#: Which records reach which function. Everything else never wakes a Lambda.
FILTERS: dict[tuple[str, str], list[dict[str, object]]] = {
    ("project_stream", "intake"): [
        {
            "eventName": _NEW_IMAGES,
            # Bodies, differing bodies, locations, and refused messages, whose sort key begins with the year.
            "dynamodb": {"Keys": {"sk": {"S": [{"prefix": p} for p in ("ORIGINAL", "CONFLICT", "LOCATION", "2")]}}},
        }
    ],
    # Outbox facts of any room: rows that carry `fact`.
    ("project_stream", "clearing"): [
        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"fact": {"S": [{"exists": True}]}}}}
    ],
    ("keep_changes", "intake"): [{"eventName": [*_NEW_IMAGES, "REMOVE"]}],
    ("keep_changes", "clearing"): [{"eventName": [*_NEW_IMAGES, "REMOVE"]}],
    ("copy_ledger", "ledger"): [{"eventName": ["INSERT"]}],
    ("copy_ledger", "audit"): [{"eventName": ["INSERT"]}],
}


def dead_letters(scope: Construct, construct_id: str, name: str) -> sqs.Queue:
    """A queue that keeps for 14 days what nobody could handle."""
    queue = sqs.Queue(
        scope,
        construct_id,
        queue_name=name,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    acknowledge(queue, SQS3="It is a dead-letter queue itself.")
    return queue


class Streams(Construct):
    """Event source mappings; the roles get just the streams they read."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: StageSettings,
        functions: dict[str, lambda_.Function],
        tables: dict[str, dynamodb.Table],
    ) -> None:
        super().__init__(scope, construct_id)
        self.queues: dict[str, sqs.Queue] = {}
        for name in sorted({function for function, _ in FILTERS}):
            title = "".join(part.title() for part in name.split("_"))
            queue = dead_letters(self, f"{title}Failures", f"{settings.prefix}-{name.replace('_', '-')}-failures")
            self.queues[name] = queue
            arns = {t: str(tables[t].table_stream_arn) for f, t in FILTERS if f == name}
            policy = self._policy(title, functions[name], list(arns.values()), queue)
            for table, arn in arns.items():
                mapping = self._mapping(title, table, functions[name], arn, queue, FILTERS[name, table])
                mapping.node.add_dependency(policy)

    def _policy(self, title: str, function: lambda_.Function, arns: list[str], queue: sqs.Queue) -> iam.CfnPolicy:
        role = function.role
        assert role is not None
        policy = iam.Policy(
            self,
            f"{title}Reads",
            statements=[
                iam.PolicyStatement(
                    sid="ReadStreams",
                    actions=["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
                    resources=arns,
                ),
                iam.PolicyStatement(sid="FindStreams", actions=["dynamodb:ListStreams"], resources=["*"]),
                iam.PolicyStatement(sid="ParkRecords", actions=["sqs:SendMessage"], resources=[queue.queue_arn]),
            ],
        )
        resource = policy.node.default_child
        assert isinstance(resource, iam.CfnPolicy)
        resource.roles = [role.role_name]
        acknowledge_findings(policy, "IAM5", {"Resource::*": "ListStreams cannot be narrowed to one stream."})
        return resource

    def _mapping(
        self,
        title: str,
        table: str,
        function: lambda_.Function,
        stream_arn: str,
        queue: sqs.Queue,
        filters: list[dict[str, object]],
    ) -> lambda_.CfnEventSourceMapping:
        source = lambda_.CfnEventSourceMapping
        return source(
            self,
            f"{title}From{table.title()}",
            function_name=function.function_name,
            event_source_arn=stream_arn,
            starting_position="TRIM_HORIZON",
            # Changes are kept by the hundreds: one object each would cost more than the tables.
            batch_size=1000 if title == "KeepChanges" else 25,
            maximum_batching_window_in_seconds=10 if title == "KeepChanges" else 0,
            parallelization_factor=4 if title == "ProjectStream" else 1,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=8,
            maximum_record_age_in_seconds=6 * 3600,
            function_response_types=["ReportBatchItemFailures"],
            destination_config=source.DestinationConfigProperty(
                on_failure=source.OnFailureProperty(destination=queue.queue_arn)
            ),
            filter_criteria=source.FilterCriteriaProperty(
                filters=[source.FilterProperty(pattern=json.dumps(pattern, sort_keys=True)) for pattern in filters]
            ),
        )
