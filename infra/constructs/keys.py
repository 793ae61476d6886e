"""The one customer-managed key of a stage."""

from __future__ import annotations

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.settings import StageSettings


class DataKey(Construct):
    """Encrypts tables, buckets, logs and the alarm topic; nobody may schedule its deletion (rules.md 10)."""

    def __init__(self, scope: Construct, construct_id: str, settings: StageSettings) -> None:
        super().__init__(scope, construct_id)
        self.key = kms.Key(
            self,
            "Key",
            alias=f"alias/{settings.prefix}",
            description=f"Roamclear {settings.stage}: tables, buckets, logs, alarms",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN if settings.keep_data else RemovalPolicy.DESTROY,
        )
        if settings.keep_data:
            self.key.add_to_resource_policy(
                iam.PolicyStatement(
                    sid="NobodyDeletesTheKey",
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["kms:ScheduleKeyDeletion"],
                    resources=["*"],
                )
            )
        groups = f"arn:{Aws.PARTITION}:logs:{settings.region}:{Aws.ACCOUNT_ID}:*"
        self._allow_service(
            "LogsEncrypt",
            f"logs.{settings.region}.amazonaws.com",
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
        # Alarms publish to the encrypted topic. No condition on the account: an alarm that is refused says nothing.
        self._allow_service("AlarmsPublish", "cloudwatch.amazonaws.com", None)

    def _allow_service(self, sid: str, service: str, conditions: dict[str, dict[str, str]] | None) -> None:
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                principals=[iam.ServicePrincipal(service)],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey",
                         "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"],
                resources=["*"],
                conditions=conditions,
            )
        )  # fmt: skip
