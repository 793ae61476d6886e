"""A partner's own token is kept sealed and read again for its credential only (docs/decisions/0018)."""

from __future__ import annotations

from dataclasses import replace

import boto3
import pytest

from roamclear.audit import service as audit
from roamclear.aws.seal import Kms
from roamclear.kernel.context import NoSealer
from roamclear.kernel.errors import Conflict, InvariantBroken, Unavailable
from roamclear.kernel.writes import Table
from roamclear.partners import service as partners
from tests.support import builders as b
from tests.support.moto_stack import REGION, Stage
from tests.support.ocpi_partner import connect
from tests.support.ocpi_sender import registered

BOUND = {"issuer": "voltwerk", "credential": "crd-1"}


@pytest.fixture
def kms(stage: Stage) -> Kms:
    client = boto3.client("kms", aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    return Kms(lambda: client, client.create_key()["KeyMetadata"]["Arn"])


def test_what_is_sealed_opens_for_what_it_was_bound_to(kms: Kms) -> None:
    sealed = kms.seal("token-B", BOUND)
    assert b"token-B" not in sealed
    assert kms.unseal(sealed, BOUND) == "token-B"
    for wrong in ({**BOUND, "credential": "crd-2"}, {**BOUND, "issuer": "other"}, {}):
        with pytest.raises(Unavailable):
            kms.unseal(sealed, wrong)
    with pytest.raises(Unavailable):
        kms.unseal(b"no ciphertext", BOUND)
    with pytest.raises(Unavailable):
        Kms(kms.client, "alias/none").seal("token-B", BOUND)


def test_a_token_stands_nowhere_in_clear(stage: Stage, kms: Kms) -> None:
    b.found_issuer(stage.ctx)
    ctx = replace(stage.ctx, sealer=kms)
    partner = registered(ctx, "https://partner.example")
    known = partners.credential(ctx, b.ISSUER, partner.credential.credential_id)
    assert partners.call_header(ctx, known) == "Token dG9rZW4tQg=="
    everything = "".join(str(stage.client.scan(TableName=stage.tables.names[t])["Items"]) for t in Table)
    assert "token-B" not in everything
    assert "token-B" not in repr(known)
    history = audit.history(ctx, b.ISSUER, "CREDENTIAL", known.credential_id)
    assert not any("peer" in entry.details or "token-B" in str(entry) for entry in history)


def test_the_token_of_one_credential_does_not_open_for_another(stage: Stage, kms: Kms) -> None:
    b.found_issuer(stage.ctx)
    ctx = replace(stage.ctx, sealer=kms)
    one, other = registered(ctx, "https://one.example").credential, connect(ctx).credential
    with pytest.raises(Unavailable):
        partners.call_header(ctx, other.model_copy(update={"peer": one.peer}))
    with pytest.raises(Conflict):
        partners.call_header(ctx, other)


def test_who_was_given_no_sealer_seals_nothing(stage: Stage) -> None:
    ctx = replace(stage.ctx, sealer=NoSealer())
    with pytest.raises(InvariantBroken):
        registered(ctx, "https://partner.example")
    with pytest.raises(InvariantBroken):
        ctx.sealer.unseal(b"", BOUND)
