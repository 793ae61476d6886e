"""``make up``: start the laptop stack, leave it running, say how to talk to it."""

from __future__ import annotations

import argparse
import json
import sys

from infra.local.errors import LocalError
from infra.local.stack import LaptopStack

#: OCPI partners of a fresh stack: a CPO back-end that pushes and an eMSP that reads.
PARTNERS = (
    {"partner_id": "cpo-backend", "party": "DEACM", "role": "CPO"},
    {"partner_id": "emsp-reader", "party": "NLEMP", "role": "EMSP"},
)


def partner_tokens(stack: LaptopStack, known: dict[str, str]) -> dict[str, str]:
    """One OCPI token per partner; those of a stack that ran already stay, for a token is told only once."""
    tokens = dict(known)
    for wanted in PARTNERS:
        if wanted["partner_id"] not in tokens:
            made = stack.http("POST", "/v1/credentials", body=wanted, token=stack.token("ADMIN"))
            if made.status != 201:
                raise LocalError(f"The stack did not make the credential of {wanted['partner_id']}: {made.text}")
            tokens[wanted["partner_id"]] = made.json()["token"]
    return tokens


def known_partners(stack: LaptopStack) -> dict[str, str]:
    """Partner tokens of a stack that is running."""
    try:
        kept = json.loads((stack.folder / "tokens.json").read_text()) if stack.is_running else {}
    except (OSError, ValueError):
        kept = {}
    return dict(kept.get("partners", {}))


def main() -> int:
    """Start (or update a running stack) and print addresses and tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="up")
    parser.add_argument("--port", type=int, default=0, help="default: that of the running stack, or 4566")
    parser.add_argument("--issuer", default="acme")
    options = parser.parse_args()
    port = options.port or (0 if LaptopStack(options.name).is_running else 4566)
    stack = LaptopStack(options.name, port, issuer_id=options.issuer, say=lambda line: print(f"  {line}"))
    known = known_partners(stack)
    try:
        stack.start()
        partners = partner_tokens(stack, known)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"API        {stack.api_url}  (from Python: 127.0.0.1:{stack.port} with Host: {stack.api_host})")
    print(f"Console    {stack.api_url}/console  (paste one of the tokens below)")
    print(f"AWS        {stack.endpoint}  (any fake keys, region eu-central-1)")
    print(f"Mails      {stack.mail_folder}")
    print(f"Tokens     {stack.folder / 'tokens.json'}  (issuer {stack.issuer_id}); one per role:")
    for role, person in stack.people.items():
        print(f"  {role:<17} {person.token}")
    print("OCPI tokens, one per partner:")
    for partner, token in partners.items():
        print(f"  {partner:<17} {token}")
    path = stack.folder / "tokens.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"partners": partners}, indent=2) + "\n")
    print("Stop it with: make down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
