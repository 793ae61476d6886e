"""``roamclear cdr check``: every plausibility rule over one CDR, as one JSON object on stdout."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from roamclear.cdrs import rules
from roamclear.cdrs.severities import Severity
from roamclear.cli.files import read_object
from roamclear.kernel import numbers_json
from roamclear.kernel.clock import SystemClock
from roamclear.kernel.errors import InvalidInput
from roamclear.kernel.time import parse_instant, zone
from roamclear.rating.service import detect_version, normalise_cdr

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")


def add(subparsers: Any) -> None:
    """Register ``cdr`` with its verbs."""
    group = subparsers.add_parser("cdr", help="look at CDRs")
    verbs = group.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser("check", help="run every plausibility rule over a CDR")
    check.add_argument("file", metavar="C.json", help="the CDR")
    check.add_argument("--version", choices=VERSIONS, help="OCPI version; left out, the CDR tells")
    check.add_argument("--time-zone", metavar="ZONE", help="IANA zone of the EVSE: also checks the CDR's own tariff")
    check.add_argument("--received-at", metavar="INSTANT", help="when the CDR arrived (RFC 3339); left out, now")
    check.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Print the findings; what the wire would refuse is a finding too. Exit 0 when the file could be read."""
    raw = read_object(args.file)
    facts = rules.PlugFacts(time_zone=zone(args.time_zone).key if args.time_zone else None)
    at = parse_instant(args.received_at, field="--received-at") if args.received_at else SystemClock().now()
    result = describe(raw, args.version or detect_version(raw), at, facts)
    sys.stdout.write(numbers_json.dumps(result, indent=2) + "\n")
    return 0


def describe(raw: Mapping[str, Any], version: str, at: datetime, facts: rules.PlugFacts) -> dict[str, Any]:
    """The printed object: version, the gravest severity as ``result`` (OK where none) and all findings."""
    try:
        charge = normalise_cdr(raw, version)
        findings = rules.check(charge, rules.Thresholds(), received_at=at, evse_facts=facts)
    except InvalidInput as error:
        findings = [rules.of_wire(error)]
    seen = {finding.severity for finding in findings}
    gravest = next((s.value for s in Severity if s in seen), "OK")
    return {"version": version, "result": gravest, "findings": [finding.dump() for finding in findings]}
