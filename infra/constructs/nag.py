"""Acknowledgements of cdk-nag findings, one by one, each with its own reason."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Validations
from constructs import Construct


def acknowledge(construct: Construct, **reasons: str) -> None:
    """Acknowledge whole rules on a construct: ``COG3="..."`` means AwsSolutions-COG3."""
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"AwsSolutions-{rule}", reason=reason) for rule, reason in reasons.items())
    )


def acknowledge_findings(construct: Construct, rule: str, findings: dict[str, str]) -> None:
    """Acknowledge single findings of a rule: ``{"Resource::*": "..."}``."""
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"AwsSolutions-{rule}[{name}]", reason=reason) for name, reason in findings.items())
    )
