"""What a plugin's source says about clocks, chance, files and networks: heuristics, read without running it."""

from __future__ import annotations

import ast
from pathlib import Path

CLOCKS = frozenset({"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime"})
NETWORK = frozenset(
    {"socket", "requests", "urllib", "http", "httpx", "aiohttp", "ftplib", "smtplib", "websockets", "web3"}
)
PROCESSES = frozenset({"subprocess", "multiprocessing"})
CHANCE = frozenset({"random", "secrets"})
FILES = frozenset(
    {"open", "read_text", "read_bytes", "read_csv", "read_parquet", "scan_csv", "scan_parquet", "loadtxt", "genfromtxt"}
)
MARKET = frozenset(
    {
        *("MarketStore", "sample_data", "view", "open_ledger", "create_ledger", "Ledger", "Keys"),
        *("read_auctions", "read_fedinvest", "read_par_yields", "read_sofr"),
    }
)
"""Names of tbill_defi that lead around the view."""
SEEDED = frozenset({"default_rng", "Random", "RandomState", "SeedSequence", "PCG64", "Philox"})


def findings(path: Path) -> list[str]:
    """What in a source file is not of a pure function, such as "line 12: today() reads the clock".

    Only the file itself is read, not what it imports; what hides (getattr, exec) is not found here.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, OSError):
        return []
    found: dict[tuple[int, str], None] = {}
    for node in ast.walk(tree):
        what = _of(node)
        if what:
            found[(getattr(node, "lineno", 0), what)] = None
    return [f"line {line}: {what}" for line, what in sorted(found)]


def _of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Import):
        return next((said for alias in node.names if (said := _import(alias.name, ""))), None)
    if isinstance(node, ast.ImportFrom) and node.module:
        return next((said for alias in node.names if (said := _import(node.module, alias.name))), None)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("td", "tbill_defi"):
        return f"{node.attr} leads around the view" if node.attr in MARKET else None
    return _call(node) if isinstance(node, ast.Call) else None


def _import(module: str, name: str) -> str | None:
    root = module.partition(".")[0]
    if root in NETWORK and module != "urllib.parse":
        return f"{module} reaches a network"
    if root in PROCESSES:
        return f"{module} starts processes"
    if root == "tbill_defi" and name in MARKET:
        return f"{name} leads around the view"
    if root == "time" and name in CLOCKS | {"time"}:
        return f"{name} reads the clock"
    if root in CHANCE and name and name not in SEEDED:
        return f"{root}.{name} is chance"
    return None


def _call(node: ast.Call) -> str | None:
    dotted = ast.unparse(node.func)
    last = dotted.rpartition(".")[2]
    owner = dotted.rpartition(".")[0]
    if last == "datetime64" and any(isinstance(a, ast.Constant) and a.value in ("now", "today") for a in node.args):
        return f"{dotted}() reads the clock"
    if last in SEEDED:
        return None if node.args or node.keywords else f"{dotted}() is chance without a seed"
    if (owner and last in CLOCKS) or dotted == "time.time":
        return f"{dotted}() reads the clock"
    if (
        owner in CHANCE
        or owner in ("np.random", "numpy.random")
        or dotted in ("os.urandom", "uuid.uuid4", "uuid.uuid1")
    ):
        return f"{dotted}() is chance without a seed"
    if last in FILES and (owner or last == "open"):
        return f"{dotted}() reads a file"
    if dotted in ("os.system", "os.popen", "os.fork", "eval", "exec", "input"):
        return f"{dotted}() is no part of a pure function"
    return None
