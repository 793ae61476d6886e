"""``make down``: stop what `make up` started, nothing else."""

from __future__ import annotations

import argparse
import sys

from infra.local.stack import LaptopStack


def main() -> int:
    """Stop the named stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="up")
    options = parser.parse_args()
    print("stopped" if LaptopStack(options.name).stop() else "nothing was running")
    return 0


if __name__ == "__main__":
    sys.exit(main())
