"""`tbill kyc` and `tbill limits`: set, seen in plans, and refused when misused."""

import pytest

from tests.unit.cli.support import NOTE, refused
from tests.unit.cli.test_schemas import valid

LADDER = ("ladder", "--rungs", "4", "--longest-years", "3")
DOLLAR = 10**6


def test_kyc(tbill):
    (made,) = valid("kyc-add", tbill("kyc", "add", "fund", "--country", "826", "--until", "2027-06-30", "--json").out)
    assert (made["country"], made["claim_expiry"], made["valid"]) == (826, 1_814_414_399, True)
    assert (tbill.home / "keys" / "fund.json").exists()
    second = "0x" + "ab" * 20
    (two,) = valid("kyc-add", tbill("kyc", "add", "fund", "--wallet", second, "--json").out)
    assert two["wallets"] == [*made["wallets"], second]
    (gone,) = valid("kyc-revoke", tbill("kyc", "revoke", "fund", "--json").out)
    assert (gone["claim_expiry"], gone["valid"]) == (0, False)
    shown = valid("kyc-show", tbill("kyc", "show", "--json").out)
    assert [one["party"] for one in shown] == ["dealer", "desk", "fund"]
    assert "revoked" in tbill("kyc", "show", "fund").out


def test_a_claim_without_end_is_shown_as_such(tbill):
    """The queue's and the Treasury's, which are there once a window was opened."""
    words = ("--opens", "2026-03-24", "--closes", "2026-06-24", "--daily", "1000")
    assert tbill("early", "open", NOTE, *words).code == 0
    ran = tbill("kyc", "show")
    assert ran.code == 0, ran.err
    assert [line.split()[0] for line in ran.out.splitlines() if "without end" in line] == [
        "early-redemption",
        "treasury",
    ]


def test_kyc_misuse(tbill):
    refused(tbill("kyc", "add", "desk", "--country", "826"), 2, "country of desk", "840")
    refused(tbill("kyc", "add", "x", "--country", "1000"), 2, "country")
    refused(tbill("kyc", "add", "x", "--wallet", "0x12"), 2, "wallet")
    refused(tbill("kyc", "add", "oracle"), 2, "key of the ledger")
    refused(tbill("kyc", "add", "desk", "--until", "2020-01-01"), 2, "until")
    refused(tbill("kyc", "show", "nobody"), 7, "nobody")
    refused(tbill("kyc", "revoke", "nobody"), 7, "nobody")


def test_claims_of_trusted_issuers(tbill):
    assert valid("kyc-trust", tbill("kyc", "trust", "--json").out) == []
    (agency,) = valid("kyc-trust", tbill("kyc", "trust", "agency", "--topics", "kyc,investor", "--json").out)
    assert agency["topics"] == ["kyc", "investor"]
    words = ("--issuer", "agency", "--until", "2026-12-31", "--json")
    qualified = ("--topic", "investor", "--class", "qualified-purchaser", "--country", "840")
    (desk,) = valid("kyc-claim", tbill("kyc", "claim", "desk", *qualified, *words).out)
    (claim,) = desk["claims"]
    assert (claim["topic"], claim["class"], claim["country"]) == ("investor", "qualified-purchaser", 840)
    assert (claim["issuer"], claim["expiry"]) == (agency["issuer"], 1_798_779_599)
    assert "investor qualified-purchaser under the law of 840" in tbill("kyc", "show", "desk").out
    assert tbill("kyc", "revoke", "desk").code == 0
    (desk,) = tbill("kyc", "claim", "desk", "--topic", "kyc", *words).json
    assert (desk["valid"], desk["claim_expiry"]) == (True, claim["expiry"]), "as good as the registrar's"
    assert "no issuer is trusted" in tbill("kyc", "trust", "agency", "--topics", "none").out
    (desk,) = tbill("kyc", "show", "desk", "--json").json
    assert (desk["valid"], desk["claims"]) == (False, []), "what it said counts no longer"
    refused(tbill("kyc", "claim", "desk", "--topic", "kyc", "--issuer", "agency"), 2, "not trusted with kyc")
    assert tbill("kyc", "claim", "desk", "--topic", "investor", "--issuer", "agency", "--revoke").code == 0
    refused(tbill("kyc", "claim", "desk", "--topic", "investor", "--issuer", "agency", "--revoke"), 7, "ClaimNotFound")


