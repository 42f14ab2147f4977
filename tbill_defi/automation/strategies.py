"""The strategies that rules name: found, tried and asked in processes of their own, where alone their code runs."""

from __future__ import annotations

from pathlib import Path

from tbill_defi.automation.rules import KeeperFile, RebalanceAction
from tbill_defi.core.errors import DataError, TbillError
from tbill_defi.strategy.isolation import IsolatedStrategy


def strategy_of(file: Path, action: RebalanceAction) -> IsolatedStrategy:
    """The strategy of an action with its settings; a file is looked for beside the keeper file."""
    return IsolatedStrategy(_reference(file, action), action.settings)


def require_strategies(file: KeeperFile) -> None:
    """Every strategy loads and takes the settings of its rules; one process for each strategy.

    Raises
    ------
    DataError
        Naming file, table, field and what the strategy says.
    """
    wanted: dict[str, list[tuple[str, RebalanceAction]]] = {}
    for rule in file.rules:
        if isinstance(rule.action, RebalanceAction):
            wanted.setdefault(_reference(file.path, rule.action), []).append((rule.name, rule.action))
    for reference, actions in wanted.items():
        name, field = actions[0][0], "strategy"
        try:
            with IsolatedStrategy(reference) as strategy:
                strategy.about  # noqa: B018 - it loads
                field = "settings"
                for name, action in actions:  # noqa: B007 - the error names it
                    strategy.require(action.settings)
        except TbillError as error:
            raise DataError(f'{file.path}, [rules.{name}.action], field "{field}": {error}') from None


def _reference(file: Path, action: RebalanceAction) -> str:
    beside = file.parent / action.strategy.partition(":")[0]
    local = beside.suffix == ".py" and beside.is_file()
    return str(file.parent / action.strategy) if local else action.strategy
