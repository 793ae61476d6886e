"""The composition root: every real dependency by name, built once per process and only when used."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

from roamclear.aws.db import Tables
from roamclear.aws.mail import Ses
from roamclear.aws.objects import Buckets
from roamclear.aws.seal import Kms
from roamclear.aws.settings import Settings
from roamclear.aws.workflow import StepFunctions
from roamclear.kernel.clock import SystemClock
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvariantBroken
from roamclear.kernel.writes import Table

_RETRY = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=3, read_timeout=15)
# Checking parameters twice and composing the user agent anew cost a third of a small request's CPU (infra/bench).
_TABLES = _RETRY.merge(Config(parameter_validation=False, user_agent="roamclear"))


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_environment()


@lru_cache(maxsize=16)
def client(service: str) -> Any:
    """One client per service and process."""
    if service == "dynamodb":
        return boto3.client(service, config=_TABLES)
    config = _RETRY.merge(Config(s3={"addressing_style": "path"})) if service == "s3" else _RETRY
    return boto3.client(service, config=config)


@lru_cache(maxsize=1)
def _doors() -> tuple[Tables, Buckets, Ses, StepFunctions, Kms]:
    s = settings()
    tables = Tables(
        client("dynamodb"),
        {
            Table.IDENTITY: s.table_identity,
            Table.INTAKE: s.table_intake,
            Table.CLEARING: s.table_clearing,
            Table.LEDGER: s.table_ledger,
            Table.AUDIT: s.table_audit,
        },
    )
    buckets = Buckets(
        lambda: client("s3"),
        {
            "documents": s.bucket_documents,
            "inbox": s.bucket_inbox,
            "exports": s.bucket_exports,
            "archive": s.bucket_archive,
            "changes": s.bucket_changes,
        },
    )
    states = StepFunctions(
        lambda: client("stepfunctions"),
        lambda: client("scheduler"),
        s.close_state_machine_arn,
        s.schedule_group,
        s.schedule_target_arn,
        s.schedule_target_role_arn,
    )
    return tables, buckets, Ses(lambda: client("ses")), states, Kms(lambda: client("kms"), s.sealing_key)


def context() -> Context:
    """What a handler passes to its use case; the clock is read anew for each invocation."""
    s = settings()
    tables, buckets, mailer, states, sealer = _doors()
    return Context(
        clock=SystemClock(_shift(s)),
        db=tables,
        objects=buckets,
        mailer=mailer,
        workflows=states,
        sealer=sealer,
        stage=s.stage,
        lock_mode=s.object_lock_mode,
        mail_sender=s.mail_sender,
        public_base_url=s.public_base_url,
        fonts_dir=s.fonts_dir,
        schemas_dir=s.schemas_dir,
        vies_url=s.vies_url,
        ecb_url=s.ecb_url,
    )


def _shift(s: Settings) -> timedelta:
    if not s.clock_parameter:
        return timedelta(0)
    if s.stage != "local":
        raise InvariantBroken("only stage local may shift the clock", stage=s.stage)
    value = client("ssm").get_parameter(Name=s.clock_parameter)["Parameter"]["Value"]
    return timedelta(seconds=int(value))
