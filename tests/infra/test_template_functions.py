"""Functions and their roles: exactly what infra/catalogue.py says, and never a change of ledger or audit."""

from __future__ import annotations

from typing import Any

import pytest

from infra.assets import ROOT
from infra.catalogue import BY_NAME, CLOSE_TASKS, FUNCTIONS, Access
from infra.settings import settings_for
from tests.infra.templates import STAGES, actions_on, data, functions, listed, service, statements, text

NAMES = sorted(BY_NAME)
#: Actions for which AWS knows no resource; anything else on * is a mistake.
WITHOUT_RESOURCE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "dynamodb:ListStreams",
    "states:SendTaskSuccess",
}
CHANGED_BY = (
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "PartiQLUpdate",
    "PartiQLDelete",
    "DeleteTable",
    "UpdateTable",
)
CHANGES = {f"dynamodb:{verb}" for verb in CHANGED_BY}


def test_the_template_has_the_functions_of_the_catalogue() -> None:
    assert sorted(functions("prod")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_handler_string_resolves_to_a_file_with_that_function(name: str) -> None:
    module, _, attribute = str(functions("prod")[name]["Handler"]).rpartition(".")
    path = ROOT / (module.replace(".", "/") + ".py")
    assert path.is_file(), f"{path.relative_to(ROOT)} does not exist"
    assert f"def {attribute}(" in path.read_text() or f"{attribute} = " in path.read_text()


def test_every_function_folder_is_in_the_template() -> None:
    folders = {p.parent.name for p in (ROOT / "functions").glob("*/handler.py")}
    assert folders <= set(NAMES)


@pytest.mark.parametrize("stage", STAGES)
def test_every_function_has_its_own_role(stage: str) -> None:
    roles = [str(f["Role"]) for f in functions(stage).values()]
    assert len(set(roles)) == len(roles)


@pytest.mark.parametrize("name", NAMES)
def test_no_wildcard_actions_and_no_free_resources(name: str) -> None:
    for statement in statements("prod", name):
        actions = set(listed(statement["Action"]))
        assert not [a for a in actions if "*" in a]
        if "*" in [text(r) for r in listed(statement["Resource"])]:
            if actions == {"ses:SendRawEmail"}:
                sender = settings_for("prod", {}).mail_sender
                assert statement["Condition"] == {"StringEqualsIfExists": {"ses:FromAddress": sender}}
            else:
                assert actions <= WITHOUT_RESOURCE
        assert statement["Effect"] == "Allow"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("table", ["Ledger", "Audit"])
def test_no_function_may_change_or_delete_a_ledger_or_audit_entry(stage: str, table: str) -> None:
    for name in NAMES:
        found = {a for a in actions_on(stage, name, f"FnGetAttTables{table}") if a.startswith("dynamodb:")}
        assert not found & CHANGES, name
        assert found <= {
            "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem",
            "dynamodb:ConditionCheckItem", "dynamodb:DescribeStream", "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
        }  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_the_ocpi_function_cannot_touch_ledger_or_documents(stage: str) -> None:
    assert actions_on(stage, "ocpi_api", "ledger") == set()
    for bucket in ("documents", "archive", "exports", "inbox", "changes"):
        assert actions_on(stage, "ocpi_api", f"s3:::roamclear-{stage}-{bucket}") == set()
    environment = functions(stage)["ocpi_api"]["Environment"]["Variables"]
    assert not [n for n in environment if n.startswith("BUCKET_") or n == "TABLE_LEDGER"]
    assert actions_on(stage, "ocpi_api", "FnGetAttTablesAudit") == set(Access.PUT.value)
    assert actions_on(stage, "ocpi_api", "FnGetAttTablesClearing") == set(Access.READ.value)


@pytest.mark.parametrize("stage", STAGES)
def test_roles_hold_exactly_the_tables_and_buckets_of_the_catalogue(stage: str) -> None:
    for spec in FUNCTIONS:
        for table in ("Identity", "Intake", "Clearing", "Ledger", "Audit"):
            found = {
                a
                for s in statements(stage, spec.name)
                if any(
                    f"FnGetAttTables{table}" in text(r) and "StreamArn" not in text(r) for r in listed(s["Resource"])
                )
                for a in listed(s["Action"])
            }
            expected = spec.tables.get(table.lower())
            assert found == (set(expected.value) if expected else set()), (spec.name, table)
        for bucket in ("documents", "inbox", "exports", "archive", "changes"):
            found = actions_on(stage, spec.name, f"s3:::roamclear-{stage}-{bucket}-") - {"s3:ListBucket"}
            expected_objects = spec.buckets.get(bucket)
            assert found == (set(expected_objects.value) if expected_objects else set()), (spec.name, bucket)


@pytest.mark.parametrize("stage", STAGES)
def test_nobody_deletes_objects_or_lifts_retention(stage: str) -> None:
    for name in NAMES:
        actions = {a for s in statements(stage, name) for a in listed(s["Action"])}
        assert not [a for a in actions if a.startswith("s3:Delete") or "Bypass" in a or "LegalHold" in a]
        assert not [a for a in actions if a.startswith(("kms:Schedule", "iam:Create"))]


@pytest.mark.parametrize("stage", STAGES)
def test_terms_are_put_by_who_puts_what_must_be_kept(stage: str) -> None:
    mode = "COMPLIANCE" if stage == "prod" else "GOVERNANCE"
    putting = {n for n in NAMES if any("s3:PutObjectRetention" in listed(s["Action"]) for s in statements(stage, n))}
    told = {
        name: found["Environment"]["Variables"]["OBJECT_LOCK_MODE"]
        for name, found in functions(stage).items()
        if "OBJECT_LOCK_MODE" in found["Environment"]["Variables"]
    }
    assert told == dict.fromkeys(putting, mode)
    assert {"copy_ledger", "lock_sessions", "issue_invoice", "import_bank_file", "nightly_proof"} <= putting
    for spec in FUNCTIONS:
        writes = {n for n, access in spec.buckets.items() if "s3:PutObject" in access.value}
        assert not writes & {"documents", "archive"} or spec.name in putting, spec.name


@pytest.mark.parametrize("stage", STAGES)
def test_partners_tokens_are_sealed_by_one_function_and_read_by_another(stage: str) -> None:
    found = {
        (name, *listed(s["Action"]))
        for name in NAMES
        for s in statements(stage, name)
        if "kms:EncryptionContext:purpose" in text(s.get("Condition", {}))
    }
    assert found == {
        ("ocpi_api", "kms:Encrypt"), ("finance_api", "kms:Encrypt"),
        ("pull_cdrs", "kms:Decrypt"), ("deliver_webhooks", "kms:Decrypt"),
    }  # fmt: skip
    knowing = {name for name, f in functions(stage).items() if "SEALING_KEY" in f["Environment"]["Variables"]}
    assert knowing == {name for name, _ in found}
    bare = [
        s
        for name in NAMES
        for s in statements(stage, name)
        if any(a.startswith("kms:") for a in listed(s["Action"])) and not s.get("Condition")
    ]
    assert bare == [], "the key is used through tables and buckets, or for the purpose of sealing"


@pytest.mark.parametrize("stage", STAGES)
def test_public_services_are_known_to_who_stores_their_answers_and_to_nobody_else(stage: str) -> None:
    found = {
        name: (variables["VIES_URL"], variables["ECB_URL"])
        for name, function in functions(stage).items()
        if "VIES_URL" in (variables := function["Environment"]["Variables"])
    }
    vies, ecb = "https://ec.europa.eu/taxation_customs/vies/rest-api", "https://www.ecb.europa.eu/stats/eurofxref"
    expected = ("", "") if stage == "local" else (vies, ecb)
    assert found == dict.fromkeys(("refresh_rates", "refresh_vat_proofs"), expected)
    assert not set(found) & {*CLOSE_TASKS, "start_close", "rehearse"}


@pytest.mark.parametrize("stage", STAGES)
def test_settings_common_to_all_functions(stage: str) -> None:
    for name, function in functions(stage).items():
        spec = BY_NAME[name]
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["arm64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["Timeout"] == spec.timeout_s <= 900
        assert function["MemorySize"] == spec.memory_mb
        assert function["EphemeralStorage"] == {"Size": spec.disk_mb}
        assert "LogGroup" in function["LoggingConfig"]
        assert len(function["Layers"]) == (2 if spec.documents_layer else 1)
        variables = function["Environment"]["Variables"]
        assert variables["ROAMCLEAR_STAGE"] == stage
        assert variables["POWERTOOLS_SERVICE_NAME"] == name


def test_api_functions_answer_before_the_gateway_gives_up() -> None:
    for name in ("ocpi_api", "finance_api", "open_link"):
        assert functions("prod")[name]["Timeout"] < 29


def test_api_functions_carry_no_documents_layer() -> None:
    for name in ("ocpi_api", "finance_api", "open_link"):
        assert not BY_NAME[name].documents_layer


@pytest.mark.parametrize("stage", STAGES)
def test_every_environment_name_is_one_that_the_settings_know(stage: str) -> None:
    known = (ROOT / "shared/roamclear/aws/settings.py").read_text()
    for function in functions(stage).values():
        for name in function["Environment"]["Variables"]:
            assert f'"{name}"' in known or name in {"POWERTOOLS_SERVICE_NAME", "LOG_LEVEL"}, name


@pytest.mark.parametrize("stage", STAGES)
def test_only_stage_local_can_shift_the_clock(stage: str) -> None:
    whole = str(service(stage).body) + str(data(stage).body)
    has_clock = "CLOCK_PARAMETER" in whole or "clock-shift" in whole
    assert has_clock == (stage == "local")
    assert bool(service(stage).of_type("AWS::SSM::Parameter")) == (stage == "local")
    reads_parameters = any("ssm:GetParameter" in str(statements(stage, name)) for name in NAMES)
    assert reads_parameters == (stage == "local")


@pytest.mark.parametrize("stage", STAGES)
def test_logs_are_kept_for_a_while_and_encrypted(stage: str) -> None:
    groups = service(stage).of_type("AWS::Logs::LogGroup")
    assert len(groups) == len(NAMES) + 2
    for name, group in groups.items():
        assert group["RetentionInDays"] in {1, 30, 365}, name
        assert "KmsKeyId" in group


@pytest.mark.parametrize("stage", STAGES)
def test_asynchronous_failures_are_parked(stage: str) -> None:
    made = service(stage)
    configs: dict[str, Any] = made.of_type("AWS::Lambda::EventInvokeConfig")
    assert len(configs) == len(NAMES)
    for config in configs.values():
        assert "AsyncFailures" in text(config["DestinationConfig"]["OnFailure"]["Destination"])


def test_the_bootstrap_function_can_only_be_invoked_by_an_operator() -> None:
    made = service("prod")
    logical = next(n for n, p in made.of_type("AWS::Lambda::Function").items() if "bootstrap" in str(p))
    for permission in made.of_type("AWS::Lambda::Permission").values():
        assert logical not in text(permission["FunctionName"])
    for name in NAMES:
        assert not actions_on("prod", name, logical)
    for role in made.of_type("AWS::IAM::Role").values():
        assert logical not in str(role.get("Policies", ""))
    assert "bootstrap" not in CLOSE_TASKS


def test_reserved_concurrency_is_for_production_only() -> None:
    reserved = {
        n: f["ReservedConcurrentExecutions"]
        for n, f in functions("prod").items()
        if "ReservedConcurrentExecutions" in f
    }
    assert reserved == {spec.name: spec.concurrency for spec in FUNCTIONS if spec.concurrency}
    assert reserved["start_close"] == reserved["export_payments"] == 1
    assert not any("ReservedConcurrentExecutions" in f for f in functions("dev").values())


def test_only_the_laptop_offers_a_box_for_a_token() -> None:
    for stage in STAGES:
        every = [f["Environment"]["Variables"] for f in functions(stage).values()]
        assert any("CONSOLE_PASTE_TOKEN" in each for each in every) == (stage == "local")
        assert "CONSOLE_PASTE_TOKEN" not in str(data(stage).body)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_people_sign_in_at_the_domain_of_the_pool_and_come_back_to_the_console(stage: str) -> None:
    told = functions(stage)["serve_console"]["Environment"]["Variables"]
    (domain,) = data(stage).of_type("AWS::Cognito::UserPoolDomain").values()
    host = f"https://{text(domain['Domain'])}.auth.eu-central-1.amazoncognito.com"
    assert text(told["CONSOLE_SIGN_IN"]) == host
    ((name, client),) = service(stage).of_type("AWS::Cognito::UserPoolClient").items()
    assert text(told["CONSOLE_CLIENT_ID"]) == f"<{name}>"
    assert client["AllowedOAuthFlows"] == ["code"], "no token ever stands in an address"
    assert client.get("GenerateSecret") in (None, False), "a browser keeps no secret: PKCE stands in for it"
    base = text(functions(stage)["finance_api"]["Environment"]["Variables"]["PUBLIC_BASE_URL"])
    assert [text(url) for url in client["CallbackURLs"]] == [f"{base}/console/callback"]
    assert [text(url) for url in client["LogoutURLs"]] == [f"{base}/console"]
    inbox = text(functions(stage)["finance_api"]["Environment"]["Variables"]["BUCKET_INBOX"])
    assert text(told["CONSOLE_UPLOADS"]) == f"https://s3.eu-central-1.amazonaws.com/{inbox}"


@pytest.mark.parametrize("stage", STAGES)
def test_the_console_can_read_nothing(stage: str) -> None:
    allowed = {action for each in statements(stage, "serve_console") for action in listed(each["Action"])}
    own = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    clock = {"ssm:GetParameter"} if stage == "local" else set()
    assert allowed == own | clock | {"sqs:SendMessage"}


def test_admin_passwords_are_for_the_laptop_only() -> None:
    for stage in STAGES:
        (client,) = service(stage).of_type("AWS::Cognito::UserPoolClient").values()
        flows = client["ExplicitAuthFlows"]
        assert "ALLOW_USER_SRP_AUTH" in flows
        assert ("ALLOW_ADMIN_USER_PASSWORD_AUTH" in flows) == (stage == "local")
        assert client["PreventUserExistenceErrors"] == "ENABLED"
