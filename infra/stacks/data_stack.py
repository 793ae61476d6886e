"""What lives for years: key, tables, buckets, users. Deployed rarely, never deleted."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.constructs.buckets import Buckets
from infra.constructs.keys import DataKey
from infra.constructs.tables import Tables
from infra.constructs.users import Users
from infra.settings import StageSettings


class DataStack(Stack):
    """The stage's data."""

    def __init__(self, scope: Construct, construct_id: str, settings: StageSettings, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.key = DataKey(self, "DataKey", settings).key
        self.tables = Tables(self, "Tables", settings, self.key).by_name
        self.buckets = Buckets(self, "Buckets", settings, self.key).by_name
        self.users = Users(self, "Users", settings)
        for name, table in self.tables.items():
            CfnOutput(self, f"Table{name.title()}", value=table.table_name)
        for name, bucket in self.buckets.items():
            CfnOutput(self, f"Bucket{name.title()}", value=bucket.bucket_name)
        CfnOutput(self, "UserPoolId", value=self.users.pool.user_pool_id)
