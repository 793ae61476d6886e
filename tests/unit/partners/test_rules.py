"""Tokens and grants."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamclear.kernel.errors import InvalidInput
from roamclear.partners import rules
from roamclear.partners.model import PartnerRole, Wanted

printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)


@given(printable, st.sampled_from(["2.1.1", "2.2.1", "2.3.0"]), st.booleans())
def test_what_we_send_is_what_a_reader_finds(token: str, version: str, plain: bool) -> None:
    assert token in rules.candidates(rules.encode(token, version, plain=plain))


@given(printable, st.sampled_from(["", "\n", " \n", "\t"]))
def test_white_space_after_decoding_does_not_count(token: str, tail: str) -> None:
    encoded = base64.b64encode((token + tail).encode()).decode()
    assert token in rules.candidates(f"Token {encoded}")


@given(st.text(max_size=100))
def test_no_header_breaks_the_reader(header: str) -> None:
    assert all(rules.is_token(token) for token in rules.candidates(header))


def test_made_tokens_are_tokens_and_differ() -> None:
    made = {rules.make_token() for _ in range(100)}
    assert len(made) == 100
    assert all(rules.is_token(token) for token in made)


@pytest.mark.parametrize(
    ("role", "cpo", "emsp", "expected"),
    [
        (PartnerRole.CPO, (), (), (("DEABC",), ())),
        (PartnerRole.EMSP, (), (), ((), ("DEABC",))),
        (PartnerRole.CPO, ("DE*XYZ",), (), (("DEXYZ",), ())),
        (PartnerRole.HUB, ("dexyz",), ("NL-RON",), (("DEXYZ",), ("NLRON",))),
    ],
)
def test_grants(role: PartnerRole, cpo: tuple[str, ...], emsp: tuple[str, ...], expected: object) -> None:
    wanted = Wanted(partner_id="abc", party="de*abc", role=role, cpo_parties=cpo, emsp_parties=emsp)
    assert rules.granted(wanted) == expected


def test_a_hub_without_a_list_is_refused() -> None:
    with pytest.raises(InvalidInput):
        rules.granted(Wanted(partner_id="abc", party="DEABC", role=PartnerRole.HUB))
