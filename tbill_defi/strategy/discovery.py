"""Strategies are found three ways: by entry point, by file path, by package.module:Class."""

from __future__ import annotations

import importlib
import importlib.util
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
    points = installed()
    if reference in points:
        return _checked(_load(lambda: points[reference].load(), reference), reference)
    place, _, class_name = reference.partition(":")
    if place.endswith(".py"):
        return _from_module(_file_module(Path(place)), class_name, reference)
    if class_name:
        return _from_module(_load(lambda: importlib.import_module(place), reference), class_name, reference)
    known = ", ".join(points) or "none"
    raise UsageError(
        f"strategy {reference!r} is not known; give one of: {known}, or a file such as ideas.py, "
        "or package.module:Class"
    )


def _load(loader: Any, reference: str) -> Any:
    try:
        return loader()
    except TbillError:
        raise
    except (Exception, SystemExit) as error:
        said = f"calls sys.exit({error.code!r})" if isinstance(error, SystemExit) else ""
        reason = said or f"{type(error).__name__}: {error}"
        raise StrategyError(f"strategy {reference!r} does not load: {reason}") from error


def _file_module(path: Path) -> ModuleType:
    """A file as a module of a package that stands for its folder, so that `from .helper import x` finds what is there.

    The package's name is made of path and bytes; sys.path is left alone.
    """
    if not path.is_file():
        raise UsageError(f"strategy file {path} is not there")
    resolved = path.resolve()
    source = b"".join(found.read_bytes() for found in beside(resolved).values())
    package = ModuleType(f"{PLUGIN}{keccak256(str(resolved).encode() + source).hex()[:16]}")
    name = f"{package.__name__}.{resolved.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise UsageError(f"strategy file {path} is not Python")
    package.__path__ = [str(resolved.parent)]
    module = importlib.util.module_from_spec(spec)
    sys.modules |= {package.__name__: package, name: module}
    try:
        _load(lambda: spec.loader.exec_module(module), str(path))
    except BaseException:
        for loaded in [found for found in sys.modules if found.partition(".")[0] == package.__name__]:
            del sys.modules[loaded]
        raise
    return module


def _from_module(module: ModuleType, class_name: str, reference: str) -> type[Strategy[Any]]:
    if class_name:
        return _checked(getattr(module, class_name, None), reference)
    found = [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, Strategy) and member.__module__ == module.__name__
    ]
    found = [member for member in found if not inspect.isabstract(member)] or found
    if len(found) != 1:
        names = ", ".join(f.__name__ for f in found) or "none"
        raise UsageError(f"{reference} holds {len(found)} strategies ({names}); name one as {reference}:Class")
    return _checked(found[0], reference)


def _checked(found: Any, reference: str) -> type[Strategy[Any]]:
    if not (inspect.isclass(found) and issubclass(found, Strategy)) or inspect.isabstract(found):
        raise UsageError(f"strategy {reference!r} is not a class derived from tbill_defi.Strategy with a decide method")
    return found
