"""Mutants of Python modules, found in `ast`, each run in a forked child whose import of the module is the mutant's."""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tests.mutation.mutants import ROOT, WORK, Mutant, numbered

PACKAGE = "tbill_defi"
SUBJECTS = ["core/money.py"]
SUBJECTS += ["ledger/{settlement,instructions,eip712,decisions,fails,fail_claims,clearing,trades,trade_terms}.py"]
SUBJECTS += ["ledger/{accrual,coupons,auction,repo,repo_state,repo_terms}.py"]
SUBJECTS += ["ledger/index/{entries,lots,income,effects,frames,folding,life_events}.py"]
KNOWN = {
    "ledger/settlement.py": ["tests/unit/ledger/test_instruction.py", "tests/behaviour/test_settlement.py"],
    "ledger/instructions.py": [
        "tests/unit/ledger/test_instruction.py",
        "tests/behaviour/test_settlement.py",
        "tests/unit/ledger/test_repo.py",
    ],
    "ledger/eip712.py": ["tests/unit/ledger/test_instruction.py", "tests/unit/contracts/test_settlement_hashes.py"],
    "ledger/decisions.py": ["tests/unit/ledger/test_decisions.py", "tests/unit/ledger/test_trades.py"],
    "ledger/accrual.py": ["tests/unit/ledger/test_option.py"],
    "ledger/trade": [
        "tests/unit/ledger/test_trades.py",
        "tests/unit/ledger/test_clearing.py",
        "tests/property/ledger/test_trades.py",
    ],
    "ledger/fail_claims.py": [
        "tests/unit/ledger/test_clearing.py",
        "tests/unit/ledger/index/test_clearing_and_fails.py",
    ],
    "ledger/coupons.py": ["tests/unit/ledger/test_life.py", "tests/behaviour/test_every_security.py"],
    "ledger/auction.py": ["tests/unit/ledger/test_auction_on_the_ledger.py"],
    "ledger/index": [
        "tests/unit/ledger/index",
        "tests/unit/ledger/test_books.py",
        "tests/property/ledger/test_index.py",
    ],
    "ledger/repo": ["tests/unit/ledger/test_repo.py", "tests/property/ledger/test_repos.py"],
}
"""Tests of modules whose names do not say so, by the start of the path."""
FAR = {"cli", "automation", "backtest", "report", "portfolio", "examples", "golden"}
HEAVY = ["pytest", "hypothesis", "numpy", "pydantic", "sqlalchemy", "eth_abi", "eth_account", "coincurve", "polars"]
HEAVY += ["pyrevm", "rich", "typer", "web3"]
"""Loaded once, before the children are forked: nothing of the package itself."""
SECONDS = 600
QUIET = ["-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", "-m", "not node"]
QUIET += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
SWAPS: dict[type[ast.AST], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.LShift: ">>",
    ast.RShift: "<<",
    ast.BitAnd: "|",
    ast.BitOr: "&",
    ast.BitXor: "&",
}


def mutants(globs: list[str]) -> list[Mutant]:
    """Every mutant of the modules that the globs name; `{a,b}` is either."""
    files = sorted(file for one in globs for file in _either(one))
    found: list[Mutant] = []
    for file in files:
        reader = _Reader(file, (ROOT / PACKAGE / file).read_text())
        reader.walk(reader.tree, "")
        found += reader.found
    return list(numbered(found))


def _either(glob: str) -> Iterator[str]:
    match = re.search(r"\{(.*?)\}", glob)
    if match is None:
        yield from (str(path.relative_to(ROOT / PACKAGE)) for path in (ROOT / PACKAGE).glob(glob))
        return
    for one in match[1].split(","):
        yield from _either(glob.replace(match[0], one))


