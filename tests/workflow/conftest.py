"""One laptop stack and one played month for all tests of the state machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import builders as b
from tests.support.laptop import laptop_stack
from tests.workflow.month import Month, play


@pytest.fixture(scope="session")
def month() -> Iterator[Month]:
    """October 2026 of five contracts, as far as each of them comes by itself."""
    with laptop_stack("workflow", issuer_id=b.ISSUER) as stack:
        yield play(stack)
