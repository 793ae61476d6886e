"""Routing headers of a push: the receiver they name must agree with the owner of the token (ocpi.md 4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from roamclear.cdrs import service as cdrs
from roamclear.cdrs.model import Session
from roamclear.ocpi.convert import convert
from tests.support import builders as b
from tests.support import memory_stage
from tests.support.moto_stack import Stage
from tests.support.ocpi_partner import Partner, connect, served


@pytest.fixture
def stage() -> Iterator[Stage]:
    with memory_stage.stage(datetime(2026, 10, 20, 12, tzinfo=UTC)) as made, served(made.ctx):
        b.found_issuer(made.ctx)
        b.found_contract(made.ctx)
        b.found_own_account(made.ctx)
        yield made


def routed(stage: Stage, partner: Partner, country: str, party: str) -> Session:
    """A CDR of the eMSP NL*RON pushed with a receiver in its headers, once it was processed."""
    sent = {"ocpi-to-country-code": country, "ocpi-to-party-id": party}
    body = convert(b.cdr(1), "2.2.1", partner.version, party="DEVWK", emsp_party="NLRON")
    assert partner.push(body, headers=sent).status == 201
    found = cdrs.process(stage.ctx, b.ISSUER, "DEVWK*CDR-000001")
    session = cdrs.session(stage.ctx, b.ISSUER, "DEVWK*CDR-000001")
    assert session is not None
    assert found is None or found == session
    return session


@pytest.mark.parametrize(
    ("country", "party"), [("NL", "RON"), ("nl", "ron"), ("DE", "VWK"), ("", ""), ("NL", ""), ("N1", "RON"), ("é", "X")]
)
def test_the_owner_of_the_token_we_ourselves_or_nobody(stage: Stage, country: str, party: str) -> None:
    session = routed(stage, connect(stage.ctx), country, party)
    assert (session.billing, session.reasons) == ("VERIFIED", ())


def test_another_receiver_holds_the_session(stage: Stage) -> None:
    session = routed(stage, connect(stage.ctx), "FR", "XXX")
    assert (session.billing, session.reasons) == ("ON_HOLD", ("RECEIVER_MISMATCH",))


def test_the_oldest_version_knows_no_routing(stage: Stage) -> None:
    partner = connect(stage.ctx, ocpi_version="2.1.1")
    session = routed(stage, partner, "FR", "XXX")
    assert "RECEIVER_MISMATCH" not in session.reasons
