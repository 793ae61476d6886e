"""The user pool. Roles do not live here but in the identity table, per issuer (rules.md 2)."""

from __future__ import annotations

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra.constructs.nag import acknowledge
from infra.settings import StageSettings


class Users(Construct):
    """Who can sign in: invited people only, long passwords, a second factor per stage, a hosted sign-in page."""

    def __init__(self, scope: Construct, construct_id: str, settings: StageSettings) -> None:
        super().__init__(scope, construct_id)
        self.pool = cognito.UserPool(
            self,
            "Pool",
            user_pool_name=settings.prefix,
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.REQUIRED if settings.require_mfa else cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=cognito.PasswordPolicy(
                min_length=14,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
                temp_password_validity=Duration.days(3),
            ),
            deletion_protection=settings.keep_data,
            removal_policy=RemovalPolicy.RETAIN if settings.keep_data else RemovalPolicy.DESTROY,
        )
        self.domain = self.pool.add_domain(
            "Domain",
            cognito_domain=cognito.CognitoDomainOptions(domain_prefix=f"{settings.prefix}-{Aws.ACCOUNT_ID}"),
        )
        #: Where browsers are sent to sign in; known before the domain exists, so no stack has to export it.
        self.sign_in_url = f"https://{settings.prefix}-{Aws.ACCOUNT_ID}.auth.{settings.region}.amazoncognito.com"
        acknowledge(
            self.pool,
            COG3="Threat protection needs the Plus plan, which costs per user; people are invited one by one, the "
            "password policy is long and production requires a second factor.",
            COG8="The Plus plan costs per user and month; nothing of it is used (see COG3).",
        )
        if not settings.require_mfa:
            acknowledge(
                self.pool, COG2="No real customer's data is on this stage; production requires a second factor."
            )
