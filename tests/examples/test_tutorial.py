"""docs/tutorial.md, followed word for word in a new folder, says what it shows."""

import re

import pytest

from tests.examples import tutorial

PAGE = tutorial.PAGE.read_text()


@pytest.mark.slow
def test_the_tutorial_says_what_it_shows(tmp_path):
    said = tutorial.play(tmp_path)
    assert not (found := tutorial.differences(said)), found
    assert [code for code, _ in said] == [0] * len(said)


def test_every_block_is_run_or_compared():
    assert PAGE.count("```sh\n") == len(tutorial.steps())
    assert PAGE.count("```text\n") == sum(bool(shown) for _, shown in tutorial.steps())
    assert PAGE.count("```\n") == PAGE.count("```sh\n") + PAGE.count("```text\n")


def test_placeholders_stand_for_what_is_random_and_for_nothing_else():
    assert tutorial.masked("party desk: 0x" + "a1" * 20 + "  \n") == "party desk: <address>\n"
    assert tutorial.masked("plan 0x" + "a1" * 32) == "plan 0x" + "a1" * 32 + "\n"
    assert tutorial.masked("repo 0x" + "a1" * 32) == "repo <hash>\n"
    assert not tutorial.agrees("cost $1.00\n", "cost $1.01\n")
    assert not tutorial.agrees("cost $1.00\n", "cost $1.00\nand more\n")
    assert tutorial.agrees("a\n...\nz\n", "a\nb\nc\nz\n")
    assert set(re.findall(r"<[a-z]+>", PAGE)) == {"<address>", "<hash>", "<number>"}
