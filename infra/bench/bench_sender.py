"""Read units of a Sender page: one per 4 KB served and 10 more, the same on page 1 and page 1,000."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from infra.bench.bench_intake import cdr_body
from infra.bench.meter import Meter, size_of

COUNT = 2_040
ISSUER = "voltwerk"
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
SPARE_UNITS = 10.0


class ReadMeter(Meter):
    """Counts a COUNT query by the index rows it passes, as AWS does."""

    def query(self, **request: Any) -> Any:
        """Counted query."""
        answer = self._client.query(**request)
        rows = answer.get("Items")
        if request.get("Select") == "COUNT":
            listed = {name: value for name, value in request.items() if name != "Select"}
            rows = self._client.query(**listed).get("Items", [])
        self._read(sum(size_of(i) for i in rows or []), request.get("ConsistentRead", False))
        return answer


def run() -> list[tuple[str, float, str, float | None]]:
    """Units above one per 4 KB served, on the first page, on page 2 and on page 1,000, and of a page of 100."""
    from roamclear.aws.db import Tables
    from roamclear.ocpi import service as ocpi
    from roamclear.ocpi.model import ListQuery
    from tests.support.moto_stack import stage
    from tests.support.ocpi_partner import connect

    with stage(BEGIN) as made:
        emsp = connect(made.ctx, "NLTNM", "EMSP").credential
        _fill(made.tables)
        made.clock.set(BEGIN + timedelta(days=31, hours=12, minutes=40))
        meter = ReadMeter(made.client)
        ctx = replace(made.ctx, db=Tables(meter, made.tables.names))
        ocpi.cdr_page(ctx, emsp, ListQuery(limit=2))  # counts the finished days, once for ever

        def page(name: str, query: ListQuery) -> tuple[float, str | None]:
            meter.step = name
            found = ocpi.cdr_page(ctx, emsp, query)
            served = sum(len(body) for body in found.bodies)
            return meter.reads[name] - ceil(served / 4096), found.position

        first, second_at = page("1", ListQuery(limit=2))
        second, _ = page("2", ListQuery(limit=2, position=second_at))
        _, last_at = page("999", ListQuery(limit=2, offset=1_996))
        last, _ = page("1000", ListQuery(limit=2, position=last_at))
        full, _ = page("full", ListQuery(limit=100))
    floor = "1 read unit per 4 KB served"
    return [
        ("Sender page 1 of 2 CDRs: units above the floor", first, floor, SPARE_UNITS),
        ("Sender page 2: units above the floor", second, floor, SPARE_UNITS),
        ("Sender page 1,000: units above the floor", last, floor, SPARE_UNITS),
        ("Sender page 1,000 beside page 2: units more", last - second, "page 2", 0.0),
        ("Sender page of 100 CDRs: units above the floor", full, floor, SPARE_UNITS),
    ]


def _fill(tables: Any) -> None:
    """CDRs of a month, evenly, with the rows that a page reads."""
    from roamclear.aws import keys
    from roamclear.cdrs import store
    from roamclear.cdrs.model import Original
    from roamclear.kernel.time import sort_instant
    from roamclear.kernel.writes import Put, Table

    for number in range(COUNT):
        raw = cdr_body(number)
        at = BEGIN + timedelta(minutes=21) * number
        digest = hashlib.sha256(raw).hexdigest()
        ref = f"DEABC*CDR-2026-10-05-{number:08d}"
        original = Original(
            issuer_id=ISSUER, cdr_ref=ref, party="DEABC", partner_id="abc", route="P2P", source="push",
            ocpi_version="2.2.1", received_at_utc=at, sha256=digest, content_hash=digest, raw=zlib.compress(raw, 3),
        )  # fmt: skip
        tables.write(store.original_put(original))
        index = {"gsi1pk": keys.visible_to(ISSUER, "NLTNM"), "gsi1sk": f"{sort_instant(at)}#{ref}"}
        tables.write(Put(Table.CLEARING, keys.session(ISSUER, ref), {"issuer_id": ISSUER, **index}))


if __name__ == "__main__":
    for row in run():
        print(*row, sep=" | ")
