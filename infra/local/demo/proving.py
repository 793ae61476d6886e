"""Part 6: the proof of rules.md 8, recomputed from what is stored."""

from __future__ import annotations

from typing import Any

from infra.local.demo.desk import Desk
from infra.local.demo.people import ISSUER_ID

Json = dict[str, Any]


def play(desk: Desk) -> list[Json]:
    """Let the nightly proof run; a broken equation ends the demo."""
    desk.chapter("6  Proof, recomputed from stored data")
    told = desk.run("nightly_proof", {"issuer_id": ISSUER_ID})
    equations: list[Json] = told["equations"]
    broken = [e for e in equations if not e["holds"]]
    desk.expect(equations and not broken and told["holds"], "the proof holds", broken)
    for line in lines(equations):
        desk.say(f"  {line}")
    return equations


def lines(equations: list[Json]) -> list[str]:
    """One line per kind of equation: how many hold, and the figures where there are few."""
    by_name: dict[str, list[Json]] = {}
    for each in equations:
        by_name.setdefault(each["name"], []).append(each)
    told = []
    for name, found in by_name.items():
        holding = sum(e["holds"] for e in found)
        shown = "; ".join(f"{e['scope']}: {e['left']} = {e['right']}" for e in found[:3])
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        told.append(f"{'ok ' if holding == len(found) else 'NO '} {name} ({holding} of {len(found)}): {shown}{more}")
    return told
