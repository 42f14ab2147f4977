"""House rules of the sources: what contracts never do, and one home for each public error."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).resolve().parents[3] / "contracts" / "src").rglob("*.sol"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_contracts_never_read_gas_nonce_or_native_balance(path: Path) -> None:
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    forbidden = (
        r"\bgasleft\b|\bgas\(\)|\.balance\b|selfbalance|tx\.origin|tx\.gasprice|\bblock\.(number|basefee|coinbase)"
    )
    assert re.findall(forbidden, code) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_external_function_is_documented(path: Path) -> None:
    lines = path.read_text().splitlines()
    undocumented = []
    for number, line in enumerate(lines):
        if not re.match(r"    function \w+\(", line):
            continue
        header = " ".join(lines[number : number + 12]).partition("{")[0].partition(";")[0]
        before = lines[number - 1]
        if re.search(r"\b(external|public)\b", header) and "///" not in before and "solhint" not in before:
            undocumented.append(line.strip())
    assert undocumented == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert all(len(line) <= 120 for line in path.read_text().splitlines())


def test_forge_compiles_with_the_settings_of_the_build() -> None:
    contracts = SOURCES[0].parents[1]
    settings = json.loads((contracts / "settings.json").read_text())
    forge = tomllib.loads((contracts / "foundry.toml").read_text())["profile"]["default"]
    assert forge["evm_version"] == settings["evmVersion"]
    assert forge["optimizer"] == settings["optimizer"]["enabled"]
    assert forge["optimizer_runs"] == settings["optimizer"]["runs"]
    assert forge["via_ir"] == settings["viaIR"]
    assert forge["bytecode_hash"] == settings["metadata"]["bytecodeHash"]
    assert forge["cbor_metadata"] == settings["metadata"]["appendCBOR"]


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((SOURCES[0].parents[1] / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
