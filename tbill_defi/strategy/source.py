"""Which source makes a strategy: its file and, of its own package or folder, the modules that it imports.

What is imported is read from the source, at any depth and also within functions, so it does not depend on what a
process happens to have loaded. A name that is put together while running (`import_module(name)`) is not seen.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

from tbill_defi.core.errors import UsageError
from tbill_defi.core.hashing import json_hash, keccak256

PLUGIN = "tbill_defi_plugin_"
"""Beginning of the names of packages that stand for the folder of a file found by its path."""
Name = tuple[str, ...]


def source_hash(kind: type) -> bytes:
    """Keccak-256 of a class's source, 32 bytes; see `digest`.

    Raises
    ------
    UsageError
        If the class comes from no file.
    """
    return digest(own_files(kind))


def digest(files: Mapping[str, Path]) -> bytes:
    """Keccak-256 of source files, 32 bytes.

    Of the bytes of the file where there is one; else of the canonical JSON of an object that gives each file, by its
    path from the folder they have in common, its Keccak-256 as 0x and 64 digits.
    """
    hashes = {name: keccak256(path.read_bytes()) for name, path in files.items()}
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    return json_hash({name: f"0x{found.hex()}" for name, found in hashes.items()})


def own_files(kind: type) -> dict[str, Path]:
    """A class's file, and what it imports of its own; by path from the folder they have in common, sorted."""
    try:
        file = inspect.getsourcefile(kind)
    except (TypeError, OSError):  # a class typed at a prompt has no module or no file
        file = None
    if file is None or not Path(file).exists():
        raise UsageError(f"{kind.__name__}: its source file is not there; a plan names the source it came from")
    return files_of(kind.__module__, Path(file).resolve())


def files_of(module: str, path: Path) -> dict[str, Path]:
    """The same from the module's name and file."""
    name = tuple(module.split("."))
    if len(name) == 1 or name[0].startswith(PLUGIN):
        return beside(path)
    depth = len(name) if path.name == "__init__.py" else len(name) - 1
    return _Own(path.parents[depth], name[0]).found_from(name, path)


def beside(path: Path) -> dict[str, Path]:
    """A file found by its path, and what it imports of its folder; by path from the folder, sorted."""
    return _Own(path.parent, None).found_from((path.stem,), path)


class _Own:
    """Collects the modules under a folder; `package`: those of this one alone."""

    def __init__(self, root: Path, package: str | None) -> None:
        self.root, self.package = root, package
        self.files: set[Path] = set()

    def found_from(self, name: Name, path: Path) -> dict[str, Path]:
        """The files that a module leads to."""
        self.add(name, path)
        return {found.relative_to(self.root).as_posix(): found for found in sorted(self.files)}

    def add(self, name: Name, path: Path) -> None:
        """A module, the packages it is in, and what they import."""
        if path in self.files:
            return
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # who imports it says so
            tree = ast.Module([], [])
        if path.name == "__init__.py" and all(map(_is_words, tree.body)):
            return
        self.files.add(path)
        package = name if path.name == "__init__.py" else name[:-1]
        for wanted in _imports(tree, package):
            if self.package is None or wanted[:1] == (self.package,):
                self._find(wanted)
        self._find(package)

    def _find(self, name: Name) -> None:
        for length in range(1, len(name) + 1):
            place = self.root.joinpath(*name[:length])
            for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
                if path.is_file():
                    self.add(name[:length], path)
                    break


def _is_words(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _imports(tree: ast.AST, package: Name) -> Iterator[Name]:
    """Dotted names that a module in `package` imports, or may: of `from a import b` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            yield base
            yield from ((*base, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            text = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if isinstance(text, str):
                dots = len(text) - len(text.lstrip("."))
                base = package[: len(package) - dots + 1] if dots else ()
                yield base + tuple(text.lstrip(".").split("."))
