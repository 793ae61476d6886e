"""The environment of a function, typed and checked once at its first use."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Names of the resources of a stage; the template sets them (infra/constructs/functions.py)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str = Field(alias="ROAMCLEAR_STAGE")
    table_identity: str = Field("", alias="TABLE_IDENTITY")
    table_intake: str = Field("", alias="TABLE_INTAKE")
    table_clearing: str = Field("", alias="TABLE_CLEARING")
    table_ledger: str = Field("", alias="TABLE_LEDGER")
    table_audit: str = Field("", alias="TABLE_AUDIT")
    bucket_documents: str = Field("", alias="BUCKET_DOCUMENTS")
    bucket_inbox: str = Field("", alias="BUCKET_INBOX")
    bucket_exports: str = Field("", alias="BUCKET_EXPORTS")
    bucket_archive: str = Field("", alias="BUCKET_ARCHIVE")
    bucket_changes: str = Field("", alias="BUCKET_CHANGES")
    #: How the locked buckets hold; only functions that put there know it.
    object_lock_mode: str = Field("GOVERNANCE", alias="OBJECT_LOCK_MODE")
    close_state_machine_arn: str = Field("", alias="CLOSE_STATE_MACHINE_ARN")
    schedule_group: str = Field("", alias="SCHEDULE_GROUP")
    schedule_target_arn: str = Field("", alias="SCHEDULE_TARGET_ARN")
    schedule_target_role_arn: str = Field("", alias="SCHEDULE_TARGET_ROLE_ARN")
    #: The key that seals partners' tokens; only functions that seal or unseal know it.
    sealing_key: str = Field("", alias="SEALING_KEY")
    mail_sender: str = Field("clearing@roamclear.example", alias="MAIL_SENDER")
    public_base_url: str = Field("", alias="PUBLIC_BASE_URL")
    fonts_dir: str = Field("", alias="FONTS_DIR")
    schemas_dir: str = Field("", alias="SCHEMAS_DIR")
    #: Where people sign in, as whom the pages ask there, and where browsers post files: the console alone knows.
    console_sign_in: str = Field("", alias="CONSOLE_SIGN_IN")
    console_client_id: str = Field("", alias="CONSOLE_CLIENT_ID")
    console_uploads: str = Field("", alias="CONSOLE_UPLOADS")
    #: Public services that only the functions that refresh stored values know.
    vies_url: str = Field("", alias="VIES_URL")
    ecb_url: str = Field("", alias="ECB_URL")
    #: Only the template of stage local carries it.
    console_paste_token: bool = Field(False, alias="CONSOLE_PASTE_TOKEN")
    #: Only the template of stage local carries it (rules.md 1).
    clock_parameter: str = Field("", alias="CLOCK_PARAMETER")

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the process environment; a missing or wrong value fails the first invocation by name."""
        return cls.model_validate(dict(os.environ))
