"""The laptop stack for tests: one per name, skipped with a reason where Node is missing.

from tests.support.laptop import laptop_stack

@pytest.fixture(scope="module")
def stack() -> Iterator[LaptopStack]:
    with laptop_stack("close") as made:
        yield made
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infra.local.stack import LaptopStack


@contextmanager
def laptop_stack(name: str, *, issuer_id: str = "acme") -> Iterator[LaptopStack]:
    """A fresh stack on a free port, beside any other; its folder is .local/test-<name>[-worker].

    Roles are enforced: a function that does what the catalogue does not grant fails here as on AWS.
    """
    if shutil.which("node") is None:
        pytest.skip("Node.js is missing: the template cannot be written")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    full = "-".join(part for part in ("test", name, worker) if part)
    with LaptopStack(full, issuer_id=issuer_id, enforce_iam=True) as made:
        yield made
