"""Every answer that a test gets from the finance API is what the OpenAPI document says of it, to the last field."""

from __future__ import annotations

import json
import os
import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from infra.local import answers, openapi

#: An example longer than this tells less, not more.
_MOST_EXAMPLE = 3000
#: Secrets, and the signed fields of a form.
_HIDDEN = ("secret", "token", "fields")
#: What a schema may say without it being a demand.
_REMARKS = {"title", "description", "default", "examples", "format", "propertyNames"}
_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, Decimal),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip


@lru_cache(maxsize=1)
def described() -> dict[str, Any]:
    """The document of the routes as they are."""
    return openapi.document()


@lru_cache(maxsize=1)
def _paths() -> list[tuple[re.Pattern[str], str]]:
    # The longer text first: a word of a path is not the value of a parameter.
    found = sorted(described()["paths"], key=lambda path: (path.count("{"), -len(path)))
    return [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$"), path) for path in found]


def check(method: str, path: str, status: int, kind: str, body: Any) -> None:
    """Fail with the place and the reason if an answer is not what its operation describes."""
    found = next((known for pattern, known in _paths() if pattern.match(path)), None)
    operation = described()["paths"].get(found, {}).get(method.lower())
    if operation is None:
        assert status in (401, 404, 405), f"{method} {path} is not in the document and answered {status}"
        return
    name = f"{method} {found} {status}"
    responses = operation["responses"]
    assert str(status) in responses, f"{name}: the document knows {sorted(responses)}"
    response = responses.get(str(status), {"$ref": "#/components/responses/Problem"})
    if "$ref" in response:
        response = described()["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    content = response["content"]
    assert list(content) == [kind], f"{name} is {kind}"
    schema = content[kind]["schema"]
    assert schema != answers.UNDECLARED, f"{name}: the route does not declare its answer (docs/api.md)"
    faults = list(violations(schema, body))
    if not faults and status < 300 and (folder := os.environ.get("ROAMCLEAR_EXAMPLES")):
        _keep(Path(folder) / f"{operation['operationId']}.json", body)
    assert not faults, f"{name} is not what the document says:\n" + "\n".join(faults[:10])


def _keep(path: Path, body: Any) -> None:
    """Keep the most telling short answer of an operation as its example (``make examples``)."""
    text = json.dumps(_shortened(body), indent=1, ensure_ascii=False, default=_exact) + "\n"
    if len(text) <= _MOST_EXAMPLE and (not path.exists() or len(path.read_text()) < len(text)):
        path.write_text(text)


def _shortened(value: Any) -> Any:
    """Lists by their first item; no secret, no signature, no address of a bucket."""
    if isinstance(value, dict):
        return {k: _hidden(v) if k in _HIDDEN and not isinstance(v, list) else _shortened(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value[:1]]
    if isinstance(value, str) and "://" in value:
        return f"https://files.example/{value.split('?')[0].rsplit('/', 1)[1]}"
    return value


def _hidden(value: Any) -> Any:
    return dict.fromkeys(value, "...") if isinstance(value, dict) else "..."


def _exact(value: Any) -> Any:
    return int(value) if value == value.to_integral_value() else float(value)


def violations(schema: dict[str, Any], value: Any, at: str = "$") -> list[str]:
    """What is wrong with a value, each fault with its place; a keyword that is not known here is a fault too."""
    if "$ref" in schema:
        schema = described()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]] | {
            key: value for key, value in schema.items() if key != "$ref"
        }
    if "anyOf" in schema:
        tried = [violations(each, value, at) for each in schema["anyOf"]]
        return [] if not all(tried) else min(tried, key=len)
    found = [f"{at}: {key} is not checked" for key in schema.keys() - _REMARKS - _KNOWN]
    kinds = schema.get("type")
    for_bool = isinstance(value, bool) and kinds != "boolean"
    if kinds is not None and (for_bool or not isinstance(value, _KINDS[kinds])):
        return [f"{at}: {json.dumps(value, default=str)[:80]} is no {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: {value!r} is not {schema['const']!r}")
    if isinstance(value, str):
        found += _text(schema, value, at)
    elif isinstance(value, dict):
        found += _object(schema, value, at)
    elif isinstance(value, list):
        found += _list(schema, value, at)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        found += _number(schema, value, at)
    return found


_KNOWN = {
    "type", "enum", "const", "pattern", "minLength", "maxLength", "properties", "required", "additionalProperties",
    "patternProperties", "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minProperties", "maxProperties",
}  # fmt: skip


def _text(schema: dict[str, Any], value: str, at: str) -> list[str]:
    found = []
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{at}: {value!r} is not {schema['pattern']}")
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        found.append(f"{at}: {value!r} has {len(value)} characters")
    try:
        if schema.get("format") == "date-time" and datetime.fromisoformat(value).utcoffset() is None:
            found.append(f"{at}: {value!r} has no offset")
        if schema.get("format") == "date":
            date.fromisoformat(value)
    except ValueError:
        found.append(f"{at}: {value!r} is no {schema['format']}")
    return found


def _object(schema: dict[str, Any], value: dict[str, Any], at: str) -> list[str]:
    known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    named = schema.get("patternProperties", {})
    found = [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
    for name, each in value.items():
        if name in known:
            found += violations(known[name], each, f"{at}.{name}")
        elif kinds := [kind for pattern, kind in named.items() if re.search(pattern, name)]:
            found += [fault for kind in kinds for fault in violations(kind, each, f"{at}.{name}")]
        elif more is False:
            found.append(f"{at}: {name} is not described")
        elif isinstance(more, dict):
            found += violations(more, each, f"{at}.{name}")
    return found


def _list(schema: dict[str, Any], value: list[Any], at: str) -> list[str]:
    found = []
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        found.append(f"{at} has {len(value)} items")
    first = schema.get("prefixItems", [])
    for place, each in enumerate(value):
        kind = first[place] if place < len(first) else schema.get("items", {})
        found += violations(kind, each, f"{at}[{place}]")
    return found


def _number(schema: dict[str, Any], value: int | Decimal, at: str) -> list[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    right = (low is None or value >= low) and (high is None or value <= high)
    right = right and (above is None or value > above) and (below is None or value < below)
    return [] if right else [f"{at}: {value} is out of its range"]