class _Reader:
    """Walks one module; positions are bytes."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text, self.found = file, text.encode(), []
        self.tree = ast.parse(text)
        self._lines = [0]
        for line in self.text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.lineno - 1] + node.col_offset, self._lines[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.expr) -> str:
        start, end = self.span(node)
        return self.text[start:end].decode()

    def add(self, scope: str, operator: str, node: ast.expr | ast.stmt, after: str) -> None:
        start, end = self.span(node)
        before = self.text[start:end].decode()
        self.found.append(Mutant(self.file, scope, operator, start, end, before, after, isinstance(node, ast.stmt)))

    def walk(self, node: ast.AST, scope: str) -> None:
        """Everything but annotations, decorators, defaults, the words of errors, and type checking's imports."""
        visit = getattr(self, "on_" + type(node).__name__, None)
        if visit is not None:
            visit(node, scope)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            scope = f"{scope}.{node.name}" if scope else node.name
            for child in node.body:
                self.walk(child, scope)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self.walk(node.value, scope)
        elif isinstance(node, ast.Raise | ast.JoinedStr) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ):
            return
        else:
            for child in ast.iter_child_nodes(node):
                self.walk(child, scope)

    def on_Compare(self, node: ast.Compare, scope: str) -> None:
        if len(node.ops) == 1 and type(node.ops[0]) in SWAPS:
            swap = SWAPS[type(node.ops[0])]
            self.add(scope, "operator", node, f"(({self.of(node.left)}) {swap} ({self.of(node.comparators[0])}))")

    def on_BinOp(self, node: ast.BinOp, scope: str) -> None:
        sides = (node.left, node.right)
        if type(node.op) in SWAPS and not any(isinstance(one, ast.JoinedStr | ast.List | ast.Tuple) for one in sides):
            if any(isinstance(one, ast.Constant) and isinstance(one.value, str | bytes) for one in sides):
                return
            self.add(
                scope, "operator", node, f"(({self.of(node.left)}) {SWAPS[type(node.op)]} ({self.of(node.right)}))"
            )

    def on_BoolOp(self, node: ast.BoolOp, scope: str) -> None:
        word = " and " if isinstance(node.op, ast.And) else " or "
        for left_out in node.values:
            rest = word.join(f"({self.of(one)})" for one in node.values if one is not left_out)
            self.add(scope, "operand", node, f"({rest})")

    def on_UnaryOp(self, node: ast.UnaryOp, scope: str) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            self.add(scope, "negation", node, f"({self.of(node.operand)})")

    def on_If(self, node: ast.If | ast.IfExp, scope: str) -> None:
        if not _for_types(node):
            self.add(scope, "condition", node.test, "True")
            self.add(scope, "condition", node.test, "False")

    on_IfExp = on_If

    def on_While(self, node: ast.While, scope: str) -> None:
        self.add(scope, "condition", node.test, "False")

    def on_comprehension(self, node: ast.comprehension, scope: str) -> None:
        for test in node.ifs:
            self.add(scope, "condition", test, "True")

    def on_Constant(self, node: ast.Constant, scope: str) -> None:
        if isinstance(node.value, bool):
            self.add(scope, "number", node, str(not node.value))
        elif isinstance(node.value, int):
            self.add(scope, "number", node, f"{node.value + 1}")

    def on_AugAssign(self, node: ast.AugAssign, scope: str) -> None:
        self.add(scope, "statement", node, "pass")
        if type(node.op) in SWAPS:
            self.add(scope, "operator", node, f"{self.of(node.target)} {SWAPS[type(node.op)]}= {self.of(node.value)}")

    def on_Expr(self, node: ast.Expr, scope: str) -> None:
        if isinstance(node.value, ast.Call):
            self.add(scope, "statement", node, "pass")

    def on_Assign(self, node: ast.Assign, scope: str) -> None:
        if isinstance(node.targets[0], ast.Attribute | ast.Subscript):
            self.add(scope, "statement", node, "pass")

    def on_Raise(self, node: ast.Raise, scope: str) -> None:
        self.add(scope, "statement", node, "pass")


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


class _Changed(importlib.machinery.SourceFileLoader):
    """Loads a module's file with the mutant in it."""

    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> object:  # type: ignore[override]  # past the cached bytecode
        text = Path(self.path).read_bytes()
        changed = text[: self._mutant.start] + self._mutant.after.encode() + text[self._mutant.end :]
        return compile(changed, self.path, "exec")


class _Finder:
    """Says where the changed module is; every other is none of its affair."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = f"{PACKAGE}.{mutant.file.removesuffix('.py').replace('/', '.')}"

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        file = str(ROOT / PACKAGE / self._mutant.file)
        return importlib.util.spec_from_file_location(name, file, loader=_Changed(name, file, self._mutant))


def tests_of(file: str) -> list[str]:
    """Tests of a module, quick ones first: those named for it and those known, or else those near it that import it.

    Tests of nodes and of other processes, which load the package anew, see no mutant.
    """
    stem, floor = Path(file).stem, file.split("/")[0]
    everything = sorted((ROOT / "tests").rglob("test_*.py"))
    dotted = Path(file).parent.as_posix().replace("/", ".")
    imports = re.compile(rf"{PACKAGE}\.{dotted}\.{stem}\b|{PACKAGE}\.{dotted} import [^\n]*\b{stem}\b")
    named = [one for one in everything if one.stem == f"test_{stem}" and floor in one.parts]
    using = [one for one in everything if imports.search(one.read_text()) and not FAR & set(one.parts)]
    known = [one for start, tests in KNOWN.items() if file.startswith(start) for one in tests]
    places = [one.relative_to(ROOT).as_posix() for one in named]
    chosen = dict.fromkeys([*places, *known]) or [one.relative_to(ROOT).as_posix() for one in using]
    return sorted(chosen, key=lambda place: not place.startswith("tests/unit"))


class Modules:
    """Runs mutants, each in a child of this process."""

    def __init__(self, taken: list[Mutant]) -> None:
        self._taken = taken

    def build(self) -> None:
        """Loads what all children need."""
        WORK.mkdir(exist_ok=True)
        for name in HEAVY:
            importlib.import_module(name)

    def mutants(self) -> list[Mutant]:
        """All: a module needs no build."""
        return self._taken

    def check(self) -> None:
        """The tests of every module that is changed have to pass on it as it is: else they notice what is not there."""
        files = {tuple(tests_of(one.file)): one.file for one in self._taken}
        for file in files.values():
            outcome, by = self.run(Mutant(file, "", "", 0, 0, "", ""))
            if outcome != "survived":
                raise SystemExit(f"{file} is not changed, and yet there is {outcome}: {by}")

    def run(self, mutant: Mutant) -> tuple[str, str]:
        """(killed | timeout | survived, by which test)."""
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            child = os.fork()
            if child == 0:
                _ask(mutant, Path(folder))
            status = _wait(child)
            text = (Path(folder) / "out").read_text(errors="replace")
        if status is None:
            return "timeout", ""
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
        return ("survived", "") if status == 0 else ("killed", failed[1] if failed else text.strip()[-200:])


def _ask(mutant: Mutant, folder: Path) -> None:
    """The child: never returns."""
    code = 99
    try:
        os.setsid()
        out = os.open(folder / "out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder)
        sys.meta_path.insert(0, _Finder(mutant))
        import pytest

        code = pytest.main(["-x", "-q", "--tb=no", *QUIET, *tests_of(mutant.file)])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> int | None:
    """Exit code of a child; none if it had to be ended, with all that it started."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
