"""Reading the files a person names at the prompt, with limits and one-line reasons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roamclear.kernel import numbers_json
from roamclear.kernel.errors import InvalidInput

LIMIT_BYTES = 16 * 1024 * 1024


def read_bytes(path: str, *, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """The content of a file of limited size, else ``InvalidInput``."""
    try:
        file = Path(path)
        if file.stat().st_size > limit_bytes:
            raise InvalidInput(f"{path} has more than {limit_bytes} bytes", field=path)
        return file.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file name"
        raise InvalidInput(f"{path} cannot be read: {reason}", field=path) from error


def read_object(path: str) -> Mapping[str, Any]:
    """A JSON object from a file, numbers exact, else ``InvalidInput``."""
    data = read_bytes(path)
    try:
        value = numbers_json.loads(data)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}", field=path) from error
    if not isinstance(value, dict):
        raise InvalidInput(f"{path} holds no JSON object", field=path)
    return value
