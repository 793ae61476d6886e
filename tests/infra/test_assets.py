"""What is uploaded is the same bytes for the same sources, and holds nothing but them."""

from __future__ import annotations

import io
import tomllib
import zipfile
from pathlib import Path

import pytest

from infra import lock
from infra.assets import ROOT, build_zip, code_hash, source_files
from infra.local import processes
from infra.local.errors import LocalError
from infra.settings import settings_for


def test_the_code_asset_is_deterministic() -> None:
    assert build_zip() == build_zip()
    assert code_hash() == code_hash()


def test_the_code_asset_holds_our_code_only() -> None:
    names = zipfile.ZipFile(io.BytesIO(build_zip())).namelist()
    assert "roamclear/__init__.py" in names
    assert {name.split("/")[0] for name in names} <= {"roamclear", "functions", "fonts", "schemas"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert names == sorted(names)


def test_no_test_or_infra_file_is_shipped() -> None:
    assert not [name for name, _ in source_files() if name.startswith(("tests", "infra"))]


def test_layer_lists_are_pinned_with_hashes_and_name_no_host() -> None:
    for path in (ROOT / "infra" / "layers").glob("*.txt"):
        text = path.read_text()
        packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert packages
        assert all("==" in line for line in packages)
        assert text.count("--hash=sha256:") >= len(packages)
        assert "http" not in text


def test_layers_and_project_agree_on_versions() -> None:
    pins = lock.pinned((ROOT / "pyproject.toml").read_text())
    for path in (ROOT / "infra" / "layers").glob("*.txt"):
        for line in path.read_text().splitlines():
            if "==" in line and not line.startswith(" "):
                name, _, version = line.split(" ")[0].partition("==")
                assert version in pins[name], line


def test_pins_can_be_written_again_and_read_back() -> None:
    text = lock.write_pins("[project]\nname = 'x'\n", ["a==1 ; python_version < '3.12'", "a==2", "b-c==3"])
    assert lock.pinned(text) == {"a": {"1", "2"}, "b-c": {"3"}}
    again = lock.write_pins(text, ["a==5"])
    assert lock.pinned(again) == {"a": {"5"}}
    assert tomllib.loads(again)["project"]["name"] == "x"


def test_regions_outside_the_eu_are_refused() -> None:
    assert settings_for("dev", {"ROAMCLEAR_REGION": "eu-west-1"}).region == "eu-west-1"
    with pytest.raises(SystemExit, match="EU region"):
        settings_for("dev", {"ROAMCLEAR_REGION": "us-east-1"})
    with pytest.raises(SystemExit, match="no stage"):
        settings_for("staging", {})


def test_stage_local_is_the_same_on_every_machine() -> None:
    assert settings_for("local", {"ROAMCLEAR_REGION": "eu-west-1", "ROAMCLEAR_MAIL_SENDER": "a@b.c"}) == settings_for(
        "local", {}
    )


def test_a_taken_port_is_one_sentence() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LocalError, match=r"Port \d+ on this machine is taken"):
            processes.require_free(taken.getsockname()[1], "free it")


def test_only_processes_that_we_started_are_stopped(tmp_path: Path) -> None:
    pid = processes.start("sleeper", tmp_path, ["sleep", "60"], {"PATH": "/usr/bin:/bin"})
    assert processes.running("sleeper", tmp_path) == pid
    born = (tmp_path / "sleeper.pid").read_text()
    (tmp_path / "sleeper.pid").write_text(f"{pid} Thu Jan  1 00:00:00 1970")
    assert processes.running("sleeper", tmp_path) is None, "the number belongs to another process now"
    assert not processes.stop("sleeper", tmp_path)
    (tmp_path / "sleeper.pid").write_text(born)
    assert processes.stop("sleeper", tmp_path)
    assert processes.running("sleeper", tmp_path) is None
