"""A strategy is one frozen config and one pure function from a point-in-time view to a target."""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from tbill_defi.core.errors import ConventionError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.target import Target
from tbill_defi.portfolio.view import View


class StrategyConfig(BaseModel):
    """Base of configurations: frozen, no unknown fields; its JSON schema makes the command's flags."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or "config"
            known = ", ".join(cls.config_type.model_fields)
            hint = f"; its fields are {known}" if first["type"] == "extra_forbidden" else ""
            raise ConventionError(f"{cls.name()}: {name}: {first['input']!r}: {first['msg']}{hint}") from None

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
        """Keccak-256 of the bytes of the file that defines the strategy."""
        try:
            path = inspect.getsourcefile(cls)
        except (TypeError, OSError):  # a class typed at a prompt has no module or no file
            path = None
        if path is None or not Path(path).exists():
            raise UsageError(f"{cls.__name__}: its source file is not there; a plan names the source it came from")
        return keccak256(Path(path).read_bytes())

    def identity(self) -> StrategyIdentity:
        """What of the strategy a plan's hash covers."""
        return StrategyIdentity(self.name(), self.source_hash(), self.config.model_dump(mode="json"))

    @abstractmethod
    def decide(self, view: View, book: Holdings) -> Target:
        """The target for this view and these holdings. Pure: no clock, no files, no network, no randomness."""
