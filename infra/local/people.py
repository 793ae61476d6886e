"""One signed-in person per role on a laptop stack."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

ROLES = (
    "ADMIN",
    "FINANCE",
    "FINANCE_APPROVER",
    "OPS",
    "DISPUTE_AGENT",
    "VIEWER",
    "EMSP_USER",
    "SUB_CPO_USER",
)


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the pool with a fresh token."""

    role: str
    name: str
    password: str
    actor_id: str
    token: str


def sign_in(boto: Callable[[str], Any], pool_id: str, client_id: str, name: str, role: str) -> Person:
    """Create the user if needed, give it a fresh password and sign it in."""
    cognito = boto("cognito-idp")
    password = f"Aa1!{secrets.token_urlsafe(18)}"
    try:
        cognito.admin_create_user(
            UserPoolId=pool_id,
            Username=name,
            MessageAction="SUPPRESS",
            TemporaryPassword=password,
            UserAttributes=[{"Name": "email", "Value": name}, {"Name": "email_verified", "Value": "true"}],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "UsernameExistsException":
            raise
    cognito.admin_set_user_password(UserPoolId=pool_id, Username=name, Password=password, Permanent=True)
    answer = cognito.admin_initiate_auth(
        UserPoolId=pool_id,
        ClientId=client_id,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": password},
    )
    attributes = cognito.admin_get_user(UserPoolId=pool_id, Username=name)["UserAttributes"]
    actor_id = next(a["Value"] for a in attributes if a["Name"] == "sub")
    return Person(role, name, password, actor_id, answer["AuthenticationResult"]["AccessToken"])
