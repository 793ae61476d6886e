"""What differs between the stages, typed. Nothing else in infra/ asks which stage it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Stage = Literal["local", "dev", "prod"]
STAGES: tuple[Stage, ...] = ("local", "dev", "prod")

#: The one place that names the Lambda runtime (platform.md 1).
LAMBDA_PYTHON = "3.13"
#: The laptop stack pins its API by this id (8 hex digits); side-by-side stacks pass another one as a parameter.
LOCAL_API_ID = "c1ea4001"


@dataclass(frozen=True, slots=True)
class StageSettings:
    """One stage of the deployment."""

    stage: Stage
    region: str = "eu-central-1"
    #: Tables, buckets, keys and users survive the deletion of the stack, and tables refuse to be deleted.
    keep_data: bool = True
    object_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] = "GOVERNANCE"
    object_lock_days: int = 1
    log_days: int = 30
    #: Requests per second and burst of the whole API; partners have their own buckets in DynamoDB (rules.md 11).
    api_rate: int = 50
    api_burst: int = 100
    #: Reserved concurrency needs an account limit above the default of new accounts.
    reserve_concurrency: bool = False
    require_mfa: bool = False
    #: CloudFront and WAF in front of the API: the only thing that costs money while idle.
    edge: bool = False
    #: Only stage local may shift the clock (rules.md 1).
    clock: bool = False
    #: Only on stage local do the pages offer a box for a token; elsewhere people sign in at the user pool.
    paste_token: bool = False
    real_layers: bool = True
    #: Make the SES identity of the sender's domain.
    verify_sender: bool = True
    mail_sender: str = "clearing@roamclear.example"
    #: Who is told about alarms; without an address the topic has no subscriber yet.
    alarm_mail: str = ""
    #: Public base of links in mails and OCPI URLs; empty: the API's own endpoint.
    public_base_url: str = ""
    #: Public services whose answers are stored (rules.md 10); the laptop asks none.
    vies_url: str = "https://ec.europa.eu/taxation_customs/vies/rest-api"
    ecb_url: str = "https://www.ecb.europa.eu/stats/eurofxref"
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Begins every physical name, so two stages fit in one account."""
        return f"roamclear-{self.stage}"


_BY_STAGE: dict[str, StageSettings] = {
    "local": StageSettings(
        "local",
        keep_data=False,
        log_days=1,
        api_rate=2000,
        api_burst=2000,
        clock=True,
        paste_token=True,
        real_layers=False,
        verify_sender=False,
        vies_url="",
        ecb_url="",
    ),
    "dev": StageSettings("dev"),
    "prod": StageSettings(
        "prod",
        object_lock_mode="COMPLIANCE",
        object_lock_days=3653,
        log_days=365,
        api_rate=200,
        api_burst=400,
        reserve_concurrency=True,
        require_mfa=True,
        edge=True,
    ),
}

_FROM_ENVIRONMENT = {
    "region": "ROAMCLEAR_REGION",
    "mail_sender": "ROAMCLEAR_MAIL_SENDER",
    "alarm_mail": "ROAMCLEAR_ALARM_MAIL",
    "public_base_url": "ROAMCLEAR_PUBLIC_BASE_URL",
}


def settings_for(stage: str, environ: Mapping[str, str] = os.environ) -> StageSettings:
    """The settings of a stage; what belongs to one installation comes from the environment of `make deploy`."""
    if stage not in _BY_STAGE:
        raise SystemExit(f"{stage!r} is no stage; there are {', '.join(STAGES)}")
    chosen = _BY_STAGE[stage]
    given = {name: environ[variable] for name, variable in _FROM_ENVIRONMENT.items() if environ.get(variable)}
    if stage == "local":
        given = {}
    if not given.get("region", "eu-").startswith("eu-"):
        raise SystemExit("ROAMCLEAR_REGION must be an EU region: the data stay in the EU")
    return replace(chosen, **given)  # type: ignore[arg-type]
