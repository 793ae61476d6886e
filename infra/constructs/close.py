"""The month close: one Standard state machine read from its file."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.catalogue import CLOSE_TASKS
from infra.constructs.functions import function_name
from infra.constructs.nag import acknowledge_findings
from infra.settings import StageSettings

DEFINITION = Path(__file__).resolve().parent.parent / "state_machines" / "close_run.asl.json"


def machine_name(settings: StageSettings) -> str:
    """The physical name, known before the machine exists."""
    return f"{settings.prefix}-close-run"


def machine_arn(settings: StageSettings) -> str:
    """The ARN by name: functions start and complete executions, and the machine invokes functions."""
    return f"arn:{Aws.PARTITION}:states:{settings.region}:{Aws.ACCOUNT_ID}:stateMachine:{machine_name(settings)}"


class CloseRun(Construct):
    """The state machine with its own role: it may invoke the tasks of the close and nothing else."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: StageSettings,
        functions: dict[str, lambda_.Function],
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/aws/vendedlogs/states/{machine_name(settings)}",
            retention=logs.RetentionDays.ONE_MONTH if settings.keep_data else logs.RetentionDays.ONE_DAY,
            encryption_key=key,
            removal_policy=RemovalPolicy.RETAIN if settings.keep_data else RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
            inline_policies={
                "only": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="InvokeTasks",
                            actions=["lambda:InvokeFunction"],
                            resources=[functions[name].function_arn for name in CLOSE_TASKS],
                        )
                    ]
                )
            },
        )
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=machine_name(settings),
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(DEFINITION.read_text()),
            definition_substitutions={
                name: f"arn:{Aws.PARTITION}:lambda:{settings.region}:{Aws.ACCOUNT_ID}:function:"
                + function_name(settings, name)
                for name in CLOSE_TASKS
            },
            role=role,
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
            removal_policy=RemovalPolicy.RETAIN if settings.keep_data else RemovalPolicy.DESTROY,
        )
        self.machine.node.add_dependency(*(functions[name] for name in CLOSE_TASKS))
        acknowledge_findings(
            role,
            "IAM5",
            {"Resource::*": "Log delivery and X-Ray have no resources to name (Step Functions user guide, logging)."},
        )
        self.name = Stack.of(self).resolve(self.machine.state_machine_name)
