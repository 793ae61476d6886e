"""Steps of a run that take several calls: what they know so far is put aside and gone on with (decision 0046).

What is put aside lies in the exports bucket, where it is forgotten after a month; a row of the run points at it, and
goes on from exactly the turn that was read. So of two workers one goes on, and a worker that died leaves the turn
before. A step whose state is gone begins anew, which only costs time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roamclear.billing import store
from roamclear.billing.model import Progress, Run
from roamclear.kernel import numbers_json
from roamclear.kernel.context import Context
from roamclear.kernel.errors import ConditionFailed
from roamclear.kernel.writes import Put

BUCKET = "exports"
#: What is put aside stands below this folder; the bucket forgets it.
FOLDER = "progress/"


class Step:
    """One step of a run, as far as it is known."""

    def __init__(self, ctx: Context, run: Run, name: str) -> None:
        self._ctx, self._run, self._name = ctx, run, name
        self._folder = f"{FOLDER}{run.issuer_id}/{run.run_id}/{name}"
        self._read = store.progress(ctx.db, run.issuer_id, run.run_id, name)

    @property
    def result(self) -> str | None:
        """The object that the finished step left, or None while it is not finished."""
        return self._read.result

    def state(self) -> Any:
        """What was put aside last, or None where the step begins."""
        if self._read.key is None:
            return None
        kept = self._ctx.objects.get(BUCKET, self._read.key)
        return numbers_json.loads(kept) if kept is not None else None

    @property
    def turn(self) -> int:
        """How often something was put aside."""
        return self._read.turn

    def keep(self, state: Any, told: Sequence[Put] = ()) -> bool:
        """Put aside what is known, and tell facts with it; False where another worker was faster: its state stands."""
        body = numbers_json.dumps(state, sort_keys=True).encode()
        return self._write(key=self._put(body, "json"), told=told)

    def finish(self, result: str) -> bool:
        """Name the object that the step comes to; False where another worker was faster."""
        return self._write(result=result)

    def begin_anew(self) -> None:
        """Forget what was put aside, so that the step does all of its work again when it is called again."""
        if self._read.turn:
            self._write()

    def put_file(self, path: Path) -> str:
        """Put a file aside; its name stands in the state. The same bytes have the same name."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        key = f"{self._folder}/{digest[:32]}.part"
        return self._ctx.objects.put_file(BUCKET, key, path, "application/octet-stream").key

    def get_file(self, key: str, path: Path) -> bool:
        """A file that was put aside; False where the bucket has forgotten it."""
        return self._ctx.objects.get_file(BUCKET, key, path)

    def _put(self, body: bytes, kind: str) -> str:
        key = f"{self._folder}/{hashlib.sha256(body).hexdigest()[:32]}.{kind}"
        return self._ctx.objects.put(BUCKET, key, body, "application/json").key

    def _write(self, key: str | None = None, result: str | None = None, told: Sequence[Put] = ()) -> bool:
        read = self._read
        made = Progress(turn=read.turn + 1, key=key, result=result)
        write = store.progress_put(self._run, self._name, made, read)
        try:
            if told:
                self._ctx.db.transact([write, *told])
            else:
                self._ctx.db.write(write)
        except ConditionFailed:
            self._read = store.progress(self._ctx.db, self._run.issuer_id, self._run.run_id, self._name)
            return False
        self._read = made
        return True