def test_claims_misuse(tbill):
    refused(tbill("kyc", "trust", "agency"), 2, "--topics")
    refused(tbill("kyc", "trust", "oracle", "--topics", "kyc"), 2, "key of the ledger")
    refused(tbill("kyc", "trust", "agency", "--topics", "kyc,health"), 2, "health")
    assert tbill("kyc", "trust", "agency", "--topics", "kyc,investor").code == 0
    refused(tbill("kyc", "claim", "desk", "--topic", "investor", "--issuer", "agency"), 2, "class")
    refused(tbill("kyc", "claim", "desk", "--topic", "kyc", "--class", "retail", "--issuer", "agency"), 2, "class")
    refused(tbill("kyc", "claim", "nobody", "--topic", "kyc", "--issuer", "agency"), 7, "nobody")
    wrong = ("--topic", "kyc", "--country", "826", "--issuer", "agency")
    refused(tbill("kyc", "claim", "desk", *wrong), 7, "ClaimOfAnotherCountry", "826", "840")


def test_a_sanctioned_party(tbill):
    (desk,) = valid("kyc-sanction", tbill("kyc", "sanction", "desk", "--json").out)
    assert (desk["sanctioned"], desk["valid"]) == (True, False)
    assert tbill("kyc", "add", "desk", "--json").json[0]["valid"] is False, "no renewal lifts it"
    refused(tbill("rebalance", *LADDER, "--yes"), 6, "sanctions", "code 1")
    (desk,) = valid("kyc-sanction", tbill("kyc", "sanction", "desk", "--lift", "--json").out)
    assert desk["valid"]
    assert tbill("rebalance", *LADDER, "--yes").code == 0
    refused(tbill("kyc", "sanction", "desk", "nobody"), 7, "nobody")


def test_limits_set_and_shown(tbill):
    none = valid("limits", tbill("limits", "--json").out)
    assert (none["trade"], none["volume"], none["holding_cap"], none["country_rule"]) == (None, None, None, "any")
    words = ("--trade", "1,000,000", "--volume", "2500000", "--holding-cap", "9000000", "--admit", "826,840")
    value = valid("limits", tbill("limits", *words, "--json").out)
    assert (value["trade"], value["volume"], value["window_seconds"]) == (str(10**12), str(25 * 10**11), 86_400)
    assert (value["country_rule"], value["countries"]) == ("admit", [826, 840])
    desk = next(one for one in value["parties"] if one["party"] == "desk")
    assert int(desk["held"]) + int(desk["holding_left"]) == int(desk["holding_cap"]) == 9_000_000 * DOLLAR
    own = valid("limits", tbill("limits", "--party", "dealer", "--volume", "none", "--json").out)
    assert own["parties"][0]["volume"] is None
    back = valid("limits", tbill("limits", "--party", "dealer", "--general", "--json").out)
    assert back["parties"][0]["volume"] == str(25 * 10**11)
    assert "in any 24 h" in tbill("limits").out


def test_limits_misuse(tbill):
    refused(tbill("limits", "--window", "1w"), 2, "window")
    refused(tbill("limits", "--trade", "-5"), 2, "trade")
    refused(tbill("limits", "--admit", "840", "--refuse", "643"), 2, "not both")
    refused(tbill("limits", "--admit", "USA"), 2, "ISO 3166")
    refused(tbill("limits", "--party", "desk", "--trade", "5"), 2, "--trade is general")
    refused(tbill("limits", "--general"), 2, "--party")
    refused(tbill("limits", "--party", "nobody", "--volume", "5"), 7, "nobody")


def test_a_volume_of_ones_own_needs_a_window(tbill):
    """Without one nothing is counted: it would be stored and bind nobody."""
    refused(tbill("limits", "--party", "desk", "--volume", "500"), 2, "no window is in force", "--window 24h")
    assert tbill("limits", "--volume", "none", "--json").json["window_seconds"] == 0, "nothing to count"
    assert tbill("limits", "--window", "7d", "--json").json["window_seconds"] == 604_800
    (desk,) = tbill("limits", "--party", "desk", "--volume", "500", "--json").json["parties"]
    assert (desk["volume"], desk["volume_left"]) == (str(500 * DOLLAR), str(500 * DOLLAR))
    (desk,) = tbill("limits", "--party", "desk", "--holding-cap", "9000000", "--json").json["parties"]
    assert desk["volume"] == str(500 * DOLLAR), "one of two is set, the other stays"
    assert tbill("limits", "--volume", "none", "--json").json["window_seconds"] == 604_800, "desk's still counts"


