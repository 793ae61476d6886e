"""The CDK app: ``ROAMCLEAR_STAGE=dev python -m infra.app`` writes the assembly (CDK_OUTDIR or cdk.out/<stage>)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from infra.assets import LAYERS, ROOT, build_code, empty_layer
from infra.settings import StageSettings, settings_for


def build(stage: str, outdir: Path, *, placeholder_layers: bool = False) -> None:
    """Write the assembly of one stage; a cdk-nag finding without its acknowledgement fails.

    Args:
        stage: local, dev or prod.
        outdir: where the assembly goes.
        placeholder_layers: take empty layers, for templates that are only looked at.
    """
    # Seconds of imports: only when a template is written.
    from aws_cdk import App, Environment, Tags, Validations
    from cdk_nag import AwsSolutionsChecks

    from infra.constructs.edge import EdgeStack
    from infra.stacks.data_stack import DataStack
    from infra.stacks.service_stack import ServiceStack

    settings = settings_for(stage)
    layers = _layers(settings, placeholder_layers)
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(outdir=str(outdir), context=context, analytics_reporting=False)
    environment = Environment(region=settings.region)
    common = {"env": environment, "termination_protection": settings.keep_data}
    data = DataStack(app, "Data", settings, stack_name=f"{settings.prefix}-data", **common)
    acl_arn = ""
    if settings.edge:
        # The one thing outside the EU region: CloudFront reads its web ACL from there.
        us = {"env": Environment(region="us-east-1"), "cross_region_references": True}
        acl_arn = EdgeStack(app, "Edge", settings, stack_name=f"{settings.prefix}-edge", **us).acl.attr_arn
        common["cross_region_references"] = True
    ServiceStack(
        app, "Service", settings, data,
        stack_name=f"{settings.prefix}-service", code=build_code(), layers=layers, acl_arn=acl_arn, **common,
    )  # fmt: skip
    Tags.of(app).add("app", "roamclear")
    Tags.of(app).add("stage", settings.stage)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


def _layers(settings: StageSettings, placeholder: bool) -> dict[str, Path]:
    if placeholder or not settings.real_layers:
        return dict.fromkeys(("runtime", "documents"), empty_layer())
    missing = [name for name in ("runtime", "documents") if not (LAYERS / name).is_dir()]
    if missing:
        raise SystemExit("the dependency layers are not built: run `python -m infra.build_layers` (make deploy does)")
    return {name: LAYERS / name for name in ("runtime", "documents")}


def main() -> int:
    """What the CDK command line runs."""
    stage = os.environ.get("ROAMCLEAR_STAGE", "dev")
    outdir = os.environ.get("CDK_OUTDIR")
    build(stage, Path(outdir) if outdir else ROOT / "cdk.out" / stage)
    return 0


if __name__ == "__main__":
    sys.exit(main())
