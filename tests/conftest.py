"""Fixtures that every kind of test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from roamclear.kernel.context import Context
from tests.support.moto_stack import Stage
from tests.support.moto_stack import stage as fresh_stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A fresh stage on moto."""
    with fresh_stage() as made:
        yield made


@pytest.fixture
def ctx(stage: Stage) -> Context:
    """What a use case is given, on a fresh stage."""
    return stage.ctx
