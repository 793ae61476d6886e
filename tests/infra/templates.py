"""Reads synthesised templates: resources by type, a function's statements, text of intrinsic functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from infra.synth import assembly_folder

Resource = dict[str, Any]
STAGES = ("local", "dev", "prod")


@dataclass(frozen=True)
class Template:
    """One stack of one stage."""

    stage: str
    stack: str
    body: dict[str, Any]

    @property
    def resources(self) -> dict[str, Resource]:
        """All resources by logical id."""
        found: dict[str, Resource] = self.body["Resources"]
        return found

    def of_type(self, kind: str) -> dict[str, Resource]:
        """Properties of the resources of a type, by logical id."""
        return {name: r.get("Properties", {}) for name, r in self.resources.items() if r["Type"] == kind}

    def raw(self, kind: str) -> dict[str, Resource]:
        """Whole resources of a type."""
        return {name: r for name, r in self.resources.items() if r["Type"] == kind}


@lru_cache(maxsize=8)
def template(stage: str, stack: str) -> Template:
    """The template as the CDK wrote it; synthesised once per change of infra/."""
    path = assembly_folder(stage) / f"{stack}.template.json"
    return Template(stage, stack, json.loads(path.read_text()))


def data(stage: str) -> Template:
    """Key, tables, buckets, users."""
    return template(stage, "Data")


def service(stage: str) -> Template:
    """API, functions, close, streams, schedules, alarms."""
    return template(stage, "Service")


def text(value: Any) -> str:
    """An intrinsic function as one text: references as <name>, joins joined."""
    if isinstance(value, dict):
        if "Fn::Join" in value:
            glue, parts = value["Fn::Join"]
            return str(glue).join(text(part) for part in parts)
        if "Ref" in value:
            return f"<{value['Ref']}>"
        if "Fn::GetAtt" in value:
            return f"<{'.'.join(value['Fn::GetAtt'])}>"
        if "Fn::ImportValue" in value:
            return f"<{text(value['Fn::ImportValue'])}>"
    return str(value)


def functions(stage: str) -> dict[str, Resource]:
    """Functions by their short name (``ocpi_api``)."""
    prefix = f"roamclear-{stage}-"
    return {
        str(p["FunctionName"]).removeprefix(prefix).replace("-", "_"): p
        for p in service(stage).of_type("AWS::Lambda::Function").values()
        # The CDK's own helper that hands the web ACL's ARN across regions has no name and is not ours.
        if "FunctionName" in p
    }


def statements(stage: str, function: str) -> list[Resource]:
    """Every statement that a function's role carries, inline or attached."""
    made = service(stage)
    role_id = functions(stage)[function]["Role"]["Fn::GetAtt"][0]
    role = made.resources[role_id]["Properties"]
    assert "ManagedPolicyArns" not in role, "managed policies are wider than the catalogue says"
    found = [s for policy in role.get("Policies", []) for s in policy["PolicyDocument"]["Statement"]]
    for policy in made.of_type("AWS::IAM::Policy").values():
        if any(r.get("Ref") == role_id for r in policy["Roles"] if isinstance(r, dict)):
            found.extend(policy["PolicyDocument"]["Statement"])
    return found


def listed(value: Any) -> list[Any]:
    """One or many as a list."""
    return value if isinstance(value, list) else [value]


def actions_on(stage: str, function: str, word: str) -> set[str]:
    """Actions that a function may do on resources whose text names ``word``."""
    return {
        action
        for statement in statements(stage, function)
        if any(word.lower() in text(resource).lower() for resource in listed(statement["Resource"]))
        for action in listed(statement["Action"])
    }
