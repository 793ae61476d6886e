"""Texts that do not fit into memory: kept and sorted on disk.

A worker's memory must not grow with the sessions of a run, so what has to be put in order is written to files of a
bounded size, each sorted by itself, and read back merged.
"""

from __future__ import annotations

import heapq
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

Item = TypeVar("Item")

#: Characters that are held before a file of them is written.
HELD = 4_000_000


class Sorter:
    """Pairs of a key and a value in order of the keys; equal keys come as they were added.

    A key holds no tab, key and value no line break. Iterating may be repeated, and more may be added in between.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = Sorter(Path(folder), held=4)
    ...     for key, value in (("b", "1"), ("a", "2"), ("b", "0")):
    ...         found.add(key, value)
    ...     list(found)
    [('a', '2'), ('b', '1'), ('b', '0')]
    """

    def __init__(self, folder: Path, name: str = "sorted", held: int = HELD) -> None:
        self._folder, self._name, self._most = folder, name, held
        self._size = 0
        self._pairs: list[tuple[str, str]] = []
        self._files: list[Path] = []

    def add(self, key: str, value: str = "") -> None:
        """Take one more pair."""
        if "\t" in key or "\n" in key or "\n" in value:
            raise ValueError("a key holds no tab, and no line break stands in key or value")
        self._pairs.append((key, value))
        self._size += len(key) + len(value)
        if self._size >= self._most:
            self._write()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """The pairs in order, with no more in memory than what is held anyway."""
        self._pairs.sort(key=_key)
        yield from heapq.merge(*(_read(path) for path in self._files), iter(self._pairs), key=_key)

    def _write(self) -> None:
        self._pairs.sort(key=_key)
        path = self._folder / f"{self._name}.{len(self._files)}.run"
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(f"{key}\t{value}\n" for key, value in self._pairs)
        self._files.append(path)
        self._pairs, self._size = [], 0


def _key(pair: tuple[str, str]) -> str:
    return pair[0]


def _read(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            key, _, value = line.removesuffix("\n").partition("\t")
            yield key, value


class Spool(Generic[Item]):
    """Things in the order in which they were added, in a file of this worker alone; it may be read again and again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = path.open("wb")

    def add(self, item: Item) -> None:
        """Take one more."""
        pickle.dump(item, self._stream, pickle.HIGHEST_PROTOCOL)

    def __iter__(self) -> Iterator[Item]:
        """Everything that was added."""
        self._stream.flush()
        with self._path.open("rb") as stream:
            while stream.peek(1):
                yield pickle.load(stream)

    def __enter__(self) -> Spool[Item]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stream.close()