@pytest.mark.parametrize(
    "words",
    [
        ("--trade", "500000"),
        ("--volume", "1200000"),
        ("--party", "desk", "--holding-cap", "7100000"),
    ],
    ids=lambda words: words[-2],
)
@pytest.mark.parametrize(
    "strategy",
    [LADDER, ("duration-target", "--max-weight=0.6", "--lower=1.5", "--upper=2.7")],
    ids=lambda words: words[0],
)
def test_a_plan_made_from_the_ledger_stays_within_its_limits_and_settles(tbill, words, strategy):
    assert tbill("limits", *words).code == 0
    made = valid("plan", tbill("plan", *strategy, "--json").out)
    assert any(made["context"]["dealing_limits"].values())
    names = {"--trade": "ledger trade limit", "--volume": "ledger volume", "--holding-cap": "ledger holding cap"}
    (report,) = (row for row in made["limits"] if row["name"] == names[words[-2]])
    assert report["unit"] == "$m"
    assert 0 <= report["value"] <= report["upper"]
    done = valid("rebalance", tbill("rebalance", *strategy, "--yes", "--json").out)
    assert done["execution"]["settled"]
    assert done["plan"]["hash"] == made["hash"]


def test_the_volume_of_two_plans_in_a_window(tbill):
    assert tbill("limits", "--volume", "1200000", "--window", "1h").code == 0
    assert tbill("rebalance", *LADDER, "--yes").code == 0
    left = tbill("limits", "--party", "desk", "--json").json["parties"][0]
    assert int(left["volume_left"]) < 10_000 * DOLLAR
    again = tbill("plan", *LADDER, "--json").json
    assert sum(int(leg["amount"]) for leg in again["legs"] if leg["asset"] != "USD") <= int(left["volume_left"])


def test_a_plan_by_hand_over_the_volume_is_refused_by_the_decisions(tbill, tmp_path):
    kept = tmp_path / "plan.json"
    assert tbill("plan", *LADDER, "--out", kept).code == 0
    assert tbill("limits", "--volume", "1200000").code == 0
    ran = tbill("rebalance", "--plan", kept, "--yes")
    refused(ran, 6, "volume", "code 12")


def test_a_lost_wallet(tbill):
    desk = tbill("kyc", "show", "desk", "--json").json[0]["wallets"][0]
    other = "0x" + "cd" * 20
    made = valid("kyc-recover", tbill("kyc", "recover", desk, "--to", other, "--json").out)
    assert (made["lost"], made["successor"], made["state"]) == (desk, other, "announced")
    refused(tbill("kyc", "recover", desk, "--confirm"), 7, "RecoveryTooEarly")
    before = tbill("wallet", "desk", "--json").json
    assert tbill("clock", "--to", "2026-03-26").code == 0
    assert "confirmed" in tbill("kyc", "recover", desk, "--confirm").out
    assert tbill("kyc", "show", "desk", "--json").json[0]["wallets"] == [other]
    after = tbill("wallet", "desk", "--json").json
    assert (after["cash"], [p["face"] for p in after["positions"]]) == (
        before["cash"],
        [p["face"] for p in before["positions"]],
    )
    refused(tbill("kyc", "recover", desk), 2, "one of")
    refused(tbill("kyc", "recover", desk, "--withdraw"), 7, "no recovery")


def test_a_security(tbill):
    cusip = tbill("wallet", "desk", "--json").json["positions"][0]["cusip"]
    assert valid("security", tbill("security", cusip, "--json").out) == {
        "cusip": cusip,
        "denomination": "1",
        "paused": False,
    }
    words = ("--pause", "--denomination", "100")
    value = valid("security", tbill("security", cusip, *words, "--json").out)
    assert (value["denomination"], value["paused"]) == (str(100 * DOLLAR), True)
    assert "open" in tbill("security", cusip, "--resume").out
    refused(tbill("security", "912797XX9"), 7, "no token")
    refused(tbill("security", cusip, "--denomination", "0"), 2, "denomination")
