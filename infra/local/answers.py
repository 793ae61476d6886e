"""The schemas of what the finance API answers, made of the types at its routes (``-> Response[Type]``).

Answers are told by ``Record.dump``, not by pydantic: what is None is left out, decimals are numbers, sets are sorted
lists, bytes are hex. The generator says just that, so an answer can be checked against it to the last field.
"""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any, get_args, get_origin

from aws_lambda_powertools.event_handler import Response
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from functions.finance_api import http

View = Callable[..., Any]
REFS = "#/components/schemas/{model}"
MONEY: dict[str, Any] = {
    "type": "object",
    "title": "Money",
    "description": "An amount in minor units of its currency (cents of EUR), never rounded on the way.",
    "required": ["amount_minor", "currency"],
    "properties": {
        "amount_minor": {"type": "integer", "description": "minor units of the currency (cents)"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    },
    "additionalProperties": False,
}
#: What stands where a route does not say what it answers; no committed document has it.
UNDECLARED = {"type": "object", "title": "not declared"}


class Schemas(GenerateJsonSchema):
    """Bodies as pydantic reads them (mode validation), answers as ``Record.dump`` tells them (mode serialization)."""

    @property
    def _told(self) -> bool:
        return self.mode == "serialization"

    def handle_invalid_for_json_schema(self, schema: core_schema.CoreSchema, error_info: str) -> JsonSchemaValue:
        """What pydantic cannot describe is anything."""
        return {}

    def function_plain_schema(self, schema: core_schema.WithInfoPlainValidatorFunctionSchema) -> JsonSchemaValue:
        """Money is the one type of the house with a validator of its own."""
        return dict(MONEY)

    def ser_schema(self, schema: Any) -> JsonSchemaValue | None:
        """No serializer of pydantic's is ever called."""
        return None

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Every field of a record is told unless it is None; a typed dict says for itself."""
        if not self._told or field["type"] == "typed-dict-field":
            return super().field_is_required(field, total)
        return not _nullable(field["schema"])

    def model_field_schema(self, schema: core_schema.ModelField) -> JsonSchemaValue:
        """A field of a record is never told as null."""
        made = self.generate_inner(schema["schema"])
        if not self._told or "anyOf" not in made:
            return made
        kinds = [kind for kind in made["anyOf"] if kind != {"type": "null"}]
        rest = {name: value for name, value in made.items() if name != "anyOf"}
        return {**rest, **kinds[0]} if len(kinds) == 1 else {**rest, "anyOf": kinds}

    def field_title_should_be_set(self, schema: Any) -> bool:
        """A field is called by its name."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """What is answered has no defaults."""
        return self.generate_inner(schema["schema"]) if self._told else super().default_schema(schema)

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """A JSON number with all its digits."""
        return {"type": "number"} if self._told else super().decimal_schema(schema)

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        """Hex digits."""
        return {"type": "string", "pattern": "^[0-9a-f]*$"}

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        """Nothing beside the named keys."""
        return {**super().typed_dict_schema(schema), "additionalProperties": False}


def declared(view: View) -> tuple[Any, ...]:
    """The types that a route declares for its answers; none where it says ``Response[str]`` or nothing."""
    told = str(view.__annotations__.get("return", ""))
    (kind,) = get_args(eval(told, _names(view.__module__))) if told.startswith("Response[") else (str,)
    if kind in (str, Any):
        return ()
    return get_args(kind) if get_origin(kind) in (UnionType, typing.Union) else (kind,)


def schemas(views: list[View], bodies: list[type]) -> tuple[dict[Any, JsonSchemaValue], dict[str, JsonSchemaValue]]:
    """References by view (answers) and by model (bodies), and all components by name."""
    inputs: list[tuple[Any, Any, Any]] = [(model, "validation", TypeAdapter(model)) for model in bodies]
    of_view: dict[View, list[Any]] = {}
    for view in views:
        of_view[view] = [(view, place) for place, _ in enumerate(declared(view))]
        inputs += [((view, at), "serialization", TypeAdapter(kind)) for at, kind in enumerate(declared(view))]
    found, whole = TypeAdapter.json_schemas(inputs, ref_template=REFS, schema_generator=Schemas)
    refs: dict[Any, JsonSchemaValue] = {model: found[(model, "validation")] for model in bodies}
    for view, keys in of_view.items():
        parts = [found[(key, "serialization")] for key in keys]
        refs[view] = parts[0] if len(parts) == 1 else {"anyOf": parts} if parts else dict(UNDECLARED)
    return _tidied(refs, whole.get("$defs", {}), views)


def partners_too(view: View) -> bool:
    """Whether a route keeps from partners what is the issuer's own business."""
    return "withheld" in inspect.getsource(view)


def reached(schema: Any, components: dict[str, JsonSchemaValue], seen: set[str] | None = None) -> set[str]:
    """The names of all components that a schema leads to."""
    seen = set() if seen is None else seen
    for node in walked(schema):
        name = str(node.get("$ref", "")).rsplit("/", 1)[-1]
        if name and name not in seen and name in components:
            seen.add(name)
            reached(components[name], components, seen)
    return seen


def walked(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of a schema."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walked(child)


def _tidied(
    refs: dict[Any, JsonSchemaValue], components: dict[str, JsonSchemaValue], views: list[View]
) -> tuple[dict[Any, JsonSchemaValue], dict[str, JsonSchemaValue]]:
    """Money by name, secrets left out, what partners are not told optional, short names."""
    used = set[str]().union(*(reached(each, components) for each in refs.values()))
    components = {name: schema for name, schema in components.items() if name in used} | {"Money": dict(MONEY)}
    told = set[str]().union(*(reached(refs[view], components) for view in views))
    kept = set[str]().union(*(reached(refs[view], components) for view in views if partners_too(view)))
    for name, schema in components.items():
        for secret in http.SECRET & set(schema.get("properties", {})) if name in told else ():
            del schema["properties"][secret]
        if name in kept and "required" in schema:
            schema["required"] = [each for each in schema["required"] if each not in http.INTERNAL]
    shorts = Counter(_short(name) for name in components)
    names = {name: short if shorts[short := _short(name)] == 1 else _long(name) for name in components}
    tidy = {names[name]: {**schema, "title": names[name]} for name, schema in components.items()}
    money = {"$ref": REFS.format(model="Money")}
    for node in walked([tidy, list(refs.values())]):
        if node.get("title") == "Money" and "properties" in node and node is not tidy["Money"]:
            node.clear()
            node.update(money)
        elif "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[-1]
            node["$ref"] = REFS.format(model=names.get(name, name))
    return refs, tidy


def _short(name: str) -> str:
    """``roamclear__disputes__model__Entry`` -> ``DisputesEntry``; ``Items_Run_`` -> ``ItemsOfRun``; what is read and
    told in different ways keeps its name as a body, and is ``...Told`` as an answer.
    """
    name = name.removesuffix("-Input").replace("-Output", "Told")
    generic, _, inner = name.rstrip("_").partition("_") if name.endswith("_") else ("", "", name)
    parts = [part for part in inner.split("__") if part]
    if len(parts) > 1:
        room = parts[3] if parts[0] == "functions" else parts[1]
        inner = "".join(word.capitalize() for word in room.split("_")) + parts[-1]
    return f"{generic}Of{inner.lstrip('_')}" if generic else inner.lstrip("_")


def _long(name: str) -> str:
    """The whole way to a schema whose short name another one has too."""
    return "".join(part[:1].upper() + part[1:] for part in name.replace("-", "_").split("_"))


def _nullable(schema: Any) -> bool:
    while schema["type"] == "default" or (schema["type"].startswith("function-") and "schema" in schema):
        schema = schema["schema"]
    return schema["type"] in ("nullable", "any")


def _names(module: str) -> dict[str, Any]:
    """The names of a module, and those that it imports for its types alone."""
    owner = sys.modules[module]
    names = {**vars(owner), "Response": Response}
    tree = ast.parse(inspect.getsource(owner))
    for node in tree.body:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), module, "exec"), names)
    return names
