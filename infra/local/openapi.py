"""The OpenAPI 3.1 document of the finance API, read from its routes; ``python -m infra.local.openapi`` writes it.

Paths, methods, parameters, bodies and statuses are those of the code: a route's source is read for what it asks of its
request, and what it calls for the right it needs. Nothing of this is loaded at run time.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from functions.finance_api import pages
from functions.finance_api.routes import FILES
from infra.assets import ROOT
from infra.local import answers
from roamclear.identity.model import Right
from roamclear.identity.rules import TABLE

TARGET = ROOT / "docs" / "openapi.json"
#: Answers of the tests, shortened (``make examples``).
EXAMPLES = ROOT / "docs" / "examples"
#: How deep a right is looked for: the route, its use case, and what that one shares with others.
_DEPTH = 4
_ETAG = {"description": "the state of the object; a change of it names it in If-Match", "schema": {"type": "string"}}
#: Every POST may be sent again under its key (functions/finance_api/once.py).
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "of the caller's making: the same request under it happens once and is answered as before",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}
_WRITES = ("post", "put", "patch")
_PROBLEMS = ("401", "403", "404", "409", "412", "422", "503")


def document() -> dict[str, Any]:
    """The whole document; equal routes give an equal document."""
    found = sorted(routes(), key=lambda each: (each[0], each[1]))
    models = sorted({m for _, _, view in found for m in _bodies(view)}, key=lambda m: (m.__module__, m.__qualname__))
    views = list(dict.fromkeys(view for _, _, view in found))
    refs, components = answers.schemas(views, list(models))
    paths: dict[str, Any] = {}
    for path, method, view in found:
        paths.setdefault(path, {})[method] = _operation(path, method, view, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Roamclear finance API",
            "version": "1",
            "description": "Amounts are integer minor units with a currency; numbers are exact decimals; instants UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "headers": {"ETag": _ETAG},
            "responses": {"Problem": _problem()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"token": []}],
    }


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def routes() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    for name in sorted(set(FILES.values())):
        router = importlib.import_module(f"functions.finance_api.routes.{name}").router
        for key, view in router._routes.items():
            path = "/v1" + re.sub(r"<(\w+)>", r"{\1}", key[0])
            for method in key[1]:
                yield path, method.lower(), view


def _operation(path: str, method: str, view: Callable[..., Any], refs: dict[Any, Any]) -> dict[str, Any]:
    told = inspect.cleandoc(view.__doc__ or "")
    made: dict[str, Any] = {
        "operationId": f"{view.__module__.rsplit('.', 1)[1]}.{view.__name__}",
        "tags": [view.__module__.rsplit(".", 1)[1]],
        "summary": told.split("\n", 1)[0],
        "parameters": [*_parameters(path, view), *([_KEY] if method == "post" else [])],
    }
    bodies = _bodies(view) if method in _WRITES else []
    if bodies:
        schema = refs[bodies[0]] if len(bodies) == 1 else {"anyOf": [refs[model] for model in bodies]}
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    rights = sorted(_rights(view, _DEPTH, set()))
    if rights:
        made["x-rights"] = [right.value for right in rights]
        made["x-roles"] = sorted({role.value for right in rights for role in TABLE[right]})
    answer: dict[str, Any] = {"schema": refs[view]}
    if (example := EXAMPLES / f"{made['operationId']}.json").exists():
        answer["example"] = json.loads(example.read_text())
    answered: dict[str, Any] = {"description": "The answer.", "content": {"application/json": answer}}
    refused = {"$ref": "#/components/responses/Problem"}
    if _mentions(view, "etag"):
        answered["headers"] = {"ETag": {"$ref": "#/components/headers/ETag"}}
    problems = (*_PROBLEMS, "428") if _mentions(view, "require_match") else _PROBLEMS
    made["responses"] = dict.fromkeys(_statuses(view), answered) | dict.fromkeys((*problems, "500"), refused)
    return made


def _parameters(path: str, view: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    text_schema = {"schema": {"type": "string"}}
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, **text_schema}
    for place in ("query", "header"):
        for name in sorted(_named(view, place) - {_KEY["name"]}):
            yield {"name": name, "in": place, "required": False, **text_schema}
    if _mentions(view, "if_match") or _mentions(view, "require_match"):
        yield {"name": "If-Match", "in": "header", "required": False, **text_schema}
    yield {"name": "Roamclear-Issuer", "in": "header", "required": False, **text_schema}


def _mentions(view: Callable[..., Any], name: str) -> bool:
    """Whether a route asks its request for something by its name, or answers with it."""
    quoted = f"'{name}'"
    return any(quoted in ast.dump(tree) for _, tree in _sources(view))


def _named(view: Callable[..., Any], attribute: str) -> set[str]:
    """The texts with which a route asks its request for something, written out or from a list that it walks."""
    found = set[str]()
    for owner, tree in _sources(view):
        for call in _calls(tree):
            if not isinstance(call.func, ast.Attribute) or call.func.attr != attribute or not call.args:
                continue
            asked = call.args[0]
            if isinstance(asked, ast.Constant):
                found.add(str(asked.value))
            for walk in ast.walk(tree):
                if isinstance(walk, ast.comprehension | ast.For) and ast.dump(walk.target) == _stored(asked):
                    found |= set(_texts(owner, tree, walk.iter))
    return found


def _texts(owner: Callable[..., Any], tree: ast.AST, listed: ast.AST) -> tuple[str, ...]:
    """The texts of a list: written out, given a name in the function, or one of its file's."""
    if isinstance(listed, ast.Tuple | ast.List):
        return tuple(ast.literal_eval(listed))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.dump(node.targets[0]) == _stored(listed):
            return _texts(owner, tree, node.value)
    return tuple(_resolved(owner, listed) or ())


