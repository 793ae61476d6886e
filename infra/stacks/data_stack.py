"""What lives for years: key, tables, buckets, users. Deployed rarely, never deleted."""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws, CfnOutput, Stack
from aws_cdk import aws_ses as ses
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
        if settings.verify_sender:
            self._sender(settings)
        CfnOutput(self, "UserPoolId", value=self.users.pool.user_pool_id)

    def _sender(self, settings: StageSettings) -> None:
        """The domain mails come from; it is verified when its three DKIM records stand in the DNS (docs/deploy.md).

        Its own configuration set tells the default bus what became of each mail (take_mail_event).
        """
        reports = ses.CfnConfigurationSet(
            self,
            "MailReports",
            name=f"{settings.prefix}-mail",
            delivery_options=ses.CfnConfigurationSet.DeliveryOptionsProperty(tls_policy="REQUIRE"),
        )
        bus = f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:event-bus/default"
        destination = ses.CfnConfigurationSetEventDestination(
            self,
            "MailReportsToBus",
            configuration_set_name=reports.ref,
            event_destination=ses.CfnConfigurationSetEventDestination.EventDestinationProperty(
                name="bus",
                enabled=True,
                matching_event_types=["BOUNCE", "COMPLAINT", "REJECT", "RENDERING_FAILURE"],
                event_bridge_destination=ses.CfnConfigurationSetEventDestination.EventBridgeDestinationProperty(
                    event_bus_arn=bus
                ),
            ),
        )
        identity = ses.CfnEmailIdentity(
            self,
            "Sender",
            email_identity=settings.mail_sender.partition("@")[2],
            dkim_attributes=ses.CfnEmailIdentity.DkimAttributesProperty(signing_enabled=True),
            configuration_set_attributes=ses.CfnEmailIdentity.ConfigurationSetAttributesProperty(
                configuration_set_name=reports.ref
            ),
        )
        identity.add_dependency(destination)
        for number in (1, 2, 3):
            name = getattr(identity, f"attr_dkim_dns_token_name{number}")
            value = getattr(identity, f"attr_dkim_dns_token_value{number}")
            CfnOutput(self, f"DkimRecord{number}", value=f"{name} CNAME {value}")
