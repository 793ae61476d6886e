"""Bank files lie under Object Lock as they came, before anything of them is booked (product.md row 138)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from roamclear.reconciliation import importing
from roamclear.reconciliation.model import FileState
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.bank_files import Ntry, Stmt, camt
from tests.support.moto_stack import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage() as made:
        b.found_issuer(made.ctx)
        yield made


def test_a_booked_file_is_kept_byte_for_byte(stage: Stage) -> None:
    data = camt(Stmt([Ntry("10.00", ref="B1")]))
    stage.ctx.objects.put("inbox", "a.xml", data, "application/xml")
    for _ in range(2):
        assert importing.import_file(stage.ctx, "a.xml").state is not FileState.QUARANTINED
    name = f"{b.ISSUER}/bank/{hashlib.sha256(data).hexdigest()}"
    assert list(stage.ctx.objects.keys("archive", f"{b.ISSUER}/bank/")) == [name]
    assert stage.ctx.objects.get("archive", name) == data


def test_what_is_nobodys_is_not_kept_there(stage: Stage) -> None:
    stage.ctx.objects.put("inbox", "a.xml", b"<nothing/>", "application/xml")
    assert importing.import_file(stage.ctx, "a.xml").state is FileState.QUARANTINED
    assert list(stage.ctx.objects.keys("archive", "")) == []
