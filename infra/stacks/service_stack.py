"""What changes often: API, functions, the month close, streams, schedules, alarms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, CfnParameter, Duration, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.catalogue import DAILY, FUNCTIONS, SCHEDULES
from infra.constructs.alarms import LOGGED_FAULTS, Alarms
from infra.constructs.api import HttpApi
from infra.constructs.buckets import bucket_name
from infra.constructs.close import CloseRun, machine_arn
from infra.constructs.edge import Distribution
from infra.constructs.functions import Functions
from infra.constructs.schedules import InboxEvents, MailEvents, Schedules, group_name, scheduler_role, target_arn
from infra.constructs.streams import Streams, dead_letters
from infra.settings import LOCAL_API_ID, StageSettings
from infra.stacks.data_stack import DataStack


class ServiceStack(Stack):
    """The stage's behaviour over a data stack."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: StageSettings,
        data: DataStack,
        *,
        code: Path,
        layers: dict[str, Path],
        acl_arn: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._settings = settings
        self._data = data
        failures = dead_letters(self, "AsyncFailures", f"{settings.prefix}-async-failures")
        http = HttpApi(self, "Http", settings, data.key, self._api_id())
        base_url = settings.public_base_url or http.endpoint
        if acl_arn:
            host = f"{http.api.api_id}.execute-api.{settings.region}.amazonaws.com"
            edge = Distribution(self, "Edge", settings, host, acl_arn).distribution
            base_url = settings.public_base_url or f"https://{edge.distribution_domain_name}"
        role = scheduler_role(self, "SchedulerRole", settings, failures)
        client = self._client(base_url)
        functions = Functions(
            self,
            "Functions",
            settings,
            tables=data.tables,
            key=data.key,
            code=lambda_.Code.from_asset(str(code)),
            layers=layers,
            failures=failures,
            environment=self._environment(base_url, role.role_arn) | self._console(client),
            scheduler_role=role,
        ).by_name
        close = CloseRun(self, "CloseRun", settings, functions, data.key)
        streams = Streams(self, "Streams", settings, functions, data.tables)
        Schedules(self, "Schedules", settings, functions, role, failures)
        InboxEvents(self, "Inbox", settings, bucket_name(settings, "inbox"), functions, failures)
        MailEvents(self, "MailEvents", settings, functions["take_mail_event"], failures)
        http.add_routes(functions, data.users.pool, [client])
        self._alarms(functions, close, streams, failures, http)
        CfnOutput(self, "ApiEndpoint", value=http.endpoint)
        CfnOutput(self, "UserPoolClientId", value=client.user_pool_client_id)
        CfnOutput(self, "CloseStateMachineArn", value=machine_arn(settings))
        CfnOutput(self, "AsyncFailuresUrl", value=failures.queue_url)

    def _api_id(self) -> str:
        """Side-by-side laptop stacks need an API id each; elsewhere AWS gives one."""
        if self._settings.stage != "local":
            return ""
        return CfnParameter(
            self, "ApiId", type="String", default=LOCAL_API_ID, allowed_pattern="[0-9a-f]{8}",
            description="8 hex digits: the id of the API on the laptop stack",
        ).value_as_string  # fmt: skip

    def _environment(self, base_url: str, scheduler_role_arn: str) -> dict[str, str]:
        settings = self._settings
        found = {
            "CLOSE_STATE_MACHINE_ARN": machine_arn(settings),
            "SCHEDULE_GROUP": group_name(settings),
            "SCHEDULE_TARGET_ARN": target_arn(settings, "sweep"),
            "SCHEDULE_TARGET_ROLE_ARN": scheduler_role_arn,
            "MAIL_SENDER": settings.mail_sender,
            "PUBLIC_BASE_URL": base_url,
        }
        if settings.clock:
            parameter = ssm.CfnParameter(
                self,
                "Clock",
                name=f"/{settings.prefix}/clock-shift-s",
                type="String",
                value="0",
                description="Seconds by which the one clock of this stage is shifted (rules.md 1)",
            )
            found["CLOCK_PARAMETER"] = str(parameter.name)
        return found

    def _console(self, client: cognito.UserPoolClient) -> dict[str, str]:
        """What the pages are told: where to sign in, as whom, and where browsers post files."""
        settings = self._settings
        if settings.paste_token:
            # The laptop has no hosted sign-in; its store stands on the endpoint of the stack, at any port.
            return {"CONSOLE_PASTE_TOKEN": "1", "CONSOLE_UPLOADS": "http://127.0.0.1:* http://localhost:*"}
        return {
            "CONSOLE_SIGN_IN": self._data.users.sign_in_url,
            "CONSOLE_CLIENT_ID": client.user_pool_client_id,
            # The one address of the forms that the functions sign (aws/objects.py).
            "CONSOLE_UPLOADS": f"https://s3.{settings.region}.amazonaws.com/{bucket_name(settings, 'inbox')}",
        }

    def _client(self, base_url: str) -> cognito.UserPoolClient:
        """Signs people in: SRP and the hosted page everywhere, admin passwords only for the laptop's test users."""
        settings = self._settings
        return cognito.UserPoolClient(
            self,
            "Client",
            user_pool=self._data.users.pool,
            user_pool_client_name=f"{settings.prefix}-console",
            auth_flows=cognito.AuthFlow(user_srp=True, admin_user_password=settings.stage == "local"),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL],
                callback_urls=[f"{base_url}/console/callback"],
                logout_urls=[f"{base_url}/console"],
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=Duration.hours(24 if settings.stage == "local" else 1),
            id_token_validity=Duration.hours(24 if settings.stage == "local" else 1),
            refresh_token_validity=Duration.hours(24),
        )

    def _alarms(
        self,
        functions: dict[str, lambda_.Function],
        close: CloseRun,
        streams: Streams,
        failures: Any,
        http: HttpApi,
    ) -> None:
        alarms = Alarms(self, "Alarms", self._settings, self._data.key)
        alarms.queue("async", failures)
        for name, queue in streams.queues.items():
            alarms.queue(name, queue)
            alarms.stream(name, functions[name])
        for spec in FUNCTIONS:
            alarms.function(spec.name, functions[spec.name])
        for name, messages in LOGGED_FAULTS.items():
            for message in messages:
                alarms.logged(name, functions[name].log_group, message)
        for name in SCHEDULES:
            period = Duration.days(1) if name in DAILY else Duration.hours(2)
            alarms.missed(name, functions[name], period)
        alarms.machine(close.machine)
        alarms.api(http.api.api_id)
        CfnOutput(self, "AlarmTopicArn", value=alarms.topic.topic_arn)
