"""The committed artifacts are what the sources compile to."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tbill_defi.ledger.artifacts import CONTRACTS as CONTRACT_NAMES

ROOT = Path(__file__).resolve().parents[3]
CONTRACTS = ROOT / "contracts"
ARTIFACTS = ROOT / "tbill_defi" / "ledger" / "artifacts"
NAMES = tuple(sorted(CONTRACT_NAMES))
MAX_CODE_BYTES = 24_576
MAX_GAS = 2**22


@pytest.fixture
def node() -> str:
    """Path of node; the test is skipped where it or the npm tools are missing."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed")
    if not (CONTRACTS / "node_modules" / "solc").is_dir():
        pytest.skip("contracts/node_modules is missing: run npm ci in contracts/")
    return path


@pytest.mark.node
def test_recompilation_gives_the_committed_artifacts(node: str) -> None:
    run = subprocess.run([node, "build.mjs", "--check"], cwd=CONTRACTS, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert f"{len(NAMES)} artifacts match" in run.stdout


@pytest.mark.slow
@pytest.mark.node
def test_a_changed_source_is_noticed(node: str, tmp_path: Path) -> None:
    tree = tmp_path / "elsewhere" / "contracts"
    shutil.copytree(CONTRACTS, tree, ignore=shutil.ignore_patterns("node_modules", "out", "cache"))
    (tree / "node_modules").symlink_to(CONTRACTS / "node_modules", target_is_directory=True)
    shutil.copytree(ARTIFACTS, tmp_path / "elsewhere" / "tbill_defi" / "ledger" / "artifacts")
    source = tree / "src" / "Compliance.sol"
    source.write_text(source.read_text().replace("type(uint256).max;", "type(uint128).max;", 1))
    run = subprocess.run([node, "build.mjs", "--check"], cwd=tree, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.splitlines() == ["Compliance: the committed artifact is not what the sources compile to"]


def test_there_is_one_artifact_for_each_contract() -> None:
    assert sorted(path.stem for path in ARTIFACTS.glob("*.json")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_artifact_is_complete_and_deployable(name: str) -> None:
    artifact = json.loads((ARTIFACTS / f"{name}.json").read_text())
    assert list(artifact) == [
        "contractName",
        "compiler",
        "settings",
        "sourceHash",
        "abi",
        "bytecode",
        "deployedBytecode",
    ]
    assert artifact["contractName"] == name
    assert artifact["compiler"] == "0.8.37+" + artifact["compiler"].partition("+")[2]
    assert artifact["settings"]["evmVersion"] == "prague"
    code = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
    runtime = bytes.fromhex(artifact["deployedBytecode"].removeprefix("0x"))
    assert 0 < len(runtime) <= MAX_CODE_BYTES
    # transaction, creation, calldata, init code words, code deposit; the constructor's own steps fit what is left
    calldata = sum(4 if byte == 0 else 16 for byte in code)
    assert 53_000 + calldata + 2 * -(-len(code) // 32) + 200 * len(runtime) < MAX_GAS


@pytest.mark.parametrize("name", [name for name in NAMES if name != "TimelockController"])
def test_own_sources_are_hashed_with_what_they_import(name: str) -> None:
    """The hash is over every unit by name; recomputed here from the import lines."""
    library = CONTRACTS / "node_modules"
    if not library.is_dir():
        pytest.skip("contracts/node_modules is missing: run npm ci in contracts/")
    units: dict[str, str] = {}
    pending = [str(path.relative_to(CONTRACTS)) for path in (CONTRACTS / "src").rglob(f"{name}.sol")]
    assert len(pending) == 1
    while pending:
        unit = pending.pop()
        if unit in units:
            continue
        text = ((library if unit.startswith("@") else CONTRACTS) / unit).read_text()
        units[unit] = text
        for target in re.findall(r'^import\s[^;]*?"([^"]+)";', text, flags=re.MULTILINE):
            pending.append(str(Path("/", unit).parent.joinpath(target).resolve())[1:] if target[0] == "." else target)
    digest = hashlib.sha256(b"".join(f"{unit}\0{units[unit]}\0".encode() for unit in sorted(units)))
    assert json.loads((ARTIFACTS / f"{name}.json").read_text())["sourceHash"] == digest.hexdigest()
