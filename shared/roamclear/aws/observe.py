"""The one observability module: structured logs without tokens, IBANs or personal data.

Traces come from the functions' active tracing; no SDK is loaded for them.
"""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger(log_uncaught_exceptions=False)
