"""`tbill mandate`: an account is made, dealt for by its manager within limits, and refused beyond them."""

import shutil

import pytest

from tbill_defi.ledger.open import open_ledger
from tbill_defi.ledger.oracle import Oracle
from tests.unit.cli.support import refused
from tests.unit.cli.test_schemas import valid

DOLLAR = 10**6
POSITIONS = "cusip,face,cost_price\n91282CPP0,4000000,\n91282CQE4,3000000,\nUSD,500000,\n"
SET = ("mandate", "set", "pension", "--manager", "pm")
BAND = ("--duration", "1.5:2.9", "--max-weight", "0.7", "--turnover", "0.5", "--window", "30d", "--slippage-bp", "5")
TARGET = ("duration-target", "--max-weight=0.6", "--party", "pension")


@pytest.fixture(scope="module")
def _managed(tmp_path_factory):
    """A home with a funded, recognised account, made once."""
    return tmp_path_factory.mktemp("managed") / "home"


@pytest.fixture
def managed(tbill, _managed, tmp_path):
    """`tbill` with the pension's account."""
    if not _managed.exists():
        positions = tmp_path / "pension.csv"
        positions.write_text(POSITIONS)
        for words in (
            (*SET, *BAND),
            ("holdings", "import", positions, "--party", "pension"),
            ("oracle", "publish", "--all"),
            ("mandate", "recognise", "pension", "--by", "pm"),
        ):
            assert tbill(*words).code == 0
        shutil.copytree(tbill.home, _managed)
    shutil.rmtree(tbill.home)
    shutil.copytree(_managed, tbill.home)
    return tbill


def rebalance(tbill, *words):
    return tbill("rebalance", *TARGET, "--yes", "--approve-by", "pm", *words, "--json")


def a_day_later(tbill):
    """A block in a day: a simulated clock goes on from the head."""
    with open_ledger(home=tbill.home) as ledger:
        ledger.chain.advance_clock(86_400)
        ledger.deposit("dealer", {}, 1)


def test_set_and_show(managed):
    value = valid("mandate-show", managed("mandate", "show", "pension", "--json").out)
    assert value["mandate"] == {
        "duration_min_e6": 1_500_000,
        "duration_max_e6": 2_900_000,
        "issue_cap_bp": 7_000,
        "turnover_bp": 5_000,
        "window_seconds": 30 * 86_400,
        "slippage_bp": 5,
    }
    assert value["positions"] == {"91282CPP0": str(4 * 10**12), "91282CQE4": str(3 * 10**12)}
    assert (value["cash"], value["unrecognised"], value["announced"]) == (str(500_000 * DOLLAR), {}, None)
    (identity,) = managed("kyc", "show", "pension", "--json").json
    assert identity["wallets"] == [value["account"]]
    assert "duration 1.5 to 2.9 y" in managed("mandate", "show", "pension").out


def test_a_plan_inside_settles_by_the_managers_signature(managed):
    made = valid("rebalance", rebalance(managed, "--lower", "2", "--upper", "2.4", "--turnover", "0.4").out)
    assert made["execution"]["settled"]
    value = managed("mandate", "show", "pension", "--json").json
    wallet = managed("wallet", "pension", "--json").json
    assert value["positions"] == {row["cusip"]: row["face"] for row in wallet["positions"]}
    assert value["cash"] == wallet["cash"]
    assert int(value["turnover"]) > 0


def test_only_the_manager_approves(managed):
    words = ("rebalance", *TARGET, "--turnover", "0.4", "--yes")
    for other in (("--approve-by", "pension"), ("--approve-by", "desk")):
        refused(managed(*words, *other), 5, "approve-by", "name the manager's key")
    key = managed.home / "keys" / "pm.json"
    key.rename(managed.home / "pm.json")
    refused(managed(*words), 5, "approve-by", "name the manager's key")
    assert managed("tape", "--json").json == []
    (managed.home / "pm.json").rename(key)
    done = managed(*words, "--json").json
    assert done["execution"]["approved_by"] == "pm", "whose key is here, where none is named"


