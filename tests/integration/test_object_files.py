"""Files on their way into and out of the buckets, against S3's own rules."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from roamclear.kernel.context import Context, Objects
from roamclear.rehearsal.doors import OverlayObjects
from tests.support import memory_stage
from tests.support.moto_stack import Stage

BODY = bytes(range(256)) * 12_000


@pytest.fixture(params=["s3", "memory", "overlay"])
def objects(request: pytest.FixtureRequest, stage: Stage) -> Objects:
    """Each door in turn."""
    if request.param == "s3":
        return stage.ctx.objects
    memory: Context = memory_stage.fresh().ctx
    return memory.objects if request.param == "memory" else OverlayObjects(memory.objects)


def test_a_file_goes_in_and_comes_out_byte_for_byte(objects: Objects, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(BODY)
    stored = objects.put_file("exports", "a/file", source, "application/octet-stream")
    assert (stored.size, stored.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert objects.put_file("exports", "a/file", source, "application/octet-stream") == stored
    assert objects.get_file("exports", "a/file", target) is True
    assert target.read_bytes() == BODY == objects.get("exports", "a/file")
    assert objects.length("exports", "a/file") == len(BODY)
    assert list(objects.keys("exports", "a/")) == ["a/file"]


def test_what_is_not_there_is_told_as_such(objects: Objects, tmp_path: Path) -> None:
    assert objects.get_file("exports", "nothing", tmp_path / "target") is False
    assert objects.length("exports", "nothing") is None
    assert not (tmp_path / "target").exists()


def test_an_overlay_reads_through_and_lets_go_of_what_was_published(tmp_path: Path) -> None:
    below = memory_stage.fresh().ctx.objects
    below.put("exports", "stored", b"below", "text/plain")
    made = OverlayObjects(below)
    made.put("exports", "drawn", b"drawn", "text/plain")
    made.put("exports", "stored", b"above", "text/plain")
    assert made.get_file("exports", "stored", tmp_path / "read")
    assert (tmp_path / "read").read_bytes() == b"above"
    assert (made.size, made.length("exports", "stored")) == (10, 5)
    made.forget("exports", "stored")
    assert (made.size, made.get("exports", "stored"), below.get("exports", "drawn")) == (5, b"below", None)
