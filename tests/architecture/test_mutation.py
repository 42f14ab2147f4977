"""The tool that changes money code in small ways: its mutants are what it says, and its answers are of some."""

import ast
import shutil

import pytest

from tests.mutation import assembly, forge, modules, solidity
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


WORD = 1 << 256
YUL = {
    "add": lambda one, other: (one + other) % WORD,
    "sub": lambda one, other: (one - other) % WORD,
    "mul": lambda one, other: one * other % WORD,
    "or_": lambda one, other: one | other,
    "xor": lambda one, other: one ^ other,
    "shl": lambda by, word: (word << by) % WORD,
    "iszero": lambda word: int(word == 0),
}


@pytest.mark.parametrize(
    ("form", "expected", "words"),
    [
        (assembly.MORE, lambda word: (word + 1) % WORD, (0, 7, WORD - 1)),
        (assembly.NEGATIVE, lambda word: -word % WORD, (0, 7, WORD - 1)),
        (assembly.OPPOSITE, lambda word: 1 - word, (0, 1)),
        (assembly.ALL_BITS, lambda _: WORD - 1, (0, 7, WORD - 1)),
        (assembly.NOTHING, lambda _: 0, (0, 7, WORD - 1)),
        (assembly.ALWAYS, lambda word: word | 1, (0, 6, WORD - 1)),
    ],
)
def test_a_word_of_assembly_is_another_only_where_its_mutant_is_chosen(form, expected, words):
    text = form.format(original="word", chosen="chosen").replace("or(", "or_(").replace("xor_(", "xor(")
    for word in words:
        assert eval(text, {**YUL, "word": word, "chosen": 0}) == word
        assert eval(text, {**YUL, "word": word, "chosen": 1}) == expected(word)


def test_every_word_of_assembly_is_changed_where_it_stands():
    """`if lt(mload(a), 2) { mstore(a, 3) }`, as solc's tree has it."""
    text = "if lt(mload(a), 2) { mstore(a, 3) }"

    def node(is_a, part, **more):
        return {"nodeType": is_a, "src": f"{text.index(part)}:{len(part)}:0", **more}

    def call(part, *arguments):
        name = {"nodeType": "YulIdentifier", "name": part.split("(")[0]}
        return node("YulFunctionCall", part, functionName=name, arguments=list(arguments))

    def of(one):
        start, size, _ = map(int, one["src"].split(":"))
        return text[start : start + size]

    two, three = (node("YulLiteral", digit, kind="number") for digit in "23")
    condition = call("lt(mload(a), 2)", call("mload(a)", node("YulIdentifier", "a")), two)
    stored = call("mstore(a, 3)", node("YulIdentifier", "a"), three)
    body = node(
        "YulBlock", "{ mstore(a, 3) }", statements=[node("YulExpressionStatement", "mstore(a, 3)", expression=stored)]
    )
    tree = node("YulIf", text, condition=condition, body=body)
    assert {(of(one.where), one.before, one.after) for one in assembly.changes(tree, of)} == {
        ("lt(mload(a), 2)", "lt(mload(a), 2)", "1"),
        ("lt(mload(a), 2)", "lt(mload(a), 2)", "0"),
        ("lt(mload(a), 2)", "lt(mload(a), 2)", "iszero(lt(mload(a), 2))"),
        ("2", "2", "add(2, 1)"),
        ("mstore(a, 3)", "mstore(a, 3)", ""),
        ("3", "3", "add(3, 1)"),
    }
