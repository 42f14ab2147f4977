"""`tbill --help` loads nothing heavy; the package's names load when first used."""

import json
import subprocess
import sys

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


def test_every_public_name_exists():
    import tbill_defi as td

    for name in td.__all__:
        assert getattr(td, name) is not None
