"""A strategy is one frozen config and one pure function from a point-in-time view to a target."""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar, get_args

from tbill_defi.core.errors import ConventionError, UsageError
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.target import Target
from tbill_defi.portfolio.view import View
from tbill_defi.strategy.config import StrategyConfig
from tbill_defi.strategy.source import source_hash

C = TypeVar("C", bound=StrategyConfig)


class Strategy(ABC, Generic[C]):
    """Base of strategies.

    Subclass as ``class Ladder(Strategy[LadderConfig])`` and write `decide`. State lives in the holdings, time
    comes in with the view; the same view and holdings give the same target.
    """

    config_type: ClassVar[type[StrategyConfig]] = StrategyConfig
    universe: ClassVar[str] = "issued"
    """What a backtest offers it unless told otherwise: "issued" securities, or the day's "par" curve as securities."""
    schedule: ClassVar[str] = "monthly"
    """When a backtest asks it unless told otherwise; see `backtest.schedule`."""
    over: ClassVar[str] = ""
    """Of one that answers an `Overlay`: a reference of the strategy whose holdings a backtest has it write on."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, StrategyConfig):
                    cls.config_type = argument

    def __init__(self, config: C | None = None, **settings: Any) -> None:
        """A strategy from a config, or from the config's fields as keyword arguments.

        Raises
        ------
        ConventionError
            Naming the field, the value and what is expected.
        """
        if config is None:
            config = self.make_config(settings)
        elif settings:
            raise UsageError("give a config or its fields, not both")
        self.config: C = config

    @classmethod
    def make_config(cls, settings: dict[str, Any]) -> C:
        """The config of this strategy from its fields."""
        try:
            return cls.config_type(**settings)  # type: ignore[return-value]
        except ConventionError as error:
            raise ConventionError(f"{cls.name()}: {error}") from None

    @classmethod
    def name(cls) -> str:
        """The strategy's name: its class name in kebab case."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def question(cls) -> str:
        """The desk's question it answers: first line of the docstring."""
        return (inspect.getdoc(cls) or "").split("\n")[0]

    @classmethod
    def source_hash(cls) -> bytes:
        """Keccak-256 of the source that makes it: its file, and what that imports of its own package (`source`)."""
        return source_hash(cls)

    def identity(self) -> StrategyIdentity:
        """What of the strategy a plan's hash covers."""
        return StrategyIdentity(self.name(), self.source_hash(), self.config.model_dump(mode="json"))

    @abstractmethod
    def decide(self, view: View, book: Holdings) -> Target:
        """The target for this view and these holdings. Pure: no clock, no files, no network, no randomness."""
