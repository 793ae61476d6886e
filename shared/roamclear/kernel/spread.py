"""An amount over more weights than fit into memory: the same parts as ``money.allocate``, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roamclear.kernel.spool import HELD, Sorter


class Spread:
    """Positive whole weights with a name each, kept on disk in the order in which they were added.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Spread(Path(folder)) as found:
    ...         for name in ("a", "b", "c"):
    ...             found.add(1, name)
    ...         list(found.parts(100))
    [(34, 'a'), (33, 'b'), (33, 'c')]
    """

    def __init__(self, folder: Path, held: int = HELD) -> None:
        self._folder, self._held = folder, held
        self._path = folder / "weights"
        self._stream = self._path.open("w", encoding="utf-8", newline="\n")
        self.total = 0

    def __enter__(self) -> Spread:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stream.close()

    def add(self, weight: int, name: str) -> None:
        """Take one more; a name holds no line break."""
        if weight <= 0 or "\n" in name:
            raise ValueError("a weight is positive, and no line break stands in a name")
        self.total += weight
        self._stream.write(f"{weight}\t{name}\n")

    def parts(self, amount: int) -> Iterator[tuple[int, str]]:
        """The amount, not negative, split by the weights: largest remainder, ties to the first."""
        self._stream.flush()
        if not self.total:
            return
        digits = len(str(self.total))
        remainders, left = Sorter(self._folder, "remainders", self._held), amount
        for place, (weight, _) in enumerate(self._read()):
            whole, rest = divmod(amount * weight, self.total)
            left -= whole
            remainders.add(f"{self.total - rest:0{digits}d}{place:015d}", str(place))
        favoured = Sorter(self._folder, "favoured", self._held)
        for _, (_, at) in zip(range(left), remainders, strict=False):
            favoured.add(f"{int(at):015d}")
        chosen = (int(key) for key, _ in favoured)
        following = next(chosen, None)
        for place, (weight, name) in enumerate(self._read()):
            one = following == place
            if one:
                following = next(chosen, None)
            yield amount * weight // self.total + one, name

    def _read(self) -> Iterator[tuple[int, str]]:
        with self._path.open(encoding="utf-8", newline="\n") as stream:
            for line in stream:
                weight, _, name = line.removesuffix("\n").partition("\t")
                yield int(weight), name
