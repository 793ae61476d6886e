"""The whole AWS bill of a million CDRs at list price, from counted requests; without a goal.

Prices: public list prices of eu-central-1 as known on 2026-11-21, in USD, without free tiers; look them up again before
a decision. Durations are assumptions stated beside their rows, not measurements.
"""

from __future__ import annotations

from infra.bench.bench_units import SESSIONS, measure

PRICED_ON = "2026-11-21"
_MILLION = 1_000_000
#: USD per unit.
WRITE_UNIT, READ_UNIT = 0.7625 / _MILLION, 0.1525 / _MILLION
API_REQUEST = 1.20 / _MILLION
LAMBDA_REQUEST, LAMBDA_GB_S = 0.20 / _MILLION, 0.0000133334
STATE_TRANSITION = 0.025 / 1000
S3_PUT = 0.0054 / 1000
KMS_REQUEST = 0.03 / 10_000
LOG_GB = 0.63
MAIL = 0.10 / 1000
#: A close of one contract and month: its transitions, objects and mails, shared by so many sessions.
SESSIONS_OF_A_RUN, TRANSITIONS, OBJECTS, MAILS = 5_000, 24, 8, 3
#: Seconds of Lambda per CDR: POST at 1 GB, stream at 1 GB (its share of a batch), close and documents at 1-2 GB.
POST_S, STREAM_S, CLOSE_S = 0.030, 0.060, 0.010
LOG_BYTES = 1_500


def run() -> list[tuple[str, float, str, float | None]]:
    """USD per million CDRs, row by row and in sum."""
    meter = measure()
    writes = sum(meter.writes.values()) / SESSIONS
    reads = sum(meter.reads.values()) / SESSIONS
    share = 1 / SESSIONS_OF_A_RUN
    parts = {
        "API Gateway requests": API_REQUEST,
        "Lambda": 1.2 * LAMBDA_REQUEST + (POST_S + STREAM_S + 2 * CLOSE_S) * LAMBDA_GB_S,
        "DynamoDB writes": writes * WRITE_UNIT,
        "DynamoDB reads": reads * READ_UNIT,
        "Step Functions": TRANSITIONS * share * STATE_TRANSITION,
        "S3": OBJECTS * share * S3_PUT,
        "KMS": 0.05 * KMS_REQUEST,
        "logs": LOG_BYTES / 1e9 * LOG_GB,
        "mail": MAILS * share * MAIL,
    }
    against = f"USD, list prices of {PRICED_ON}"
    rows: list[tuple[str, float, str, float | None]] = [
        (f"per million CDRs: {name}", cost * _MILLION, against, None) for name, cost in parts.items()
    ]
    return [*rows, ("per million CDRs, the whole bill", sum(parts.values()) * _MILLION, against, None)]
