"""The one observability module: structured logs without tokens, IBANs or personal data.

Traces come from the functions' active tracing; no SDK is loaded for them.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

logger = Logger(log_uncaught_exceptions=False)


def parked(row: dict[str, Any], error: Exception) -> None:
    """Log that a record could not be worked on, by its key and with the fault's place."""
    logger.error("a record was parked", extra={"pk": row.get("pk"), "sk": row.get("sk")}, exc_info=error)
