"""The public HTTP API: OCPI, the JSON API behind the user pool, and mailed links."""

from __future__ import annotations

import json

from aws_cdk import Duration, RemovalPolicy, Tags
from aws_cdk import aws_apigatewayv2 as api
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.nag import acknowledge
from infra.settings import StageSettings

#: No header, no query, no address: tokens travel in headers, mailed links in the path, so the route is logged instead.
_ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latencyMs": "$context.responseLatency",
    "integrationMs": "$context.integrationLatency",
    "bytes": "$context.responseLength",
    "error": "$context.error.messageString",
}


class HttpApi(Construct):
    """The API without its routes, so that functions may know its address."""

    def __init__(
        self, scope: Construct, construct_id: str, settings: StageSettings, key: kms.IKey, api_id: str
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self.api = api.HttpApi(
            self,
            "Api",
            api_name=settings.prefix,
            description="Roamclear: OCPI, JSON API, links",
            create_default_stage=False,
        )
        if api_id:
            # A plain tag on AWS; the laptop stack takes the API's id from it (platform.md 3).
            Tags.of(self.api).add("ms-custom-id", api_id)
        log_group = logs.LogGroup(
            self,
            "AccessLog",
            log_group_name=f"/aws/vendedlogs/apis/{settings.prefix}",
            retention=logs.RetentionDays.ONE_YEAR if settings.stage == "prod" else logs.RetentionDays.ONE_MONTH,
            encryption_key=key,
            removal_policy=RemovalPolicy.RETAIN if settings.keep_data else RemovalPolicy.DESTROY,
        )
        self.stage = api.CfnStage(
            self,
            "Stage",
            api_id=self.api.api_id,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=api.CfnStage.AccessLogSettingsProperty(
                destination_arn=log_group.log_group_arn, format=json.dumps(_ACCESS_LOG)
            ),
            default_route_settings=api.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=settings.api_rate,
                throttling_burst_limit=settings.api_burst,
                detailed_metrics_enabled=True,
            ),
        )

    @property
    def endpoint(self) -> str:
        """The API's own address; not ``.url``, which the laptop stack knows otherwise (platform.md 3)."""
        return self.api.api_endpoint

    def add_routes(
        self, functions: dict[str, lambda_.Function], pool: cognito.UserPool, clients: list[cognito.UserPoolClient]
    ) -> None:
        """The JSON API needs a signed-in person; OCPI partners and mailed links carry tokens the functions check."""
        people = authorizers.HttpJwtAuthorizer(
            "People",
            # The documented form; the laptop's template reader does not know the attribute ProviderURL.
            f"https://cognito-idp.{self._settings.region}.amazonaws.com/{pool.user_pool_id}",
            jwt_audience=[client.user_pool_client_id for client in clients],
            identity_source=["$request.header.Authorization"],
        )
        own_token = "OCPI partners carry the token of their credential, which the function checks (OCPI 2.2.1, 4.1.1)."
        own_link = "A mailed link carries its own signed, revocable token, which the function checks."
        self._route("Ocpi", "/ocpi/{proxy+}", api.HttpMethod.ANY, functions["ocpi_api"], None, own_token)
        self._route("Finance", "/v1/{proxy+}", api.HttpMethod.ANY, functions["finance_api"], people, "")
        own_page = "Pages are the same for everybody and hold no data; what they show is asked of the JSON API."
        for name, path in (("Console", "/console"), ("ConsolePage", "/console/{proxy+}")):
            self._route(name, path, api.HttpMethod.GET, functions["serve_console"], None, own_page)
        self._route("Link", "/links/{token}", api.HttpMethod.GET, functions["open_link"], None, own_link)

    def _route(
        self,
        name: str,
        path: str,
        method: api.HttpMethod,
        function: lambda_.Function,
        authorizer: api.IHttpRouteAuthorizer | None,
        reason: str,
    ) -> None:
        integration = integrations.HttpLambdaIntegration(name, function, timeout=Duration.seconds(29))
        routes = self.api.add_routes(path=path, methods=[method], integration=integration, authorizer=authorizer)
        if reason:
            for route in routes:
                acknowledge(route, APIG4=reason)
