"""Nonsense never becomes a 5xx, and every answer is an OCPI envelope."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roamclear.kernel import numbers_json
from tests.support.builders import cdr, tariff
from tests.support.moto_stack import stage
from tests.support.ocpi_partner import Partner, connect, served

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=30)
    | st.sampled_from(["", "#NA", "1970-1-1T00:00:00Z", "9999-12-31T23:59:59-14:00", "\ud800", "\x00", "1e999", "-0"])
)
nonsense: st.SearchStrategy[Any] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
)
names = st.sampled_from(["DE", "VWK", "vwk", "LOC1", "a b", "..", "%", "%2e", "é", "~", "~!!", "x" * 300, "\x00", "*"])
modules = st.sampled_from(
    [
        *("cdrs", "locations", "tariffs", "credentials", "sessions", "", "locationsDE", "hubclientinfo"),
        *("invoicereconciliation", "conformance"),
    ]
)
paths = st.builds(
    lambda v, m, rest, tail: "/".join(["/ocpi", v, m, *rest]) + tail,
    st.sampled_from(["2.2.1", "2.1.1", "2.3.0", "2.0", "versions", "x", ""]),
    modules,
    st.lists(names, max_size=6),
    st.sampled_from(["", "/", "//"]),
)
methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "get"])
queries = st.dictionaries(
    st.sampled_from(["date_from", "date_to", "offset", "limit", "position", "x"]),
    st.text(max_size=20) | st.sampled_from(["2026-10-01T00:00:00Z", "5", "999999999", "-1"]),
    max_size=4,
)
headers = st.dictionaries(
    st.sampled_from(["x-request-id", "x-correlation-id", "ocpi-to-party-id", "host", "content-type"]),
    st.text(max_size=40),
    max_size=3,
)


def changed(base: dict[str, Any], path: list[int], value: Any) -> Any:
    """A copy of a good object with one place replaced."""
    copy = json.loads(numbers_json.dumps(base))
    at: Any = copy
    for step in path:
        places = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        if not places:
            break
        place = places[step % len(places)]
        if step % 3 == 0 or not isinstance(at[place], dict | list) or not at[place]:
            at[place] = value
            return copy
        at = at[place]
    return copy


spoilt = st.builds(
    changed,
    st.sampled_from([cdr(1), cdr(1, tariffs=[tariff()]), tariff()]),
    st.lists(st.integers(0, 40), min_size=1, max_size=6),
    nonsense,
)
RECORD = {
    "country_code": "NL", "party_id": "RON", "id": "REC-1", "invoice_id": "SB-1", "cdrs": ["A", "B"],
    "last_updated": "2026-10-01T00:00:00Z",
}  # fmt: skip
spoilt_records = st.builds(
    changed, st.just(RECORD), st.lists(st.integers(0, 40), min_size=1, max_size=3), nonsense
) | st.just(RECORD)
bodies = (
    nonsense.map(lambda v: json.dumps(v))
    | spoilt.map(lambda v: json.dumps(v))
    | st.text(max_size=40)
    | st.binary(max_size=60)
    | st.none()
)


def check(partner: Partner, method: str, path: str, body: Any, **more: Any) -> None:
    answer = partner.call(method, path, body, **more)
    assert answer.status < 500, (method, path, body, answer.text)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.status < 300 or answer.status >= 400
    envelope = answer.body
    assert isinstance(envelope["status_code"], int)
    assert envelope["timestamp"].endswith("Z")
    assert all(value.isprintable() for value in answer.headers.values())


def test_nonsense_never_becomes_a_5xx() -> None:
    with stage() as made, served(made.ctx):
        cpo = connect(made.ctx)
        emsp = connect(made.ctx, "NLRON", "EMSP")
        sandbox = connect(made.ctx, sandbox=True)

        @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from([cpo, emsp]), methods, paths, bodies, queries, headers)
        def anything(
            partner: Partner, method: str, path: str, body: Any, query: dict[str, str], sent: dict[str, str]
        ) -> None:
            check(partner, method, path, body, query=query, headers=sent)

        @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from([cpo, sandbox]), st.sampled_from(["2.1.1", "2.2.1", "2.3.0"]), spoilt)
        def spoilt_cdr(partner: Partner, version: str, body: Any) -> None:
            check(partner, "POST", f"/ocpi/{version}/cdrs", json.dumps(body))

        @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(["PUT", "PATCH"]), st.sampled_from(["", "/E1", "/E1/1"]), nonsense)
        def spoilt_location(method: str, tail: str, body: Any) -> None:
            check(cpo, method, f"/ocpi/2.2.1/locations/DE/VWK/LOC1{tail}", json.dumps(body))

        @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(["POST", "PUT", "PATCH"]), spoilt_records)
        def spoilt_record(method: str, body: Any) -> None:
            tail = "" if method == "POST" else "/NL/RON/REC-1"
            check(emsp, method, f"/ocpi/2.3.0/invoicereconciliation{tail}", json.dumps(body))

        @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.text(max_size=100))
        def any_header(header: str) -> None:
            check(cpo, "GET", "/ocpi/versions", None, authorization=header)

        anything()
        spoilt_cdr()
        spoilt_location()
        spoilt_record()
        any_header()
        for tail in ("", "/samples", "/certificate"):
            check(sandbox, "GET", f"/ocpi/2.2.1/conformance{tail}", None)
