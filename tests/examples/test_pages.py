"""The commands of the README and of the pages of docs/, typed as they stand into a new folder."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points

import pytest

import tbill_defi as td
from tbill_defi.market.sync.settings import read_feeds
from tests.examples import terminal, tutorial
from tests.examples.test_plugins_page import PLUGINS as OF_THE_PAGE
from tests.examples.test_readme import PLUGINS as OF_THE_README
from tests.examples.test_readme import ROOT
from tests.unit.cli.test_schemas import commands
from tests.unit.ledger.index.support import bean_check

README, DOCS = ROOT / "README.md", ROOT / "docs"
NODE = "--chain http"


@pytest.mark.slow
def test_every_line_of_the_readme(tmp_path):
    """But `make` and the line that wants an anvil, which docs/nodes.md has too."""
    lines = [line for block in terminal.blocks(README) for line in block.splitlines()]
    typed = [line for line in lines if not line.startswith("make ") and NODE not in line]
    assert len([line for line in typed if line.startswith("tbill ")]) >= 17
    for line in typed:
        code, said = terminal.typed(line, tmp_path)
        assert code == 0, f"{line}\n{said}"
        assert "error" not in said, f"{line}\n{said}"


@pytest.mark.slow
def test_the_page_on_the_command_line(tmp_path):
    day, strategies = terminal.blocks(DOCS / "cli.md")
    code, said = terminal.typed(day, tmp_path, answers="y\n")
    assert code == 0, said
    assert re.search(r"legs pass every rule; approved by desk; settled atomically", said)
    assert "it contains the given head" in said
    (tmp_path / "ideas.py").write_text(OF_THE_README["ideas.py"])
    code, said = terminal.typed(strategies, tmp_path)
    assert code == 0, said
    assert len(re.findall("^plan 0x", said, re.MULTILINE)) == 3
    (book,) = terminal.blocks(DOCS / "cli.md", "csv")
    (tmp_path / "book.csv").write_text(book)
    code, said = terminal.typed("tbill price --file book.csv", tmp_path)
    assert code == 0, said
    assert len(re.findall("^91282C", said, re.MULTILINE)) == 2


def test_the_feeds_file_of_the_page(tmp_path):
    (text,) = terminal.blocks(DOCS / "cli.md", "toml")
    (tmp_path / "feeds.toml").write_text(text)
    found = read_feeds(tmp_path / "feeds.toml", tmp_path)
    assert found.limits.timeout_seconds == 10
    assert [feed.name for feed in found.feeds if "mirror.example" in feed.base] == ["treasury"]
    assert "fred" not in [feed.name for feed in found.feeds]


@pytest.mark.slow
def test_the_page_on_books(tmp_path):
    said = ""
    for block in terminal.blocks(DOCS / "books.md"):
        code, said_now = terminal.typed(block, tmp_path)
        assert code == 0, said_now
        said += said_now
    assert "figures are those of the contracts; every row is what its events give" in said
    assert bean_check(tmp_path / "desk.beancount") == ""


@pytest.mark.slow
def test_the_page_on_size(tmp_path):
    """From one ledger to the next, whose genesis has the head that the older one was verified against."""
    closing, going_on = terminal.blocks(DOCS / "scale.md")[-2:]
    for block in (closing, going_on):
        code, said = terminal.typed(block, tmp_path)
        assert code == 0, said
    assert "it contains the given head" in said
    assert "carried.csv: 1 securities and the cash of desk" in said
    height = json.loads((tmp_path / "closed.json").read_text())["height"]
    assert f"goes on after block {height} of" in said


@pytest.mark.slow
def test_the_page_on_evidence(tmp_path):
    (tmp_path / "verify_proof.py").write_bytes((ROOT / "tools" / "verify_proof.py").read_bytes())
    making, proving, elsewhere = terminal.blocks(DOCS / "evidence.md")
    for block in (making, proving, elsewhere):
        code, said = terminal.typed(block, tmp_path)
        assert code == 0, said
    key = json.loads((tmp_path / "checkpoint.json").read_text())["operator"]
    for name in ("holding.json", "transaction.json"):
        words = [sys.executable, "verify_proof.py", key]
        proof = (tmp_path / name).read_text()
        done = subprocess.run(words, input=proof, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert '"block"' in done.stdout
    assert "it contains the given head" in said


@pytest.mark.slow
def test_the_commands_of_the_page_on_plugins(tmp_path):
    """Where it says: after the third step of the tutorial."""
    for command, _ in tutorial.steps()[:3]:
        code, said = terminal.typed(command, tmp_path)
        assert code == 0, said
    (tmp_path / "level.py").write_text(OF_THE_PAGE["level.py"])
    (block,) = terminal.blocks(DOCS / "plugins.md")
    code, said = terminal.typed(block, tmp_path)
    assert code == 0, said
    assert "plan 0x" in said


def test_the_entry_point_of_the_page():
    (text,) = terminal.blocks(DOCS / "plugins.md", "toml")
    (group,) = tomllib.loads(text)["project"]["entry-points"]
    assert entry_points(group=group).names >= {"ladder", "barbell"}


SHOWN_BY = {
    ("README.md", "sh"): "examples/test_pages.py",
    ("README.md", "text"): "examples/test_demo.py",
    ("README.md", "python"): "examples/test_readme.py",
    ("docs/books.md", "sh"): "examples/test_pages.py",
    ("docs/cli.md", "sh"): "examples/test_pages.py",
    ("docs/cli.md", "csv"): "examples/test_pages.py",
    ("docs/cli.md", "toml"): "examples/test_pages.py",
    ("docs/evidence.md", "sh"): "examples/test_pages.py",
    ("docs/life.md", "sh"): "examples/test_life_page.py",
    ("docs/nodes.md", "sh"): "examples/test_nodes_page.py",
    ("docs/nodes.md", "python"): "examples/test_nodes_page.py",
    ("docs/plan-hash.md", "json"): "golden/portfolio/test_plan_hash.py",
    ("docs/plugins.md", "sh"): "examples/test_pages.py",
    ("docs/plugins.md", "python"): "examples/test_plugins_page.py",
    ("docs/plugins.md", "toml"): "examples/test_pages.py",
    ("docs/scale.md", "sh"): "examples/test_pages.py",
    ("docs/settlement.md", "sh"): "examples/test_settlement_page.py",
    ("docs/settlement.md", "python"): "examples/test_settlement_page.py",
    ("docs/tutorial.md", "sh"): "examples/test_tutorial.py",
    ("docs/tutorial.md", "text"): "examples/test_tutorial.py",
    ("tbill_defi/automation/README.md", "toml"): "unit/automation/test_rules.py",
}
"""(page, language of blocks) -> the test that runs, reads or compares them; a block without a language is a drawing."""
PAGES = [page for folder in (".", "docs", "contracts", "bench") for page in sorted((ROOT / folder).glob("*.md"))]
PAGES += sorted((ROOT / "tbill_defi").rglob("*.md"))


def test_all_code_of_the_pages_is_tested():
    found = {
        (page.relative_to(ROOT).as_posix(), language)
        for page in PAGES
        for language in re.findall(r"^```(\w*)\n(?:.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        if language
    }
    assert found == set(SHOWN_BY)
    assert all((ROOT / "tests" / test).is_file() for test in SHOWN_BY.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_links_lead_somewhere(page):
    """To a file of the repository, and where one is named to a heading of it."""
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        place = page.parent / target if target else page
        assert place.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", place.read_text(), re.MULTILINE)
            assert heading in [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles], heading


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_what_a_page_names_is_there(page):
    """Public names of `td` and commands of `tbill`, in text as in code."""
    text = page.read_text()
    assert [name for name in re.findall(r"\btd\.([A-Za-z_]\w*)", text) if not hasattr(td, name)] == []
    code = "\n".join(re.findall(r"`(tbill [^`]*)`", text) + terminal.blocks(page))
    said = re.findall(r"(?<!\.)\btbill ([a-z]+)(?: ([a-z]+))?", code)
    groups = {name.partition("-")[0] for name in commands() if "-" in name}
    known = {(name, "") for name in {*groups, *commands()}} | {tuple(name.split("-", 1)) for name in commands()}
    assert [words for words in said if words not in known and (words[0] in groups or words[0] not in commands())] == []
