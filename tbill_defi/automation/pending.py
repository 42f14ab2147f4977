"""Plans that wait for a person: one file a firing, each a whole plan; a pass keeps those that still wait."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from tbill_defi.core.errors import DataError, PlanError
from tbill_defi.portfolio.plan import RebalancePlan

SHOWN = 12
"""Characters of a hash that a person is shown and types."""


def keep(folder: Path, firing_id: bytes, plan: RebalancePlan) -> None:
    """Keep the plan of a firing, in place of an earlier one."""
    plan.save(_place(folder, firing_id))


def read(folder: Path, firing_id: bytes) -> RebalancePlan | None:
    """The plan of a firing, whole, under the hash that it has.

    Raises
    ------
    DataError, PlanError
        If it was changed.
    """
    place = _place(folder, firing_id)
    return RebalancePlan.load(place) if place.is_file() else None


def drop(folder: Path, firing_id: bytes) -> None:
    """Drop the plan of a firing, if there is one."""
    _place(folder, firing_id).unlink(missing_ok=True)


def drop_others(folder: Path, waiting: Collection[bytes]) -> None:
    """Drop the plans of firings that wait no more."""
    known = {_place(folder, firing_id) for firing_id in waiting}
    for place in sorted(folder.glob("*.json")):
        if place not in known:
            place.unlink(missing_ok=True)


def hashes(folder: Path) -> Iterator[tuple[bytes, str]]:
    """Firing id and plan hash (0x-text) of each that can be read."""
    for place in sorted(folder.glob("*.json")):
        try:
            yield bytes.fromhex(place.stem), RebalancePlan.load(place).hash
        except (DataError, PlanError, ValueError):
            continue


def _place(folder: Path, firing_id: bytes) -> Path:
    return folder / f"{firing_id.hex()}.json"
