"""Credentials: who we are for a caller, and the handshake (OCPI credentials module)."""

from __future__ import annotations

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

router = APIGatewayHttpRouter()
