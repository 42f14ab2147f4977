"""A new plugin and its test, working from the first minute."""

from __future__ import annotations

import re
from pathlib import Path

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import write_new

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
PLUGIN = '''"""{title}."""

from pydantic import Field

from tbill_defi import Holdings, Lots, Strategy, StrategyConfig, View, Weights


class {cls}Config(StrategyConfig):
    """Settings of `{cls}`: each is an option of `tbill plan {file}` and a field of its JSON schema."""

    names: int = Field(5, ge=1, le=40, description="securities held")
    longest_years: float = Field(5.0, gt=0, le=30, description="latest maturity, years")
    lot: int = Field(1_000, ge=1, description="face of a lot, dollars")


class {cls}(Strategy[{cls}Config]):
    """Which securities out to a longest maturity yield most, held in equal parts?"""

    def decide(self, view: View, book: Holdings) -> Weights:
        """Equal weights over the best yields that have an offer or are already held."""
        config = self.config
        able = [
            i
            for i, cusip in enumerate(view.cusips)
            if view.years_to_maturity[i] <= config.longest_years
            and (view.offer[i] is not None or cusip in book.positions)
        ]
        best = sorted(able, key=lambda i: (-view.yield_[i], view.cusips[i]))[: config.names]
        return Weights.of(
            {{view.cusips[i]: 1.0 / len(best) for i in best}},
            lots=Lots(config.lot),
            reasons={{view.cusips[i]: f"yields {{view.yield_[i]:.3%}}" for i in best}},
        )
'''
TEST = '''"""The plugin {file} does what it says, and what every plugin must."""

from pathlib import Path

import pytest

import tbill_defi as td
from tbill_defi.strategy.kit import check

PLUGIN = str(Path(__file__).with_name("{file}"))
DAY = "2026-03-24"


@pytest.fixture(scope="module")
def view():
    return td.view(DAY, data=td.sample_data())


def test_holds_the_best_yields_within_its_maturity(view):
    book = td.Holdings("desk", {{}}, 10_000_000 * 10**6)
    plan = td.plan(td.find(PLUGIN)(names=3, longest_years=4.0), view, book)
    assert len(plan.orders) == 3
    assert all(view.years_to_maturity[view.index(order.cusip)] <= 4.0 for order in plan.orders)
    assert 0 <= plan.after.cash < 0.01 * plan.after.nav


def test_passes_the_kit():
    report = check(PLUGIN)
    assert report.passed, report.failures()
'''


def new_plugin(name: str, folder: Path) -> tuple[Path, Path]:
    """Write a plugin and its test; both are new files or neither is written.

    Parameters
    ----------
    name
        Of the strategy, such as "my-idea": lower case letters, digits, hyphens.
    folder
        Where to; made if it is not there.

    Returns
    -------
    tuple
        The plugin my_idea.py and its test test_my_idea.py.

    Raises
    ------
    UsageError
        If the name is none, or one of the files is there already.
    DataError
        If the folder cannot be written.
    """
    words = re.split(r"[-_]", name)
    if not _NAME.fullmatch(name) or len(name) > 40:
        raise UsageError(f"name: {name!r} is no name of a strategy; give lower case words such as my-idea")
    if words[0] == "test":
        raise UsageError(f"name: {name!r} would be taken for a test; give another first word")
    stem, cls = "_".join(words), "".join(word.capitalize() for word in words)
    texts = {
        folder / f"{stem}.py": PLUGIN.format(title=" ".join(words).capitalize(), cls=cls, file=f"{stem}.py"),
        folder / f"test_{stem}.py": TEST.format(file=f"{stem}.py"),
    }
    for path in texts:
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path}: is there already and is not overwritten; give another name or folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            write_new(path, text.encode())
    except FileExistsError as error:
        raise UsageError(f"{error.filename}: is there already and is not overwritten") from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror})") from None
    plugin, test = texts
    return plugin, test
