"""`tbill --help` loads nothing heavy; the package's names load when first used."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import tbill_defi

HEAVY = [
    "web3",
    "eth_account",
    "eth_abi",
    "polars",
    "sqlalchemy",
    "QuantLib",
    "pyrevm",
    "highspy",
    "eth",
    "numpy",
    "rlp",
]


def loaded(code):
    probe = f"{code}\nimport sys, json; print('\\n' + json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def test_help_loads_nothing_heavy():
    lines = [
        "import sys",
        "from tbill_defi.cli.main import main",
        "sys.argv = ['tbill', '--help']",
        "try: main()",
        "except SystemExit: pass",
    ]
    assert loaded("\n".join(lines)) == []


def test_importing_the_package_loads_nothing_heavy():
    assert loaded("import tbill_defi") == []


def test_a_name_loads_what_it_needs():
    assert "QuantLib" not in loaded("import tbill_defi as td; td.Note")
    assert "web3" not in loaded("import tbill_defi as td; td.open_ledger")


def test_type_checkers_see_what_users_get():
    tree = ast.parse((Path(tbill_defi.__file__)).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert seen == tbill_defi._MODULE_OF


def test_every_public_name_exists():
    for name in tbill_defi.__all__:
        assert getattr(tbill_defi, name) is not None
