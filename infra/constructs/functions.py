"""The Lambda functions of infra/catalogue.py, each with its own role and its own log group."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Arn, ArnComponents, ArnFormat, Aws, Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.catalogue import FUNCTIONS, INDEXES, Access, Extra, FunctionSpec, Objects
from infra.constructs.buckets import bucket_name
from infra.constructs.nag import acknowledge, acknowledge_findings
from infra.settings import LAMBDA_PYTHON, StageSettings

_RUNTIME = lambda_.Runtime(f"python{LAMBDA_PYTHON}", lambda_.RuntimeFamily.PYTHON)


def function_name(settings: StageSettings, name: str) -> str:
    """The physical name of a function; known before it exists, so nothing has to refer in a circle."""
    return f"{settings.prefix}-{name.replace('_', '-')}"


class Functions(Construct):
    """All functions by name."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: StageSettings,
        *,
        tables: dict[str, dynamodb.Table],
        key: kms.IKey,
        code: lambda_.Code,
        layers: dict[str, Path],
        failures: sqs.IQueue,
        environment: dict[str, str],
        scheduler_role: iam.IRole,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._tables = tables
        self._key = key
        self._code = code
        self._failures = failures
        self._environment = environment
        self._scheduler_role = scheduler_role
        self._layers = {name: self._layer(name, path) for name, path in layers.items()}
        self.by_name: dict[str, lambda_.Function] = {spec.name: self._function(spec) for spec in FUNCTIONS}

    def _layer(self, name: str, path: Path) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            f"{name.title()}Layer",
            layer_version_name=f"{self._settings.prefix}-{name}",
            description=f"Pinned dependencies: {name}",
            code=lambda_.Code.from_asset(str(path)),
            compatible_runtimes=[_RUNTIME],
            compatible_architectures=[lambda_.Architecture.ARM_64],
        )

    def _function(self, spec: FunctionSpec) -> lambda_.Function:
        name = function_name(self._settings, spec.name)
        scope = Construct(self, "".join(part.title() for part in spec.name.split("_")))
        log_group = logs.LogGroup(
            scope,
            "Log",
            log_group_name=f"/aws/lambda/{name}",
            retention=_retention(self._settings.log_days),
            encryption_key=self._key,
            removal_policy=RemovalPolicy.RETAIN if self._settings.keep_data else RemovalPolicy.DESTROY,
        )
        role = self._role(scope, spec, log_group)
        function = lambda_.Function(
            scope,
            "Function",
            function_name=name,
            description=spec.summary,
            runtime=_RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            handler=spec.handler,
            code=self._code,
            role=role,
            layers=[self._layers["runtime"], *([self._layers["documents"]] if spec.documents_layer else [])],
            memory_size=spec.memory_mb,
            ephemeral_storage_size=Size.mebibytes(spec.disk_mb),
            timeout=Duration.seconds(spec.timeout_s),
            reserved_concurrent_executions=spec.concurrency if self._settings.reserve_concurrency else None,
            tracing=lambda_.Tracing.ACTIVE,
            log_group=log_group,
            environment=self._env(spec),
        )
        lambda_.CfnEventInvokeConfig(
            scope,
            "Invoke",
            function_name=function.function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=2,
            maximum_event_age_in_seconds=3600,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=self._failures.queue_arn)
            ),
        )
        acknowledge(
            function,
            L1="The runtime is one constant and is the version the layers were resolved and tested for; a newer one is "
            "a deliberate step.",
        )
        return function

    def _env(self, spec: FunctionSpec) -> dict[str, str]:
        settings = self._settings
        env = {
            "ROAMCLEAR_STAGE": settings.stage,
            "POWERTOOLS_SERVICE_NAME": spec.name,
            "LOG_LEVEL": "INFO",
            **{f"TABLE_{name.upper()}": self._tables[name].table_name for name in spec.tables},
            **{f"BUCKET_{name.upper()}": bucket_name(self._settings, name) for name in spec.buckets},
        }
        wanted = {
            Extra.START_CLOSE: ["CLOSE_STATE_MACHINE_ARN"],
            Extra.WAKE: ["SCHEDULE_GROUP", "SCHEDULE_TARGET_ARN", "SCHEDULE_TARGET_ROLE_ARN"],
            Extra.MAIL: ["MAIL_SENDER"],
            Extra.URLS: ["PUBLIC_BASE_URL"],
            Extra.CONSOLE: [name for name in self._environment if name.startswith("CONSOLE_")],
        }
        if {Objects.LOCK, Objects.BOTH_LOCK} & set(spec.buckets.values()):
            env["OBJECT_LOCK_MODE"] = settings.object_lock_mode
        if Extra.SERVICES in spec.extras:
            env |= {"VIES_URL": settings.vies_url, "ECB_URL": settings.ecb_url}
        if spec.extras & {Extra.SEAL, Extra.UNSEAL}:
            env["SEALING_KEY"] = self._key.key_arn
        for extra, names in wanted.items():
            if extra in spec.extras:
                env |= {name: self._environment[name] for name in names}
        if spec.documents_layer and settings.real_layers:
            env |= {"FONTS_DIR": "/var/task/fonts", "SCHEMAS_DIR": "/var/task/schemas"}
        if settings.clock:
            env["CLOCK_PARAMETER"] = self._environment["CLOCK_PARAMETER"]
        return env

    def _role(self, scope: Construct, spec: FunctionSpec, log_group: logs.LogGroup) -> iam.Role:
        statements = [
            _allow("WriteOwnLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn]),
            # X-Ray has no resources to name.
            _allow("Trace", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"]),
            _allow("ReportFailures", ["sqs:SendMessage"], [self._failures.queue_arn]),
            *(self._table_statement(name, access) for name, access in spec.tables.items()),
            *(
                statement
                for name, access in spec.buckets.items()
                for statement in self._bucket_statements(name, access)
            ),
            *self._extra_statements(spec),
        ]
        if spec.tables or spec.buckets:
            statements.append(self._key_statement())
        role = iam.Role(
            scope,
            "Role",
            description=f"What {spec.name} may do: {spec.summary}"[:200],
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"only": iam.PolicyDocument(statements=statements)},
        )
        self._acknowledge_role(role, spec, log_group)
        # Everything is said above: constructs may not widen the role behind the table's back.
        return role.without_policy_updates()  # type: ignore[return-value]

    def _table_statement(self, name: str, access: Access) -> iam.PolicyStatement:
        arn = self._table_arn(name)
        return _allow(f"Table{name.title()}", list(access.value), [arn, *(f"{arn}/index/{i}" for i in INDEXES[name])])

    def _table_arn(self, name: str) -> str:
        return self._tables[name].table_arn

    def _bucket_statements(self, name: str, access: Objects) -> list[iam.PolicyStatement]:
        arn = self._bucket_arn(name)
        found = [_allow(f"Objects{name.title()}", list(access.value), [f"{arn}/*"])]
        if access not in (Objects.PUT, Objects.LOCK):
            # Without it a missing object answers 403 and cannot be told from a refused one.
            found.append(_allow(f"List{name.title()}", ["s3:ListBucket"], [arn]))
        return found

    def _bucket_arn(self, name: str) -> str:
        return f"arn:{Aws.PARTITION}:s3:::{bucket_name(self._settings, name)}"

    def _key_statement(self) -> iam.PolicyStatement:
        statement = _allow(
            "DataKey",
            ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
            [self._key.key_arn],
        )
        services = [f"{service}.{self._settings.region}.amazonaws.com" for service in ("dynamodb", "s3")]
        statement.add_condition("StringEquals", {"kms:ViaService": services})
        return statement

    def _extra_statements(self, spec: FunctionSpec) -> list[iam.PolicyStatement]:
        settings = self._settings
        machine = self._environment["CLOSE_STATE_MACHINE_ARN"]
        found = []
        if settings.clock:
            name = self._environment["CLOCK_PARAMETER"].lstrip("/")
            found.append(_allow("ReadClock", ["ssm:GetParameter"], [_arn(self, "ssm", "parameter", name)]))
        if Extra.MAIL in spec.extras:
            # SES always gives the sender, so this is as strict as an equality; the laptop stack does not give it.
            mail = _allow("SendMail", ["ses:SendRawEmail"], ["*"])
            mail.add_condition("StringEqualsIfExists", {"ses:FromAddress": settings.mail_sender})
            found.append(mail)
        if Extra.START_CLOSE in spec.extras:
            found.append(_allow("StartClose", ["states:StartExecution"], [machine]))
        if Extra.COMPLETE_TASK in spec.extras:
            # These actions know no resource: the token itself says which execution goes on.
            found.append(_allow("CompleteTask", ["states:SendTaskSuccess"], ["*"]))
        for extra, action in ((Extra.SEAL, "kms:Encrypt"), (Extra.UNSEAL, "kms:Decrypt")):
            if extra in spec.extras:
                found.append(self._sealing_statement(extra.name.title(), action))
        if Extra.WAKE in spec.extras:
            schedules = _arn(self, "scheduler", "schedule", f"{self._environment['SCHEDULE_GROUP']}/*")
            found.append(_allow("MakeWakeUps", ["scheduler:CreateSchedule"], [schedules]))
            passing = _allow("PassWakeUpRole", ["iam:PassRole"], [self._scheduler_role.role_arn])
            passing.add_condition("StringEquals", {"iam:PassedToService": "scheduler.amazonaws.com"})
            found.append(passing)
        return found

    def _sealing_statement(self, sid: str, action: str) -> iam.PolicyStatement:
        """One action of the data key, only for what roamclear.aws.seal binds to its purpose."""
        sealing = _allow(f"{sid}Tokens", [action], [self._key.key_arn])
        # The laptop stack gives no encryption context to conditions.
        operator = "StringEqualsIfExists" if self._settings.stage == "local" else "StringEquals"
        sealing.add_condition(operator, {"kms:EncryptionContext:purpose": "peer-token"})
        return sealing

    def _acknowledge_role(self, role: iam.Role, spec: FunctionSpec, log_group: logs.LogGroup) -> None:
        reasons = {
            "Resource::*": "X-Ray's actions and the answer to a task token know no resource; mail is bound to the "
            "one sender by a condition, whichever identity (domain or address) holds it."
        }
        stack = Stack.of(self)
        for name in spec.buckets:
            arn = stack.resolve(self._bucket_arn(name))
            reasons[f"Resource::{_finding(arn)}/*"] = f"Objects of the {name} bucket have names made at run time."
        log = stack.get_logical_id(log_group.node.default_child)  # type: ignore[arg-type]
        reasons[f"Resource::<{log}.Arn>"] = "The function's own log group only."
        if Extra.WAKE in spec.extras:
            text = _arn(self, "scheduler", "schedule", f"{self._environment['SCHEDULE_GROUP']}/*")
            reasons[f"Resource::{_finding(stack.resolve(text))}"] = (
                "Wake-ups are named by run and instant; the group holds nothing else that matters."
            )
        acknowledge_findings(role, "IAM5", reasons)


def _arn(scope: Construct, service: str, resource: str, name: str) -> str:
    parts = ArnComponents(
        service=service, resource=resource, resource_name=name, arn_format=ArnFormat.SLASH_RESOURCE_NAME
    )
    return Arn.format(parts, Stack.of(scope))


def _finding(arn: object) -> str:
    """How cdk-nag writes a resource that is made of references."""
    if isinstance(arn, str):
        return arn
    assert isinstance(arn, dict)
    if "Fn::Join" in arn:
        return "".join(_finding(part) for part in arn["Fn::Join"][1])
    if "Fn::GetAtt" in arn:
        return f"<{'.'.join(arn['Fn::GetAtt'])}>"
    if "Ref" in arn:
        return f"<{arn['Ref']}>"
    raise ValueError(f"no name for {arn}")


def _allow(sid: str, actions: list[str], resources: list[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=actions, resources=resources)


def _retention(days: int) -> logs.RetentionDays:
    names = {1: "ONE_DAY", 30: "ONE_MONTH", 365: "ONE_YEAR"}
    return logs.RetentionDays[names[days]]
