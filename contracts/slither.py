"""Slither's findings against the answers of slither.toml: each is answered, and no answer is left over.

    python slither.py            in contracts/, with forge's node packages and slither-analyzer installed

A finding of a detector that is answered as a whole needs no more; any other is named by its detector and the function
or variable it is in, with the reason why it stands. A new finding, or an answer that nothing needs any more, fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent


def place(finding: dict) -> str:
    """`Contract.function` of what a finding is about first."""
    element = finding["elements"][0]
    parent = element.get("type_specific_fields", {}).get("parent", {})
    while parent.get("type") == "function":
        element, parent = parent, parent.get("type_specific_fields", {}).get("parent", {})
    return f"{parent['name']}.{element['name']}" if parent.get("type") == "contract" else str(element["name"])


def findings() -> list[dict]:
    """What slither says of `src`, compiled in a folder of its own with syntax trees."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("src", "node_modules", "script", "package.json"):
            (work / name).symlink_to(HERE / name)
        settings = (HERE / "foundry.toml").read_text().replace("ast = false", "ast = true")
        (work / "foundry.toml").write_text(settings)
        (forge,) = HERE.glob("node_modules/@foundry-rs/forge-*/bin/forge")
        path = {**os.environ, "PATH": f"{forge.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
        build = ["forge", "build", "--build-info", "--skip", "test", "--skip", "script", "--offline"]
        subprocess.run(build, cwd=work, env=path, check=True, capture_output=True)
        out = work / "found.json"
        words = [".", "--ignore-compile", "--filter-paths", "node_modules", "--json", str(out)]
        subprocess.run(["slither", *words], cwd=work, env=path, check=False, capture_output=True)
        answer = json.loads(out.read_text())
    if not answer["success"]:
        raise SystemExit(f"slither did not run: {answer['error']}")
    return answer["results"].get("detectors", [])


def main() -> int:
    """Exit code: 0 if all are answered."""
    answers = tomllib.loads((HERE / "slither.toml").read_text())
    whole, single = answers["detectors"], answers["findings"]
    needed, wrong = set(), 0
    for found in findings():
        check, where = found["check"], place(found)
        key = check if check in whole else f"{check} {where}"
        if key in whole or key in single:
            needed.add(key)
            continue
        wrong += 1
        print(f"not answered: {key}: {found['description'].strip().splitlines()[0]}")
    for key in sorted((set(whole) | set(single)) - needed):
        wrong += 1
        print(f"answers nothing: {key}")
    print(f"slither: {len(needed)} answers, {wrong} faults")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
