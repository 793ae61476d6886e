"""Files of people go to the store by a signed form with conditions of size and type (rules.md 11)."""

from __future__ import annotations

import base64
import json

from tests.support.moto_stack import BUCKETS, Stage


def test_a_form_names_its_key_type_and_size(stage: Stage) -> None:
    form = stage.ctx.objects.upload(
        "inbox", "compare/voltwerk/C-1/x.csv", seconds=600, max_bytes=5, content_type="text/csv"
    )
    assert form.fields["key"] == "compare/voltwerk/C-1/x.csv"
    assert form.fields["Content-Type"] == "text/csv"
    policy = json.loads(base64.b64decode(form.fields["policy"]))["conditions"]
    assert ["content-length-range", 1, 5] in policy
    assert {"Content-Type": "text/csv"} in policy
    assert {"key": "compare/voltwerk/C-1/x.csv"} in policy
    assert {"bucket": BUCKETS["inbox"]} in policy
    assert (form.max_bytes, form.expires_seconds) == (5, 600)
