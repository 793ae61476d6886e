"""Who belongs to whom where several may: the most pairs first, then the least cost; the same input, the same answer."""

from __future__ import annotations

from collections.abc import Sequence


def best(costs: Sequence[Sequence[int | None]]) -> list[tuple[int, int]]:
    """The assignment with the most pairs and, among those, the least sum of costs (None: may not be joined).

    The Hungarian method with potentials, O(n³): for the few rows of one knot, never for a whole list.

    >>> best([[60, None], [30, 90]])
    [(0, 0), (1, 1)]
    """
    size = max(len(costs), len(costs[0]) if costs else 0)
    stated = [cost for row in costs for cost in row if cost is not None]
    # One pair that may not be joined costs more than any sum of pairs that may.
    never = sum(stated) + 1
    table = [[never] * size for _ in range(size)]
    for i, row in enumerate(costs):
        for j, cost in enumerate(row):
            if cost is not None:
                table[i][j] = cost
    owner = _owners(table, size, 4 * never * (size + 1))
    found = [(owner[j] - 1, j - 1) for j in range(1, size + 1)]
    allowed = [(i, j) for i, j in found if i < len(costs) and j < len(costs[i]) and costs[i][j] is not None]
    return sorted(allowed)


def _owners(table: list[list[int]], size: int, infinite: int) -> list[int]:
    """The row (from 1) that each column (from 1) goes to in a square table."""
    row_price, column_price = [0] * (size + 1), [0] * (size + 1)
    owner, way = [0] * (size + 1), [0] * (size + 1)
    for i in range(1, size + 1):
        owner[0] = i
        free = 0
        least = [infinite] * (size + 1)
        used = [False] * (size + 1)
        while True:
            used[free] = True
            row, step, next_free = owner[free], infinite, 0
            for j in range(1, size + 1):
                if used[j]:
                    continue
                reduced = table[row - 1][j - 1] - row_price[row] - column_price[j]
                if reduced < least[j]:
                    least[j], way[j] = reduced, free
                if least[j] < step:
                    step, next_free = least[j], j
            for j in range(size + 1):
                if used[j]:
                    row_price[owner[j]] += step
                    column_price[j] -= step
                else:
                    least[j] -= step
            free = next_free
            if owner[free] == 0:
                break
        while free:
            owner[free] = owner[way[free]]
            free = way[free]
    return owner
