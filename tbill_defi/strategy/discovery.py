"""Strategies are found three ways: by entry point, by file path, by package.module:Class."""

from __future__ import annotations

import importlib
import inspect
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from tbill_defi.core.errors import StrategyError, TbillError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.strategy.base import Strategy
from tbill_defi.strategy.source import PLUGIN, beside

GROUP = "tbill_defi.strategies"


def installed() -> dict[str, EntryPoint]:
    """Strategies that installed packages offer: name -> entry point, sorted by name."""
    return {point.name: point for point in sorted(entry_points(group=GROUP))}


def find(reference: str) -> type[Strategy[Any]]:
    """The strategy class a reference names.

    Parameters
    ----------
    reference
        An entry point ("ladder"), a file ("my_ideas.py", or "my_ideas.py:Barbell" where it holds several), or
        a class ("package.module:Class").

    Raises
    ------
    UsageError
        If nothing, or more than one strategy, is there, or the code does not load.
    """
    return loaded(*located(reference), reference)


def located(reference: str) -> tuple[str, str]:
    """Module and class of a reference, "" for the only one there is; nothing of the plugin runs.

    A file becomes a module of a package that stands for its folder, so that `from .helper import x` finds what is
    beside it. The package's name is made of path and bytes; sys.path is left alone.

    Raises
    ------
    UsageError
        If there is no such entry point or file.
    """
    points = installed()
    if reference in points:
        return points[reference].module, points[reference].attr
    place, _, class_name = reference.partition(":")
    if not place.endswith(".py"):
        if class_name:
            return place, class_name
        known = ", ".join(points) or "none"
        raise UsageError(
            f"strategy {reference!r} is not known; give one of: {known}, or a file such as ideas.py, "
            "or package.module:Class"
        )
    path = Path(place).resolve()
    if not path.is_file():
        raise UsageError(f"strategy file {place} is not there")
    if "." in path.stem:
        raise UsageError(f"strategy file {place}: a dot in the name of a module; rename it to end in one .py")
    source = b"".join(found.read_bytes() for found in beside(path).values())
    package = ModuleType(f"{PLUGIN}{keccak256(str(path).encode() + source).hex()[:16]}")
    package.__path__ = [str(path.parent)]
    sys.modules.setdefault(package.__name__, package)
    return f"{package.__name__}.{path.stem}", class_name


def loaded(module: str, class_name: str, reference: str) -> type[Strategy[Any]]:
    """The class of what was located: the plugin's code runs. Raises as `find` does."""
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # a second's edit would leave stale code behind
    try:
        found = importlib.import_module(module)
    except TbillError:
        raise
    except (Exception, SystemExit) as error:
        said = f"calls sys.exit({error.code!r})" if isinstance(error, SystemExit) else ""
        reason = said or f"{type(error).__name__}: {error}"
        place = reference.partition(":")[0] if module.startswith(PLUGIN) else reference
        raise StrategyError(f"strategy {place!r} does not load: {reason}") from error
    finally:
        sys.dont_write_bytecode = kept
        if module.startswith(PLUGIN) and module not in sys.modules:
            own = module.partition(".")[0]
            for name in [name for name in sys.modules if name.partition(".")[0] == own]:
                del sys.modules[name]
    return _from_module(found, class_name, reference)


def _from_module(module: ModuleType, class_name: str, reference: str) -> type[Strategy[Any]]:
    if class_name:
        found: Any = module
        for part in class_name.split("."):
            found = getattr(found, part, None)
        return _checked(found, reference)
    own = [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, Strategy) and member.__module__ == module.__name__
    ]
    own = [member for member in own if not inspect.isabstract(member)] or own
    if len(own) != 1:
        names = ", ".join(f.__name__ for f in own) or "none"
        raise UsageError(f"{reference} holds {len(own)} strategies ({names}); name one as {reference}:Class")
    return _checked(own[0], reference)


def _checked(found: Any, reference: str) -> type[Strategy[Any]]:
    if not (inspect.isclass(found) and issubclass(found, Strategy)) or inspect.isabstract(found):
        raise UsageError(f"strategy {reference!r} is not a class derived from tbill_defi.Strategy with a decide method")
    members = vars(sys.modules[found.__module__]).values() if found.__module__ in sys.modules else ()
    if "." not in found.__qualname__ and not any(member is found for member in members):
        raise UsageError(f"strategy {reference!r}: {found.__name__} says that it is of {found.__module__}, and is not")
    return found
