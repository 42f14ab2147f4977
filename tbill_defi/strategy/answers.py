"""What comes out of a strategy's process: bytes up to a limit, plain values, and targets that are made anew here.

Whoever writes there may be a plugin that has changed its own process. So the reader knows the classes of targets and
nothing else, and makes each target by its constructor, which checks every figure.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import fields, is_dataclass
from typing import Any

from tbill_defi.core import errors
from tbill_defi.core.errors import ConventionError, Infeasible, StrategyError, TbillError
from tbill_defi.portfolio import target as targets
from tbill_defi.portfolio.target import Optimize, Overlay, Target, Weights

PLAIN = targets.__name__
"""Classes of this module are sent as they are."""
LARGEST = 128 * 2**20
"""Bytes of an answer."""
LONGEST = 300
"""Characters of what a plugin says went wrong."""
_PLAIN_CLASSES = frozenset(
    name for name, found in vars(targets).items() if isinstance(found, type) and found.__module__ == PLAIN
)
_VALUES = frozenset(
    {
        ("datetime", "date"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    }
)
_PASSED_ON = {
    kind.__name__: kind
    for kind in (
        *(errors.ConventionError, errors.DataError, errors.Infeasible, errors.LookAhead, errors.NoCurve),
        *(errors.PlanError, errors.SettlementOutOfRange, errors.StrategyError, errors.UnknownSecurity),
        *(errors.UsageError,),
    )
}
"""Errors that a strategy may raise and its caller gets; a ledger's or a key store's are not a strategy's to raise."""
_WANTED = "expected Weights.of(...), maximize(...) or Overlay.of(...)"


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module == PLAIN and name in _PLAIN_CLASSES) or (module, name) in _VALUES:
            return super().find_class(module, name)
        raise StrategyError(f"answered a {module}.{name}; {_WANTED}")


def read(body: bytes, name: str) -> tuple[str, Any, bytes]:
    """Kind ("answer" or "error"), value and output of one message.

    Raises
    ------
    StrategyError
        If it is no such message; `name` is the strategy's.
    """
    try:
        kind, value, printed = _Reader(io.BytesIO(body)).load()
    except StrategyError as foreign:
        raise StrategyError(f"strategy {name} {foreign}") from None
    except Exception as error:  # whatever bytes may do to an unpickler
        raise StrategyError(f"strategy {name}: its answer cannot be read: {type(error).__name__}") from None
    if kind not in ("answer", "error") or not isinstance(printed, bytes):
        raise StrategyError(f"strategy {name}: its answer cannot be read")
    return kind, value, printed


def error_of(value: Any, name: str) -> TbillError:
    """The error that a message of kind "error" tells, in one line of bounded length that names the strategy."""
    kind, text, relaxation = value if isinstance(value, tuple) and len(value) == 3 else ("", "", None)
    said = one_line(str(text)) or f"raises {kind or 'an error'}"
    message = said if said.startswith("strategy ") else f"strategy {name}: {said}"
    if kind == Infeasible.__name__ and isinstance(relaxation, dict):
        return Infeasible(message, {str(limit): float(amount) for limit, amount in relaxation.items()})
    return _PASSED_ON.get(str(kind), StrategyError)(message)


def one_line(text: str) -> str:
    """Printable words in one line of at most `LONGEST` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST]).split()).rstrip(":")
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def target_of(value: Any, name: str) -> Target:
    """A target that arrived, made anew by the constructors of its classes.

    Raises
    ------
    ConventionError, StrategyError
        If it is none, or a figure of it is none; naming the strategy.
    """
    if not isinstance(value, Weights | Optimize | Overlay):
        raise StrategyError(f"strategy {name} answered a {type(value).__name__}; {_WANTED}")
    try:
        made: Target = _remade(value)
    except ConventionError as error:
        raise ConventionError(f"strategy {name}: {error}") from None
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise StrategyError(f"strategy {name}: its target cannot be read: {one_line(str(error))}") from None
    return made


def _remade(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_remade, value))
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{field.name: _remade(getattr(value, field.name)) for field in fields(value)})
    return value
