"""The five tables, cut by retention and permission (rules.md 3)."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.catalogue import EXPIRING, INDEXES, STREAMS
from infra.settings import StageSettings

_STRING = dynamodb.AttributeType.STRING


class Tables(Construct):
    """Tables by name: string keys, on demand, point-in-time recovery, encrypted with the stage's key."""

    def __init__(self, scope: Construct, construct_id: str, settings: StageSettings, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        self.by_name: dict[str, dynamodb.Table] = {name: self._table(name, settings, key) for name in INDEXES}

    def _table(self, name: str, settings: StageSettings, key: kms.IKey) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            name.title(),
            table_name=f"{settings.prefix}-{name}",
            partition_key=dynamodb.Attribute(name="pk", type=_STRING),
            sort_key=dynamodb.Attribute(name="sk", type=_STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True, recovery_period_in_days=35
            ),
            deletion_protection=settings.keep_data,
            removal_policy=RemovalPolicy.RETAIN if settings.keep_data else RemovalPolicy.DESTROY,
            stream=dynamodb.StreamViewType.NEW_IMAGE if name in STREAMS else None,
            time_to_live_attribute="expires_at" if name in EXPIRING else None,
        )
        for index, projection in INDEXES[name].items():
            table.add_global_secondary_index(
                index_name=index,
                partition_key=dynamodb.Attribute(name=f"{index}pk", type=_STRING),
                sort_key=dynamodb.Attribute(name=f"{index}sk", type=_STRING),
                projection_type=getattr(dynamodb.ProjectionType, projection),
            )
        return table
