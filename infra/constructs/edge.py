"""CloudFront and WAF in front of the API, for stages that want them (rules.md 11): an HTTP API has no WAF of its own.

WAF for CloudFront lives in us-east-1 on AWS, wherever the data are; it sees requests, it stores none of their bodies.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.constructs.nag import acknowledge
from infra.settings import StageSettings

#: Requests of one address within five minutes; a hub pushes for many partners from one address.
PER_ADDRESS = 20_000
_MANAGED = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet")


class EdgeStack(Stack):
    """The web ACL, in the one region where CloudFront reads it."""

    def __init__(self, scope: Construct, construct_id: str, settings: StageSettings, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        rules = [self._managed(number, name) for number, name in enumerate(_MANAGED)]
        self.acl = waf.CfnWebACL(
            self,
            "Acl",
            name=settings.prefix,
            scope="CLOUDFRONT",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible(settings.prefix),
            rules=[
                *rules,
                waf.CfnWebACL.RuleProperty(
                    name="per-address",
                    priority=len(rules),
                    action=waf.CfnWebACL.RuleActionProperty(block={}),
                    statement=waf.CfnWebACL.StatementProperty(
                        rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                            aggregate_key_type="IP", limit=PER_ADDRESS
                        )
                    ),
                    visibility_config=_visible("per-address"),
                ),
            ],
        )

    @staticmethod
    def _managed(number: int, name: str) -> waf.CfnWebACL.RuleProperty:
        group = waf.CfnWebACL.ManagedRuleGroupStatementProperty(vendor_name="AWS", name=name)
        return waf.CfnWebACL.RuleProperty(
            name=name,
            priority=number,
            override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
            statement=waf.CfnWebACL.StatementProperty(managed_rule_group_statement=group),
            visibility_config=_visible(name),
        )


def _visible(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )


class Distribution(Construct):
    """Passes every request on, caches nothing, and is what partners and links name."""

    def __init__(
        self, scope: Construct, construct_id: str, settings: StageSettings, api_domain: str, acl_arn: str
    ) -> None:
        super().__init__(scope, construct_id)
        logs = s3.Bucket(
            self,
            "Logs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[s3.LifecycleRule(id="forget", expiration=Duration.days(400))],
        )
        acknowledge(logs, S1="It holds the access logs of the distribution; logging itself would never end.")
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"Roamclear {settings.stage}",
            web_acl_id=acl_arn,
            log_bucket=logs,
            log_includes_cookies=False,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.HttpOrigin(
                    api_domain,
                    origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
                    read_timeout=Duration.seconds(30),
                ),
                allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            ),
        )
        acknowledge(
            self.distribution,
            CFR1="Partners and reviewers sit in several countries; the WAF limits by address, not by country.",
            CFR4="Without an own domain CloudFront's certificate sets the protocol; a stage with one asks for TLS 1.2.",
        )
        CfnOutput(self, "EdgeDomain", value=self.distribution.distribution_domain_name)
