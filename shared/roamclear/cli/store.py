"""The stage that a person at the prompt means: the names of its tables and buckets as its functions know them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import ValidationError

from roamclear.aws.compose import context
from roamclear.kernel.context import Context
from roamclear.kernel.errors import InvalidInput

#: Without these a comparison would compare with nothing.
NEEDED = tuple(f"TABLE_{name}" for name in ("IDENTITY", "INTAKE", "CLEARING", "LEDGER", "AUDIT")) + tuple(
    f"BUCKET_{name}" for name in ("DOCUMENTS", "ARCHIVE", "CHANGES")
)


def stage(names: Mapping[str, object]) -> Context:
    """The doors of a stage; ``names`` are the variables of its function ``recover``, on top of this environment.

    Raises:
        InvalidInput: naming the variable that is missing.
    """
    os.environ.update({name: str(value) for name, value in names.items()})
    absent = [name for name in ("ROAMCLEAR_STAGE", *NEEDED) if not os.environ.get(name)]
    if absent:
        raise InvalidInput(f"{absent[0]} is not set: which stage?", field=absent[0])
    try:
        return context()
    except ValidationError as error:
        raise InvalidInput("the variables do not describe a stage", field="names") from error
