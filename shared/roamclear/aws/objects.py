"""Buckets over boto3's S3 client."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from roamclear.kernel.context import StoredObject, UploadForm
from roamclear.kernel.errors import Unavailable

#: How much of an object is in memory at once on its way into a file.
_PIECE = 1 << 20


@dataclass(slots=True)
class Buckets:
    """``Objects`` by role name; the client is built at first use, not at import."""

    client: Callable[[], Any]
    names: Mapping[str, str]

    def put(
        self, bucket: str, key: str, body: bytes, content_type: str, *, retain_until: datetime | None = None
    ) -> StoredObject:
        """Write an object unless the same bytes stand there already; they keep the term they were given.

        ``retain_until`` locks the object in mode COMPLIANCE; without it the bucket's own rule retains it.
        """
        stored = StoredObject(bucket, key, len(body), hashlib.sha256(body).hexdigest())
        return self._put(stored, body, content_type, retain_until)

    def put_file(
        self, bucket: str, key: str, path: Path, content_type: str, *, retain_until: datetime | None = None
    ) -> StoredObject:
        """``put`` of a file: read once for its digest and once on its way, in ONE request, which takes up to 5 GB."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            stored = StoredObject(bucket, key, path.stat().st_size, digest)
            return self._put(stored, stream, content_type, retain_until)

    def _put(
        self, stored: StoredObject, body: bytes | BinaryIO, content_type: str, retain_until: datetime | None
    ) -> StoredObject:
        if self._sha256(stored.bucket, stored.key) == stored.sha256:
            return stored
        request: dict[str, Any] = {
            "Bucket": self.names[stored.bucket],
            "Key": stored.key,
            "Body": body,
            "ContentType": content_type,
            "Metadata": {"sha256": stored.sha256},
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(stored.sha256)).decode(),
        }
        if retain_until is not None:
            # A put with a term must name its checksum's algorithm.
            request |= {"ChecksumAlgorithm": "SHA256", "ObjectLockMode": "COMPLIANCE"}
            request["ObjectLockRetainUntilDate"] = retain_until
        try:
            self.client().put_object(**request)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the {stored.bucket} bucket did not take an object") from error
        return stored

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes or None."""
        found = self._stream(bucket, key)
        body: bytes | None = found.read() if found is not None else None
        return body

    def get_file(self, bucket: str, key: str, path: Path) -> bool:
        """Write the bytes into a file, piece by piece; False where there is no such object."""
        found = self._stream(bucket, key)
        if found is None:
            return False
        try:
            with path.open("wb") as target:
                for piece in found.iter_chunks(_PIECE):
                    target.write(piece)
        except BotoCoreError as error:
            raise Unavailable(f"the {bucket} bucket did not give the whole of an object") from error
        return True

    def length(self, bucket: str, key: str) -> int | None:
        """How many bytes an object has, or None."""
        try:
            found: int = self.client().head_object(Bucket=self.names[bucket], Key=key)["ContentLength"]
        except ClientError as error:
            if _is_missing(error):
                return None
            raise Unavailable(f"the {bucket} bucket did not tell of an object") from error
        return found

    def _stream(self, bucket: str, key: str) -> Any:
        """The body of an object, to be read, or None."""
        try:
            return self.client().get_object(Bucket=self.names[bucket], Key=key)["Body"]
        except ClientError as error:
            if _is_missing(error):
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


def _is_missing(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404", "NotFound"}
