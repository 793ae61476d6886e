"""The whole AWS bill of a million CDRs at list price, from counted requests; without a goal.

Prices: public list prices of eu-central-1 as known on 2026-11-21, in USD, without free tiers; look them up again before
a decision. Durations are assumptions stated beside their rows, not measurements.
"""

from __future__ import annotations

import base64
import json
import zlib

from infra.bench.bench_units import SESSIONS, measure
from infra.bench.meter import Meter, size_of

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
#: What keep_changes puts into one object, and the seconds of half a GB it takes for it. At a million CDRs a month a
#: batch of ten seconds holds some fifty changes; at a hundred million it holds a thousand.
CHANGES_OF_AN_OBJECT, KEEP_S, KEEP_GB = 50, 0.150, 0.5
#: Changes are kept for five weeks; what the tables hold is kept for ten years, of which this is the first month.
S3_GB_MONTH, TABLE_GB_MONTH, WEEKS_KEPT = 0.0245, 0.306, 5
_GB = 1e9


def kept_of_a_cdr(meter: Meter) -> tuple[float, float, float]:
    """(changes, bytes of them as they are kept, bytes that stay in the tables) of one CDR."""
    changed = [image for table, _, image in meter.images if table.endswith(("-intake", "-clearing"))]
    packed = len(zlib.compress(json.dumps(changed, default=_text).encode(), 6))
    last = {(table, key): image for table, key, image in meter.images}
    return len(changed) / SESSIONS, packed / SESSIONS, sum(map(size_of, last.values())) / SESSIONS


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def run() -> list[tuple[str, float, str, float | None]]:
    """USD per million CDRs, row by row and in sum."""
    meter = measure()
    writes = sum(meter.writes.values()) / SESSIONS
    reads = sum(meter.reads.values()) / SESSIONS
    share = 1 / SESSIONS_OF_A_RUN
    changes, packed, stays = kept_of_a_cdr(meter)
    objects = changes / CHANGES_OF_AN_OBJECT
    parts = {
        "API Gateway requests": API_REQUEST,
        "Lambda": 1.2 * LAMBDA_REQUEST + (POST_S + STREAM_S + 2 * CLOSE_S) * LAMBDA_GB_S,
        "DynamoDB writes": writes * WRITE_UNIT,
        "DynamoDB reads": reads * READ_UNIT,
        "Step Functions": TRANSITIONS * share * STATE_TRANSITION,
        "S3": OBJECTS * share * S3_PUT,
        "changes kept beside the tables": objects * (S3_PUT + LAMBDA_REQUEST + KEEP_S * KEEP_GB * LAMBDA_GB_S)
        + packed / _GB * S3_GB_MONTH * WEEKS_KEPT / 4.35,
        "storage of the tables, each month": stays / _GB * TABLE_GB_MONTH,
        "KMS": 0.05 * KMS_REQUEST,
        "logs": LOG_BYTES / 1e9 * LOG_GB,
        "mail": MAILS * share * MAIL,
    }
    against = f"USD, list prices of {PRICED_ON}"
    rows: list[tuple[str, float, str, float | None]] = [
        (f"per million CDRs: {name}", cost * _MILLION, against, None) for name, cost in parts.items()
    ]
    rows.append(
        (f"changes per CDR, of {packed / changes:.0f} bytes as they are kept", changes, "intake and clearing", None)
    )
    rows.append(("KB per CDR that stay in the tables", stays / 1024, "all tables, with index columns", None))
    return [*rows, ("per million CDRs, the whole bill", sum(parts.values()) * _MILLION, against, None)]