def _stored(name: ast.AST) -> str:
    return ast.dump(ast.Name(id=getattr(name, "id", ""), ctx=ast.Store()))


def _bodies(view: Callable[..., Any]) -> list[type[BaseModel]]:
    """The models that a route reads its body as."""
    found: list[type[BaseModel]] = []
    for owner, tree in _sources(view):
        for call in _calls(tree):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            model = _resolved(owner, call.args[0]) if name in ("read", "parse") and call.args else None
            if inspect.isclass(model) and issubclass(model, BaseModel) and model not in found:
                found.append(model)
    return found


def _statuses(view: Callable[..., Any]) -> list[str]:
    named = {
        str(HTTPStatus[node.attr].value)
        for _, tree in _sources(view)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "HTTPStatus"
    }
    only_one = len(named) == 1 and not any(isinstance(n, ast.IfExp) for _, t in _sources(view) for n in ast.walk(t))
    return sorted(named if only_one else named | {"200"})


def _rights(of: Callable[..., Any], depth: int, seen: set[object]) -> set[Right]:
    """The rights that a function, or what it calls with the actor, asks for; the first on each way counts."""
    if depth == 0 or of in seen or not inspect.isfunction(of):
        return set()
    seen.add(of)
    own, below = set[Right](), set[Right]()
    for owner, tree in _sources(of):
        for call in _calls(tree):
            target = _resolved(owner, call.func)
            if getattr(target, "__name__", "") == "authorise":
                right = _resolved(owner, call.args[1]) if len(call.args) > 1 else None
                own |= {right} if isinstance(right, Right) else set()
                continue
            for each in (target, *(_resolved(owner, given) for given in call.args)):
                if inspect.isfunction(each):
                    below |= _rights(each, depth - 1, seen)
    return own or below


def _sources(of: Callable[..., Any]) -> Iterator[tuple[Callable[..., Any], ast.AST]]:
    """A function's tree, and those of what it calls: private functions of its file, and the one way to page."""
    todo, seen = [of], set[object]()
    while todo:
        each = todo.pop()
        if each in seen or not inspect.isfunction(each):
            continue
        seen.add(each)
        tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
        yield each, tree
        for call in _calls(tree):
            target = _resolved(each, call.func)
            own = getattr(target, "__module__", "") == of.__module__ and target.__name__.startswith("_")
            if inspect.isfunction(target) and (own or target.__module__ == pages.__name__):
                todo.append(target)


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _resolved(owner: Callable[..., Any], node: ast.AST) -> Any:
    """What a name stands for in the file of a function, or None."""
    if isinstance(node, ast.Name):
        return inspect.unwrap(owner).__globals__.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_resolved(owner, node.value), node.attr, None)
    return None


def _problem() -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "what to switch on; narrower than the status"},
            "detail": {"type": "string"},
            "field": {"type": "string", "description": "the field at fault"},
            "rule": {"type": "string", "description": "the rule of the house that refused it"},
        },
    }
    return {"description": "What was wrong (RFC 9457).", "content": {"application/problem+json": {"schema": schema}}}


def main(target: Path = TARGET) -> int:
    """Write the document."""
    target.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
