"""``make demo``: a fresh laptop stack, one month, and its results in out/demo/."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, date, datetime

from infra.assets import ROOT
from infra.local.demo import story
from infra.local.demo.desk import Desk, Unexpected
from infra.local.demo.people import ISSUER_ID
from infra.local.demo.when import Month
from infra.local.errors import LocalError
from infra.local.stack import LaptopStack

OUT = ROOT / "out" / "demo"


def main() -> int:
    """Play the month before today; 1 where a promise or the proof does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=400, help="how many plain sessions the month has")
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date())
    parser.add_argument("--keep", action="store_true", help="leave the stack running (name: demo)")
    options = parser.parse_args()
    began = time.monotonic()
    month = Month.before(options.today)
    print(f"Clearing {month.label} on this machine: starting the laptop stack with the deployed template")
    # Roles are enforced: a function that does what its role does not grant fails here as on AWS.
    stack = LaptopStack(
        "demo", issuer_id=ISSUER_ID, verify=False, enforce_iam=True, say=lambda line: print(f"  {line}")
    )
    try:
        # Every run begins with an empty house.
        stack.stop()
        stack.start()
        print(f"  ready after {time.monotonic() - began:.0f} s")
        told = story.play(Desk(stack, ISSUER_ID), month, options.sessions, OUT)
    except (LocalError, Unexpected) as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            stack.stop()
    print(f"\n{told.summary}\ndone in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
