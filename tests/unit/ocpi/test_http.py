"""Paths, ids and queries as clients really send them."""

from __future__ import annotations

from typing import Any

import pytest

from functions.ocpi_api import http


def event(path: str, **headers: str) -> dict[str, Any]:
    return {
        "rawPath": path,
        "headers": headers,
        "requestContext": {"stage": "prod", "http": {"method": "GET", "path": path}},
    }


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("/ocpi/2.2.1/cdrs", "/ocpi/2.2.1/cdrs"),
        ("/ocpi/2.2.1/cdrs/", "/ocpi/2.2.1/cdrs"),
        ("//ocpi//2.2.1///cdrs//", "/ocpi/2.2.1/cdrs"),
        ("/prod/ocpi/2.2.1/cdrs", "/ocpi/2.2.1/cdrs"),
        ("/ocpi/2.2.1/locationsUS/NON/LOC1", "/ocpi/2.2.1/locations/US/NON/LOC1"),
        ("/ocpi/2.2.1/tariffsDE/ABC/T1", "/ocpi/2.2.1/tariffs/DE/ABC/T1"),
        ("/ocpi/2.2.1/locations/DE/ABC/L", "/ocpi/2.2.1/locations/DE/ABC/L"),
        ("/", "/"),
        ("", "/"),
    ],
)
def test_slashes_do_not_count(sent: str, read: str) -> None:
    tidied = http.tidy(event(sent))
    assert tidied["rawPath"] == tidied["requestContext"]["http"]["path"] == read
    assert tidied["requestContext"]["stage"] == "$default"


def test_header_names_fold_and_a_missing_event_part_is_survived() -> None:
    assert http.tidy(event("/ocpi", AUTHORIZATION="Token x"))["headers"] == {"authorization": "Token x"}
    assert http.tidy({})["rawPath"] == "/"


@pytest.mark.parametrize(("version", "swapped"), [("2.1.1", False), ("2.2.1", True), ("2.3.0", True)])
def test_routing_headers_swap_from_2_2_on(version: str, swapped: bool) -> None:
    sent = event(f"/ocpi/{version}/cdrs", **{"ocpi-to-party-id": "ABC", "ocpi-from-party-id": "XYZ"})
    found = http.common_headers(http.tidy(sent))
    assert (found.get("OCPI-from-party-id") == "ABC") is swapped
    assert (found.get("OCPI-to-party-id") == "XYZ") is swapped


@pytest.mark.parametrize("value", ["a b", "x" * 65, "a\r\nSet-Cookie: x", "é", ""])
def test_an_id_that_could_break_a_header_is_replaced(value: str) -> None:
    found = http.common_headers(http.tidy(event("/ocpi", **{"x-request-id": value})))
    assert found["X-Request-ID"] != value
    assert len(found["X-Request-ID"]) == 36


@pytest.mark.parametrize(
    ("body", "encoded", "raw"), [("ä", False, "ä".encode()), ("w6Q=", True, "ä".encode()), (None, False, b"")]
)
def test_the_body_is_the_bytes_that_were_sent(body: str | None, encoded: bool, raw: bytes) -> None:
    assert http.body_bytes({"body": body, "isBase64Encoded": encoded}) == raw
