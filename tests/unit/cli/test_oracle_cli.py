"""`tbill oracle` as a desk uses it, and what it says of misuse."""

from tests.unit.cli.support import NOTE, OTHER, refused
from tests.unit.cli.test_schemas import valid


def test_publish_show_and_rules(tbill):
    before = valid("oracle-show", tbill("oracle", "show", "--json").out)
    assert (before["prices"], before["missing"]) == ([], sorted([NOTE, OTHER]))
    done = valid("oracle-publish", tbill("oracle", "publish", "--json").out)
    assert (done["rounds"], done["securities"], len(done["signers"]), done["excluded"]) == ([1], 2, 2, {})
    shown = valid("oracle-show", tbill("oracle", "show", "--json").out)
    assert [row["cusip"] for row in shown["prices"]] == sorted([NOTE, OTHER])
    assert not any(row["stale"] for row in shown["prices"])
    assert len(shown["pricers"]) == 3
    assert {"pricer-1.json", "pricer-2.json", "pricer-3.json"} <= {p.name for p in (tbill.home / "keys").iterdir()}
    rules = valid("oracle-rules", tbill("oracle", "rules", "--max-move-bp", "50", "--json").out)["rules"]
    assert (rules["max_move_bp"], rules["interval"], rules["max_age"]) == (50, 60, 345_600)
    assert NOTE in tbill("oracle", "show").out
    assert "50 bp" in tbill("oracle", "rules").out


def test_misuse_is_named(tbill):
    refused(tbill("oracle", "publish", "--all", "--cusip", NOTE), 2, "not both")
    refused(tbill("oracle", "publish", "--cusip", "000000000"), 2, "not in the market", "000000000")
    refused(tbill("oracle", "publish", "--date", "2026-03-21"), 3, "Saturday")
    refused(tbill("oracle", "rules", "--interval", "-1"), 2, "--interval")
    assert tbill("oracle", "publish").code == 0
    refused(tbill("oracle", "publish"), 7, "TooSoon", NOTE)


def test_a_stale_and_a_jumped_price_are_named_with_their_cure(tbill):
    """The sample's next days: beyond a bound of 1 bp, which more signatures pass; an old day is too old."""
    assert tbill("oracle", "rules", "--max-move-bp", "1").code == 0
    assert tbill("oracle", "publish").code == 0
    (before, _) = tbill("oracle", "show", "--json").json["prices"]
    assert tbill("clock", "--to", "2026-03-30T10:00").code == 0
    assert "stale" in tbill("oracle", "show").out
    refused(tbill("oracle", "publish", "--date", "2026-03-24"), 7, "RoundTooOld", "later date")
    jumped = tbill("oracle", "publish")
    refused(jumped, 7, "PriceMoveTooLarge", f"last {before['clean_price']}", "maxMoveBp 1", "publish --confirm")
    assert tbill("oracle", "show", "--json").json["prices"][0] | {"stale": False} == before
    confirmed = valid("oracle-publish", tbill("oracle", "publish", "--confirm", "--json").out)
    assert len(confirmed["signers"]) == 3
    assert not any(row["stale"] for row in tbill("oracle", "show", "--json").json["prices"])
