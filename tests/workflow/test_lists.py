"""Files of people on the laptop stack: posted by the signed form, read on the event, under the template's roles."""

from __future__ import annotations

import hashlib
import http.client
import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support import builders as b
from tests.workflow.month import Month, run_id

pytestmark = pytest.mark.e2e


def get(month: Month, path: str, **query: str) -> Any:
    """A person of the finance desk asks."""
    headers = {"Roamclear-Issuer": b.ISSUER}
    return month.stack.http("GET", f"/v1{path}", query=query, headers=headers, token=month.stack.token("FINANCE"))


def post_form(form: dict[str, Any], body: bytes) -> int:
    """What a browser does with a form; the file comes last."""
    mark = uuid.uuid4().hex
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in form["fields"].items()
    ]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="list.csv"\r\n\r\n'
    data = "".join(parts).encode() + head.encode() + body + f"\r\n--{mark}--\r\n".encode()
    place = urlsplit(form["url"])
    connection = http.client.HTTPConnection("127.0.0.1", place.port or 80, timeout=30)
    try:
        headers = {"Host": place.netloc, "Content-Type": f"multipart/form-data; boundary={mark}"}
        connection.request("POST", place.path or "/", body=data, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_posted_list_is_compared(month: Month) -> None:
    body = b"cdr id;kwh;net\nCDR-000001;20;8,30\nCDR-999999;1;1,00\n"
    asked = {"run_id": run_id("C-PLAIN"), "format": "csv", "sha256": hashlib.sha256(body).hexdigest()}
    headers = {"Roamclear-Issuer": b.ISSUER}
    answer = month.stack.http("POST", "/v1/compare", body=asked, headers=headers, token=month.stack.token("FINANCE"))
    assert answer.status == 202, answer.text
    assert post_form(answer.json()["upload"], body) in (200, 204)
    path = f"/compare/{answer.json()['comparison_id']}"
    month.until(lambda: get(month, path).json()["state"] == "DONE", "the posted list is compared")
    told = get(month, path).json()
    assert {s["match"]: (s["rows_here"], s["rows_there"]) for s in told["sums"]} == {
        "AMOUNT_DIFFERS": (0, 0), "MISSING_THERE": (5, 0), "MISSING_HERE": (0, 1), "PARTIAL": (0, 0), "EXACT": (1, 1),
    }  # fmt: skip
    rows = get(month, f"{path}/rows", **{"class": "MISSING_HERE"}).json()["items"]
    assert [row["there"]["cdr_id"] for row in rows] == ["CDR-999999"]


def test_the_list_of_a_run_is_drawn(month: Month) -> None:
    path = f"/runs/{run_id('C-ASKED')}/export"
    month.until(lambda: get(month, path, format="ndjson").status == 200, "the list of a run is drawn")
    assert get(month, path, format="ndjson").json()["files"][0]["name"].endswith(".ndjson")
