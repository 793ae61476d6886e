"""Deploy both templates to a laptop stack, as `cdk deploy` would: assets first, then create or update the stacks."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.assets import build_zip, code_hash
from infra.catalogue import BUCKETS, EXPIRING, FUNCTIONS
from infra.local.assembly import Assembly
from infra.local.errors import LocalError
from infra.settings import settings_for

ACCOUNT = "000000000000"
_NAMES = {"Data": "roamclear-local-data", "Service": "roamclear-local-service"}
_PATIENCE_S = 180
#: What a function says whose code cannot be loaded; anything else is its own answer to an odd event.
_NOT_LOADED = (
    "No module named",
    "cannot import name",
    "ImportError",
    "ImportModuleError",
    "SyntaxError",
    "has no attribute 'handler'",
)

Boto = Callable[[str], Any]


def deploy(boto: Boto, endpoint: str, made: Assembly, api_id: str) -> dict[str, str]:
    """Upload assets, create or update both stacks, finish what the laptop leaves out; gives the outputs."""
    settings = settings_for("local")
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{settings.region}"
    _upload(boto, bucket, made, settings.region)
    outputs: dict[str, str] = {}
    for stack in ("Data", "Service"):
        key = f"templates/{stack}-{code_hash()[:16]}.json"
        boto("s3").put_object(Bucket=bucket, Key=key, Body=made.template(stack).encode())
        parameters = [{"ParameterKey": "ApiId", "ParameterValue": api_id}] if stack == "Service" else []
        outputs |= _deploy_stack(boto("cloudformation"), _NAMES[stack], f"{endpoint}/{bucket}/{key}", parameters)
    finish(boto, outputs)
    return outputs


def _upload(boto: Boto, bucket: str, made: Assembly, region: str) -> None:
    s3 = boto("s3")
    try:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise
    boto("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String", Overwrite=True)
    s3.put_object(Bucket=bucket, Key=f"{code_hash()}.zip", Body=build_zip())
    for name, folder in made.layer_assets().items():
        s3.put_object(Bucket=bucket, Key=f"{name}.zip", Body=_zip_folder(folder))


def _zip_folder(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.writestr(zipfile.ZipInfo(path.relative_to(folder).as_posix()), path.read_bytes())
    return buffer.getvalue()


def _deploy_stack(cloudformation: Any, name: str, url: str, parameters: list[dict[str, str]]) -> dict[str, str]:
    request = {
        "StackName": name,
        "TemplateURL": url,
        "Parameters": parameters,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        cloudformation.describe_stacks(StackName=name)
        exists = True
    except ClientError:
        exists = False
    try:
        (cloudformation.update_stack if exists else cloudformation.create_stack)(**request)
    except ClientError as error:
        if "No updates" not in str(error):
            raise LocalError(f"{name} was refused: {error}") from error
    return _wait(cloudformation, name)


def _wait(cloudformation: Any, name: str) -> dict[str, str]:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        if not stack["StackStatus"].endswith("_IN_PROGRESS") or "ROLLBACK" in stack["StackStatus"]:
            raise LocalError(f"{name} ended as {stack['StackStatus']}: {_reasons(cloudformation, name)}")
        time.sleep(0.2)
    raise LocalError(f"{name} was not ready after {_PATIENCE_S} seconds")


def _reasons(cloudformation: Any, name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [e for e in events if e["ResourceStatus"].endswith("FAILED")]
    return "; ".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}" for e in failed[:5])


def finish(boto: Boto, outputs: dict[str, str]) -> None:
    """Set TTL and Object Lock, which the template names and the laptop's reader ignores (platform.md 3); idempotent."""
    settings = settings_for("local")
    dynamodb = boto("dynamodb")
    for name in sorted(EXPIRING):
        table = outputs[f"Table{name.title()}"]
        described = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        if described.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
            specification = {"Enabled": True, "AttributeName": "expires_at"}
            dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)
    # On AWS the domain of the sender is verified by its DNS records.
    boto("ses").verify_email_identity(EmailAddress=settings.mail_sender)
    for name in BUCKETS:
        # Their policy denies what is not TLS, and this endpoint speaks plain HTTP to its own machine only.
        boto("s3").delete_bucket_policy(Bucket=outputs[f"Bucket{name.title()}"])
    for name in ("documents", "archive"):
        rule = {"DefaultRetention": {"Mode": settings.object_lock_mode, "Days": settings.object_lock_days}}
        boto("s3").put_object_lock_configuration(
            Bucket=outputs[f"Bucket{name.title()}"],
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
        )


def unloadable(boto: Boto) -> dict[str, str]:
    """Invoke each function once: name and message of those whose code does not load.

    CREATE_COMPLETE proves little: a function with missing code also completes (platform.md 3).
    """

    def ask(name: str) -> tuple[str, str]:
        answer = boto("lambda").invoke(
            FunctionName=f"roamclear-local-{name.replace('_', '-')}", Payload=json.dumps({"Records": [], "ping": True})
        )
        text = answer["Payload"].read().decode()
        return name, text if "FunctionError" in answer and any(mark in text for mark in _NOT_LOADED) else ""

    with ThreadPoolExecutor(max_workers=3) as pool:
        return {name: text for name, text in pool.map(ask, [spec.name for spec in FUNCTIONS]) if text}
