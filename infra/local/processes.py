"""Background processes of one laptop stack: started with a pid file, stopped only when they are still ours."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local.errors import LocalError


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free(port: int, hint: str) -> None:
    """Refuse a taken port in one sentence."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise LocalError(f"Port {port} on this machine is taken by another program; {hint}") from None


def start(name: str, folder: Path, command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Start a process in its own group, its output in ``<name>.log``, its pid in ``<name>.pid``."""
    folder.mkdir(parents=True, exist_ok=True)
    log = (folder / f"{name}.log").open("wb")
    child = subprocess.Popen(
        command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=dict(environ),
        start_new_session=True, cwd=folder,
    )  # fmt: skip
    log.close()
    (folder / f"{name}.pid").write_text(f"{child.pid} {_birth(child.pid)}")
    _CHILDREN[child.pid] = child
    return child.pid


_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def running(name: str, folder: Path) -> int | None:
    """The pid of a process that we started and that still is the same one."""
    try:
        pid, _, birth = (folder / f"{name}.pid").read_text().partition(" ")
    except OSError:
        return None
    child = _CHILDREN.get(int(pid))
    if child is not None and child.poll() is not None:
        return None
    return int(pid) if birth and _birth(int(pid)) == birth else None


def stop(name: str, folder: Path, *, patience_s: float = 8.0) -> bool:
    """End what we started, politely first; True when something was stopped."""
    pid = running(name, folder)
    if pid is not None:
        _signal_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience_s
        while running(name, folder) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        # Workers of the group may outlive their parent; nobody else is in a group that we made.
        _signal_group(pid, signal.SIGKILL)
        child = _CHILDREN.pop(pid, None)
        if child is not None:
            child.wait(timeout=patience_s)
    (folder / f"{name}.pid").unlink(missing_ok=True)
    return pid is not None


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _birth(pid: int) -> str:
    """When a process began: a number that is used again for another process has another one."""
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if "Z" not in _state(pid) else ""


def _state(pid: int) -> str:
    answer = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def python() -> str:
    """The interpreter everything on this machine runs with."""
    return sys.executable
