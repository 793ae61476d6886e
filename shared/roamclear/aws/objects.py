"""Buckets over boto3's S3 client."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from roamclear.kernel.context import StoredObject, UploadForm
from roamclear.kernel.errors import Unavailable


@dataclass(slots=True)
class Buckets:
    """``Objects`` by role name; the client is built at first use, not at import."""

    client: Callable[[], Any]
    names: Mapping[str, str]

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> StoredObject:
        """Write an object unless the same bytes stand there already; the bucket's own rule retains it."""
        digest = hashlib.sha256(body)
        stored = StoredObject(bucket, key, len(body), digest.hexdigest())
        if self._sha256(bucket, key) == stored.sha256:
            return stored
        request: dict[str, Any] = {
            "Bucket": self.names[bucket],
            "Key": key,
            "Body": body,
            "ContentType": content_type,
            "Metadata": {"sha256": stored.sha256},
            "ChecksumSHA256": base64.b64encode(digest.digest()).decode(),
        }
        try:
            self.client().put_object(**request)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the {bucket} bucket did not take an object") from error
        return stored

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes or None."""
        try:
            body: bytes = self.client().get_object(Bucket=self.names[bucket], Key=key)["Body"].read()
            return body
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404", "NotFound"}:
                return None
            raise Unavailable(f"the {bucket} bucket did not give an object") from error

    def keys(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Keys below a prefix, in order."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.names[bucket], Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"]

    def link(self, bucket: str, key: str, *, seconds: int, filename: str) -> str:
        """A signed GET address that downloads under a file name."""
        url: str = self.client().generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.names[bucket],
                "Key": key,
                "ResponseContentDisposition": f'attachment; filename="{filename}"',
            },
            ExpiresIn=seconds,
        )
        return url

    def upload(self, bucket: str, key: str, *, seconds: int, max_bytes: int, content_type: str) -> UploadForm:
        """A presigned POST: the store itself refuses another key, another type, an empty or a larger file."""
        made = self.client().generate_presigned_post(
            Bucket=self.names[bucket],
            Key=key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, max_bytes]],
            ExpiresIn=seconds,
        )
        return UploadForm(made["url"], dict(made["fields"]), max_bytes, seconds)

    def _sha256(self, bucket: str, key: str) -> str | None:
        try:
            head = self.client().head_object(Bucket=self.names[bucket], Key=key)
        except ClientError:
            return None
        value: str | None = head.get("Metadata", {}).get("sha256")
        return value
