"""Plain XML, zip or gzip: opens the members of a dropped file under limits (banking.md 5, last lines).

Declared sizes are never trusted; every member is counted while it is read. Names inside an archive are ignored, an
archive inside an archive and encrypted members are refused.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator

from roamclear.bank.model import Limits
from roamclear.bank.xml import Readable
from roamclear.kernel.errors import InvalidInput

_ZIP = b"PK\x03\x04"
_GZIP = b"\x1f\x8b"
_XML_STARTS = (b"<", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00<")


class CappedReader(io.RawIOBase):
    """A readable that refuses after ``limit`` bytes, or when it swells beyond ``ratio`` times its packed size."""

    def __init__(self, source: Readable, limit: int, packed_bytes: int | None = None, ratio: int = 0) -> None:
        super().__init__()
        self._source = source
        self._left = limit
        if packed_bytes is not None and ratio:
            self._left = min(limit, max(packed_bytes, 4096) * ratio)
        self.count_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Read on; ``InvalidInput`` beyond the limit or on a broken archive."""
        try:
            chunk = self._source.read(65536 if size is None or size < 0 else size)
        except (zlib.error, EOFError, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError) as error:
            raise InvalidInput("the archive is broken", field="file") from error
        self.count_bytes += len(chunk)
        if self.count_bytes > self._left:
            raise InvalidInput("the file is larger than the limit, or swells more than a bank file can", field="file")
        return chunk


def members(data: bytes, limits: Limits | None = None) -> Iterator[CappedReader]:
    """Open each XML document of a dropped file in order; the caller reads one before asking for the next.

    Raises:
        InvalidInput: empty, too large, neither XML nor zip nor gzip, nested, encrypted or broken.
    """
    limits = limits or Limits()
    if not data.strip(b" \t\r\n\x00"):
        raise InvalidInput("the file is empty", field="file")
    if len(data) > limits.file_bytes:
        raise InvalidInput(f"the file has more than {limits.file_bytes} bytes", field="file")
    if data.startswith(_ZIP):
        yield from _zip_members(data, limits)
    elif data.startswith(_GZIP):
        reader = CappedReader(gzip.GzipFile(fileobj=io.BytesIO(data)), limits.member_bytes, len(data), limits.ratio)
        yield _checked(reader)
    else:
        yield _checked(CappedReader(io.BytesIO(data), limits.member_bytes))


def _zip_members(data: bytes, limits: Limits) -> Iterator[CappedReader]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InvalidInput("the archive is broken", field="file") from error
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        _check_directory(infos, limits)
        total = 0
        for info in infos:
            try:
                source = archive.open(info)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise InvalidInput("a member of the archive cannot be opened", field="file") from error
            reader = CappedReader(source, limits.member_bytes, info.compress_size, limits.ratio)
            yield _checked(reader)
            total += reader.count_bytes
            if total > limits.total_bytes:
                raise InvalidInput("the archive unpacks to more than the limit", field="file")


def _check_directory(infos: list[zipfile.ZipInfo], limits: Limits) -> None:
    if not infos:
        raise InvalidInput("the archive holds no file", field="file")
    if len(infos) > limits.members:
        raise InvalidInput(f"the archive holds more than {limits.members} files", field="file")
    if any(info.flag_bits & 0x1 for info in infos):
        raise InvalidInput("the archive is encrypted", field="file")
    if any(info.file_size > limits.member_bytes for info in infos):
        raise InvalidInput("a member of the archive is larger than the limit", field="file")


def _checked(reader: CappedReader) -> CappedReader:
    head = _read_head(reader)
    bare = head.lstrip(b" \t\r\n")
    if bare.startswith((_ZIP, _GZIP)):
        raise InvalidInput("an archive inside an archive is not opened", field="file")
    if not bare.startswith(_XML_STARTS):
        raise InvalidInput("this is no XML document", field="file")
    return _Pushback(head, reader)


def _read_head(reader: CappedReader) -> bytes:
    head = b""
    while len(head) < 512:
        chunk = reader.read(4096)
        if not chunk:
            break
        head += chunk
    return head


class _Pushback(CappedReader):
    """A capped reader whose first bytes were already looked at."""

    def __init__(self, head: bytes, reader: CappedReader) -> None:
        super().__init__(io.BytesIO(b""), 0)
        self._head = head
        self._reader = reader
        self.count_bytes = reader.count_bytes

    def read(self, size: int = -1) -> bytes:
        if self._head:
            cut = len(self._head) if size is None or size < 0 else size
            chunk, self._head = self._head[:cut], self._head[cut:]
            return chunk
        chunk = self._reader.read(size)
        self.count_bytes = self._reader.count_bytes
        return chunk