def test_a_plan_is_made_within_the_mandate_and_says_what_binds(managed):
    """The strategy asks for more; the mandate's slippage and turnover are limits of the programme."""
    made = valid("plan", managed("plan", *TARGET, "--lower", "2", "--upper", "2.4", "--json").out)
    limits = {row["name"]: row for row in made["limits"] if row["name"].startswith("mandate")}
    assert list(limits) == ["mandate duration", "mandate issue cap", "mandate turnover", "mandate slippage"]
    assert all(row["slack"] >= 0 for row in limits.values())
    binding = [name for name, row in limits.items() if row["shadow_price_bp"] > 0]
    assert binding
    assert made["context"]["dealing_limits"]["mandate"]["turned_units"] == "0"
    out = managed("plan", *TARGET, "--lower", "2", "--upper", "2.4").out
    assert "Limits that bind" in out
    assert all(name in out for name in binding)


def test_what_is_left_of_the_turnover_is_the_next_plans_limit(managed):
    assert rebalance(managed, "--lower", "2", "--upper", "2.4").json["execution"]["settled"]
    used = managed("mandate", "show", "pension", "--json").json["turnover"]
    made = managed("plan", "bullet", "--years", "2.5", "--party", "pension", "--json").json
    assert made["context"]["dealing_limits"]["mandate"]["turned_units"] == used
    (turnover,) = (row for row in made["limits"] if row["name"] == "mandate turnover")
    assert turnover["slack"] >= 0
    assert turnover["value"] > int(used) / 1e6 / made["after"]["nav"] * 0.999
    assert any("cut from $" in order["reason"] and "mandate" in order["reason"] for order in made["orders"])
    assert managed("rebalance", "bullet", "--years", "2.5", "--party", "pension", "--yes").code == 0


def test_infeasible_names_the_least_to_relax_with_its_unit(managed):
    before = managed("mandate", "show", "pension", "--json").json
    for words in ((), ("--dry-run",)):
        ran = rebalance(managed, "--lower", "0.5", "--upper", "1.4", "--turnover", "0.9", *words)
        refused(ran, 5, "no portfolio satisfies the limits; relax ", "duration by 0.", " years")
    assert managed("mandate", "show", "pension", "--json").json == before
    assert managed("tape", "--json").json == []


def test_a_plan_that_was_made_elsewhere_is_refused_before_anything_is_sent(managed, tmp_path):
    """The same holdings from a file: no ledger, no mandate; the contract stops it."""
    positions = tmp_path / "elsewhere.csv"
    positions.write_text(POSITIONS)
    file = tmp_path / "plan.json"
    words = ("--lower", "0.5", "--upper", "1.4", "--turnover", "0.9", "--holdings", positions, "--out", file)
    assert managed("plan", *TARGET, *words).code == 0
    for more in (("--yes",), ("--dry-run",)):
        ran = managed("rebalance", "--plan", file, *more)
        refused(ran, 6, "mandate of", "duration would be 1.", "1.500000 to 2.900000 is allowed", "nothing was sent")
    assert managed("tape", "--json").json == []


def test_without_fresh_prices_a_plan_says_so(managed):
    with open_ledger(home=managed.home) as ledger:
        Oracle(ledger).set_rules(max_move_bp=300, interval=60, max_age=1)
        ledger.chain.advance_clock(5)
        ledger.deposit("dealer", {}, 1)
    refused(managed("plan", *TARGET), 5, "no fresh price of 91282CPP0, 91282CQE4", "tbill oracle publish")


def test_tighter_at_once_looser_after_the_delay(managed):
    tighter = valid("mandate-set", managed("mandate", "set", "pension", "--duration", "2:2.8", "--json").out)
    assert (tighter["mandate"]["duration_min_e6"], tighter["announced"]) == (2_000_000, None)
    looser = valid("mandate-set", managed("mandate", "set", "pension", "--turnover", "0.9", "--json").out)
    assert looser["mandate"]["turnover_bp"] == 5_000
    assert looser["announced"]["turnover_bp"] == 9_000
    assert looser["announced_from"] - looser["time"] in (86_399, 86_400)
    refused(managed("mandate", "apply", "pension"), 7, "TooEarly", "2026-03-25 ", "EDT")
    a_day_later(managed)
    applied = valid("mandate-apply", managed("mandate", "apply", "pension", "--json").out)
    assert applied["mandate"]["turnover_bp"] == 9_000


def test_withdrawal_by_announcement(managed):
    words = ("mandate", "withdraw", "pension", "--asset", "USD", "--amount", "1000", "--to", "desk", "--json")
    value = valid("mandate-withdraw", managed(*words).out)
    assert (value["number"], value["withdrawn"]) == (1, False)
    refused(managed("mandate", "withdraw", "pension", "--number", "1"), 7, "TooEarly", str(value["due"]))
    a_day_later(managed)
    assert valid("mandate-withdraw", managed(*words[:3], "--number", "1", "--json").out)["withdrawn"]
    assert managed("mandate", "show", "pension", "--json").json["cash"] == str(499_000 * DOLLAR)


