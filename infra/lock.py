"""Pin the exact version of every package, direct or not, where git keeps it.

``uv.lock`` is not kept in git because it names the registry hosts of whoever wrote it. What it locks is written in
two other places instead: ``[tool.uv] constraint-dependencies`` of ``pyproject.toml`` holds the whole closure, so
``uv sync`` can only come to the same versions, and ``infra/layers/*.txt`` holds versions **and hashes** of what is
shipped to Lambda. See docs/decisions/0004-versions-without-hosts.md.

    python -m infra.lock            upgrade within the bounds of pyproject.toml, write both places
    python -m infra.lock --check    fail (exit 1) when a package is not pinned or the pins differ from what is installed
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
LAYERS = ROOT / "infra" / "layers"
BEGIN = "# -- pinned by `make lock`: do not edit by hand --"
END = "# -- end of pins --"
LAYER_PYTHON = "3.13"
LAYER_PLATFORM = "aarch64-manylinux_2_28"


def _run(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def closure(uv: str, *, upgrade: bool) -> list[str]:
    """Every package of the project as ``name==version ; marker`` lines, sorted."""
    _run(uv, "lock", *(["--upgrade"] if upgrade else []))
    text = _run(uv, "export", "--all-groups", "--no-hashes", "--no-header", "--no-annotate", "--no-emit-project")
    return sorted(line.strip() for line in text.splitlines() if "==" in line)


def block(pins: list[str]) -> str:
    """The text that stands in ``[tool.uv]`` between the two marks."""
    lines = [f'    "{pin}",' for pin in pins]
    return "\n".join([BEGIN, "constraint-dependencies = [", *lines, "]", END])


def write_pins(text: str, pins: list[str]) -> str:
    """``pyproject.toml`` with its block of pins replaced, or added at the end when there is none."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if pattern.search(text):
        return pattern.sub(lambda _: block(pins), text)
    return text.rstrip("\n") + "\n\n[tool.uv]\n" + block(pins) + "\n"


def pinned(text: str) -> dict[str, set[str]]:
    """The pinned versions by normalised name; a name may have one version per marker."""
    lines = tomllib.loads(text).get("tool", {}).get("uv", {}).get("constraint-dependencies", [])
    versions: dict[str, set[str]] = {}
    for line in lines:
        name, _, rest = line.partition("==")
        versions.setdefault(_normal(name), set()).add(rest.split(";")[0].strip())
    return versions


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.split("[")[0]).strip().lower()


def faults(text: str) -> list[str]:
    """Why the pins are not what is installed, one sentence each."""
    pins = pinned(text)
    found = []
    for distribution in metadata.distributions():
        name = _normal(distribution.metadata["Name"])
        if name in {"roamclear", "pip", "setuptools", "uv"}:
            continue
        if name not in pins:
            found.append(f"{name} {distribution.version} is installed but not pinned")
        elif distribution.version not in pins[name]:
            found.append(f"{name} {distribution.version} is installed, pinned is {', '.join(sorted(pins[name]))}")
    return sorted(found)


def write_layers(uv: str) -> None:
    """Pin each layer's packages with hashes for the Lambda platform, at the versions the tests ran with."""
    constraints = ROOT / "build" / "constraints.txt"
    constraints.parent.mkdir(exist_ok=True)
    pins = tomllib.loads(PYPROJECT.read_text())["tool"]["uv"]["constraint-dependencies"]
    constraints.write_text("\n".join(pins) + "\n")
    for source in sorted(LAYERS.glob("*.in")):
        text = _run(
            uv, "pip", "compile", str(source), "--constraints", str(constraints), "--generate-hashes",
            "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--only-binary", ":all:",
            "--python-platform", LAYER_PLATFORM, "--python-version", LAYER_PYTHON,
        )  # fmt: skip
        source.with_suffix(".txt").write_text(text)


def main() -> int:
    """The command; 0 when all is pinned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--keep", action="store_true", help="pin what uv.lock holds, do not upgrade")
    parser.add_argument("--uv", default="uv")
    options = parser.parse_args()
    if options.check:
        found = faults(PYPROJECT.read_text())
        print(
            "\n".join(found + (["run `make lock` to pin the versions again"] if found else [])), end="\n" * bool(found)
        )
        return 1 if found else 0
    try:
        PYPROJECT.write_text(write_pins(PYPROJECT.read_text(), closure(options.uv, upgrade=not options.keep)))
        write_layers(options.uv)
    except subprocess.CalledProcessError as error:
        print(f"uv failed: {error.stderr.strip()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
