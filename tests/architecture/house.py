"""The rules of the house that no linter knows, as functions over a source tree: each gives its faults as sentences.

They take the root folder, so a test can plant a fault in a copy and see it reported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

LONGEST_FUNCTION = 70
LONGEST_FILE = 400
#: A longer file says why, in a comment that begins so.
REASON = "# Longer than 400 lines:"
#: Rooms whose rows are written once for ever.
ONCE = {"LEDGER", "AUDIT"}
#: Places beside ``store.py`` that may use the aws door: itself, and the composition by functions.
AWS_FILES = {"store.py"}


def sources(root: Path, *folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every module below the folders with its syntax tree."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            if "__pycache__" not in path.parts:
                yield path.relative_to(root), ast.parse(path.read_text())


def clock_faults(root: Path) -> list[str]:
    """The machine's time is asked for in kernel/clock.py only."""
    asked = {"now", "utcnow", "today", "time_ns", "localtime", "gmtime"}
    found = []
    for path, tree in sources(root, "shared/roamclear", "functions"):
        if path == Path("shared/roamclear/kernel/clock.py"):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if (node.func.attr in asked and name in {"datetime", "date", "time"}) or (
                node.func.attr == "time" and name == "time"
            ):
                found.append(f"{path}:{node.lineno} asks the machine for the time")
    return found


def float_faults(root: Path) -> list[str]:
    """No float in roamclear: no literal, no name, no annotation (house.md 3)."""
    found = []
    for path, tree in sources(root, "shared/roamclear"):
        for node in ast.walk(tree):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
            name = isinstance(node, ast.Name) and node.id == "float"
            if literal or name:
                found.append(f"{path}:{node.lineno} uses float")
    return found


def once_faults(root: Path) -> list[str]:
    """Ledger and audit rows are put under a condition; they are never updated or removed (rules.md 8)."""
    found = []
    for path, tree in sources(root, "shared/roamclear", "functions"):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            verb = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if verb not in {"Put", "Update", "Remove"} or not _names_table(node):
                continue
            if verb != "Put":
                found.append(f"{path}:{node.lineno} {verb} of a table that is only appended to")
                continue
            given = [k.value for k in node.keywords if k.arg == "when"] + list(node.args[3:4])
            if given and not all(isinstance(value, ast.Name) and value.id == "ABSENT" for value in given):
                found.append(f"{path}:{node.lineno} Put without the condition that the row is absent")
    return found


def _names_table(call: ast.Call) -> bool:
    values = list(call.args[:1]) + [k.value for k in call.keywords if k.arg == "table"]
    return any(isinstance(value, ast.Attribute) and value.attr in ONCE for value in values)


def length_faults(root: Path) -> list[str]:
    """Functions of at most 70 lines (a test may tell a longer story), files of at most 400 without a reason in them."""
    found = []
    for path, tree in sources(root, "shared/roamclear", "functions", "infra", "tests"):
        text = (root / path).read_text()
        count = text.count("\n")
        if count > LONGEST_FILE and REASON not in text:
            found.append(f"{path} has {count} lines and no reason for it")
        for node in ast.walk(tree) if path.parts[0] != "tests" else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    found.append(f"{path}:{node.lineno} {node.name} has {lines} lines")
    return found


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a module imports, ``from a import b`` as a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def door_faults(root: Path) -> list[str]:
    """``roamclear.aws`` is imported by store.py files only; boto3 by the aws room only."""
    found = []
    for path, tree in sources(root, "shared/roamclear"):
        room = path.parts[2]
        if room == "aws":
            continue
        for line, name in imported(tree):
            if name.startswith("roamclear.aws") and path.name not in AWS_FILES:
                found.append(f"{path}:{line} imports {name}: only store.py may")
            if name.split(".")[0] in {"boto3", "botocore"}:
                found.append(f"{path}:{line} imports {name}: only roamclear.aws may")
    return found


def front_door_faults(root: Path) -> list[str]:
    """A room is entered through its service and its model, never through its store or rules."""
    found = []
    rooms = {p.name for p in (root / "shared/roamclear").iterdir() if p.is_dir()} - {"kernel", "aws"}
    for path, tree in sources(root, "shared/roamclear", "functions"):
        own = path.parts[2] if path.parts[0] == "shared" else ""
        for line, name in imported(tree):
            parts = name.split(".")
            if parts[0] != "roamclear" or len(parts) < 3 or parts[1] not in rooms or parts[1] == own:
                continue
            if parts[2] == "store":
                found.append(f"{path}:{line} imports {name}: another room's store is its own")
    return found


def handler_faults(root: Path) -> list[str]:
    """A handler knows no boto3, no environment and no tables: it parses, calls one use case, maps the answer."""
    found = []
    for path, tree in sources(root, "functions"):
        for line, name in imported(tree):
            if name.split(".")[0] in {"boto3", "botocore", "os"}:
                found.append(f"{path}:{line} imports {name}")
    return found


def connection_faults(root: Path) -> list[str]:
    """Connections are opened in roamclear.outgoing only (rules.md 4), so the import contracts say who may call out."""
    openers = {"socket", "ssl", "asyncio", "smtplib", "ftplib", "urllib3", "requests", "httpx", "aiohttp"}
    found = []
    for path, tree in sources(root, "shared/roamclear", "functions"):
        if path.parts[:3] in {("shared", "roamclear", "outgoing"), ("shared", "roamclear", "aws")}:
            continue
        for line, name in imported(tree):
            parts = name.split(".")
            if parts[0] in openers or parts[:2] in (["http", "client"], ["urllib", "request"]):
                found.append(f"{path}:{line} imports {name}: only roamclear.outgoing opens connections")
    return found


def keeping_faults(root: Path) -> list[str]:
    """What lies under Object Lock is put with its issuer's term (product.md row 138); a logo is no record."""
    found = []
    for path, tree in sources(root, "shared/roamclear", "functions"):
        if path == Path("shared/roamclear/identity/logo.py"):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr not in {"put", "put_file"} or not _names_locked(node):
                continue
            owner = node.func.value
            door = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if door == "objects" and "retain_until" not in {k.arg for k in node.keywords}:
                found.append(f"{path}:{node.lineno} puts an object that must be kept without its term")
    return found


def _names_locked(call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and first.value in {"documents", "archive"}


RULES = (
    clock_faults, float_faults, once_faults, length_faults, door_faults, front_door_faults, handler_faults,
    connection_faults, keeping_faults,
)  # fmt: skip
