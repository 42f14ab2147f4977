"""The tool that changes money code in small ways: its mutants are what it says, and its answers are of some."""

import ast
import shutil

import pytest

from tests.mutation import forge, modules, solidity
from tests.mutation.mutants import ROOT, answers, sample


def changed(mutant):
    text = (ROOT / modules.PACKAGE / mutant.file).read_bytes()
    assert text[mutant.start : mutant.end].decode() == mutant.before
    return text[: mutant.start] + mutant.after.encode() + text[mutant.end :]


def test_every_mutant_of_a_module_is_another_module():
    for mutant in modules.mutants(["core/money.py", "ledger/index/lots.py"]):
        assert ast.dump(ast.parse(changed(mutant))) != ast.dump(
            ast.parse((ROOT / modules.PACKAGE / mutant.file).read_text())
        )


def test_names_are_of_one_mutant_each():
    names = [one.name for one in modules.mutants(modules.SUBJECTS)]
    assert len(names) == len(set(names))


def test_a_sample_has_something_of_every_file_and_depends_on_names_and_seed():
    found = modules.mutants(modules.SUBJECTS)
    taken = sample(found, 100, seed=1)
    assert taken == sample(found[::-1], 100, seed=1)
    assert taken != sample(found, 100, seed=2)
    assert {one.file for one in taken} == {one.file for one in found}


@pytest.mark.node
@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_every_answer_is_of_a_mutant():
    found = [*modules.mutants(modules.SUBJECTS), *solidity.mutants(forge.SUBJECTS)]
    assert set(answers()) <= {one.name for one in found}
    for name, reason in answers().items():
        assert len(reason) > 20, name
