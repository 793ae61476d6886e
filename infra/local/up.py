"""``make up``: start the laptop stack, leave it running, say how to talk to it."""

from __future__ import annotations

import argparse
import sys

from infra.local.errors import LocalError
from infra.local.stack import LaptopStack


def main() -> int:
    """Start (or update a running stack) and print addresses and tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="up")
    parser.add_argument("--port", type=int, default=0, help="default: that of the running stack, or 4566")
    parser.add_argument("--issuer", default="acme")
    options = parser.parse_args()
    port = options.port or (0 if LaptopStack(options.name).is_running else 4566)
    stack = LaptopStack(options.name, port, issuer_id=options.issuer, say=lambda line: print(f"  {line}"))
    try:
        stack.start()
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"API        {stack.api_url}  (from Python: 127.0.0.1:{stack.port} with Host: {stack.api_host})")
    print(f"AWS        {stack.endpoint}  (any fake keys, region eu-central-1)")
    print(f"Mails      {stack.mail_folder}")
    print(f"Tokens     {stack.folder / 'tokens.json'}  (issuer {stack.issuer_id}); one per role:")
    for role, person in stack.people.items():
        print(f"  {role:<17} {person.token}")
    print("Stop it with: make down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