def test_a_plan_of_empty_books_names_the_cure(tbill, tmp_path):
    positions = tmp_path / "pension.csv"
    positions.write_text(POSITIONS)
    assert tbill(*SET, *BAND).code == 0
    assert tbill("holdings", "import", positions, "--party", "pension").code == 0
    refused(tbill("plan", "ladder", "--party", "pension"), 5, "`tbill mandate recognise pension` takes it in")


def test_what_arrives_is_dealt_with_only_when_recognised(managed, tmp_path):
    more = tmp_path / "more.csv"
    more.write_text("cusip,face,cost_price\n91282CPP0,1000,\nUSD,7,\n")
    assert managed("holdings", "import", more, "--party", "pension", "--add").code == 0
    value = managed("mandate", "show", "pension", "--json").json
    assert value["unrecognised"] == {"91282CPP0": str(1_000 * DOLLAR), "USD": str(7 * DOLLAR)}
    made = managed("plan", *TARGET, "--json").json
    assert made["inputs"]["holdings"]["cash"] == str(500_000 * DOLLAR)
    after = valid("mandate-recognise", managed("mandate", "recognise", "pension", "--json").out)
    assert after["unrecognised"] == {}


def test_misuse_is_named(tbill):
    refused(tbill("mandate", "show", "desk"), 7, "no managed account", "mandate set desk")
    refused(tbill("mandate", "set", "pension"), 2, "--manager")
    refused(tbill(*SET, "--duration", "3:2"), 2, "duration")
    refused(tbill(*SET, "--max-weight", "1.5"), 2, "max-weight")
    refused(tbill(*SET, "--slippage-bp", "2000"), 2, "slippage-bp")
    refused(tbill(*SET, "--window", "5"), 2, "window")
    refused(tbill("mandate", "set", "desk", "--manager", "pm"), 2, "desk holds assets")
    refused(tbill("mandate", "set", "pension", "--manager", "pricer-1"), 2, "key of the ledger")
    refused(tbill("mandate", "set", "pension", "--manager", "pension"), 2, "owner's own key")
    refused(tbill("mandate", "withdraw", "pension"), 2, "--number")
    refused(tbill(*SET, "--delay", "30m"), 2, "delay: 1800 s", "an hour")
    for name in ("treasury", "repo-facility", "option-book", "registrar"):
        refused(tbill("mandate", "set", name, "--manager", "pm"), 2, "key of the ledger")
    assert not {"pm.json", "pension.json"} & {path.name for path in (tbill.home / "keys").iterdir()}


def test_misuse_of_an_account_that_is_there_is_named(managed):
    refused(managed("mandate", "set", "pension", "--manager", "pricer-1"), 2, "key of the ledger")
    refused(managed("mandate", "set", "pension", "--manager", "pension"), 2, "owner's own key")
    refused(managed("mandate", "set", "pension", "--delay", "2d"), 2, "made with 86400 s")
    for number in ("-1", "0", "1", str(2**256)):
        ran = managed("mandate", "withdraw", "pension", "--number", number)
        refused(ran, 7, f"pension has announced no withdrawal {number}")
    refused(managed("mandate", "apply", "pension"), 7, "NothingAnnounced")
    words = ("mandate", "recognise", "pension", "--asset", "USD", "--by", "desk")
    refused(managed(*words), 7, "NotOwnerOrManager", "desk")


def test_a_keeper_deals_for_the_account(managed):
    """Within the mandate, with the manager's key; the account's own name approves nothing."""
    rule = (
        '[rules.band]\nparty = "pension"\napproval = "key:{key}"\n'
        'trigger = {{ kind = "schedule", every = "daily", at = "09:30" }}\n'
        'action = {{ kind = "rebalance", strategy = "duration-target", '
        "settings = {{ lower = 2.0, upper = 2.4, max_weight = 0.6 }} }}\n"
    )
    (managed.home / "keeper.toml").write_text(rule.format(key="desk"))
    assert "name the manager's key" in managed("keeper", "run", "--once").out
    assert managed("tape", "--json").json == []
    (managed.home / "keeper.toml").write_text(rule.format(key="pm"))
    assert managed("keeper", "run", "--once").code == 0
    (settled,) = managed("tape", "--json").json
    assert settled["plan_hash"]
    assert int(managed("mandate", "show", "pension", "--json").json["turnover"]) > 0
