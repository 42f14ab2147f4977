"""`tbill vote`: what it does and prints, and what it says of misuse."""

import json

import pytest

from tbill_defi.core.hashing import keccak256
from tests.unit.cli.support import NOTE, OTHER, refused
from tests.unit.cli.test_schemas import valid

DOLLAR = 10**6
HELD = 3_000_000


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "resolution.txt"
    path.write_bytes(b"Resolved: the paying agent is replaced.\n")
    return path


@pytest.fixture
def opened(tbill, document):
    """On the day after the deposit: who had nothing when the day began has no vote."""
    tbill("clock", "--to", "2026-03-25T09:00")
    words = ("--document", document, "--until", "2026-04-02", "--json")
    return valid("vote-open", tbill("vote", "open", NOTE, *words).out)


def test_a_vote_from_its_opening_to_the_record(tbill, document, opened):
    assert opened["text_hash"] == "0x" + keccak256(document.read_bytes()).hex()
    assert (opened["status"], opened["outstanding"]) == ("open", str(HELD * DOLLAR))
    assert (opened["threshold"], opened["more_than"], opened["of_outstanding"]) == ([1, 2], True, False)
    vote = opened["vote_id"][:10]
    cast = valid("vote-cast", tbill("vote", "cast", vote, "against", "--json").out)
    assert [(row["holder"], row["weight"]) for row in cast["positions"]] == [("desk", str(HELD * DOLLAR))]
    assert cast["vote"]["against"] == str(HELD * DOLLAR)
    shown = tbill("vote", "cast", vote, "FOR").out
    assert "desk votes for with 3,000,000.00" in shown
    assert "carried as it stands" in shown
    refused(tbill("vote", "close", vote), 7, "VotingGoesOn")
    (row,) = valid("vote-show", tbill("vote", "show", vote, "--json").out)
    assert [(at["voter"], at["choice"]) for at in row["positions"]] == [("desk", "for")]
    assert "Positions" in tbill("vote", "show", vote).out
    tbill("clock", "--to", "2026-04-03T09:00")
    refused(tbill("vote", "cast", vote, "none"), 7, "VotingOver")
    closed = valid("vote-close", tbill("vote", "close", vote, "--json").out)
    assert (closed["status"], closed["recorded"], closed["carries"]) == ("carried", True, True)
    refused(tbill("vote", "close", vote), 7, "VoteNotOpen")
    (row,) = valid("vote-show", tbill("vote", "show", "--json").out)
    assert row == closed
    assert "carried" in tbill("vote", "show").out


def test_a_party_signs_and_another_brings_it(tbill, tmp_path, opened):
    vote, file = opened["vote_id"][:10], tmp_path / "ballots.json"
    cast = valid("vote-cast", tbill("vote", "cast", vote, "for", "--sign", file, "--json").out)
    assert (cast["sent"], cast["vote"]["in_favour"]) == (False, "0")
    brought = valid("vote-submit", tbill("vote", "submit", file, "--json").out)
    assert brought["vote"]["in_favour"] == str(HELD * DOLLAR)
    refused(tbill("vote", "submit", file), 7, "BallotOutOfTurn")
    assert "1 signed in" in tbill("vote", "cast", vote, "against", "--sign", file).out
    (ballot,) = json.loads(file.read_text())
    file.write_text(json.dumps([ballot | {"choice": "for"}]))
    refused(tbill("vote", "submit", file), 7, "BallotNotSigned")
    file.write_text(json.dumps([ballot]))
    assert "1 ballot counted" in tbill("vote", "submit", file).out


def test_called_off(tbill, opened):
    vote = opened["vote_id"]
    withdrawn = valid("vote-withdraw", tbill("vote", "withdraw", vote, "--json").out)
    assert withdrawn["status"] == "withdrawn"
    refused(tbill("vote", "cast", vote, "for"), 7, "VoteNotOpen")
    assert "withdrawn" in tbill("vote", "show", vote).out


def test_a_threshold_of_what_is_outstanding(tbill, document):
    words = ("--document", document, "--until", "2026-04-02", "--at-least", "2/3", "--outstanding", "--quorum", "0.5")
    tbill("clock", "--to", "2026-03-25T09:00")
    made = valid("vote-open", tbill("vote", "open", OTHER, *words, "--json").out)
    assert (made["threshold"], made["more_than"], made["of_outstanding"]) == ([2, 3], False, True)
    assert made["quorum_bp"] == 5_000
    refused(tbill("vote", "open", OTHER, *words), 7, "VoteAlreadyOpened")
    assert "at least 2/3 of what is outstanding, quorum 50%" in tbill("vote", "show", made["vote_id"]).out


def test_who_had_nothing_has_no_vote(tbill, opened):
    refused(
        tbill("vote", "cast", opened["vote_id"], "for", "--party", "dealer"),
        7,
        "dealer had no units at the record time",
    )


def test_a_record_of_today_is_over_and_of_tomorrow_is_not(tbill, document):
    words = ("vote", "open", NOTE, "--document", document, "--until", "2026-04-02")
    refused(tbill(*words), 7, "NothingOutstanding")
    for day in ("2026-03-25", "1950-01-01"):
        refused(tbill(*words, "--record", day), 7, "RecordTimeOutOfRange", "at most 60 days ago")
    refused(tbill(*words[:-1], "2026-03-23"), 7, "DeadlineOutOfRange", "180 days at most")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--until", "2026-04-02", "--document", "nothing.txt"), "nothing.txt is not a file"),
        (("--until", "April"), "'April' is not a date"),
        (("--until", "2026-04-02", "--at-least", "2/0"), "is not a fraction"),
        (("--until", "2026-04-02", "--at-least", "1.5"), "not between 0 and 1"),
        (("--until", "2026-04-02", "--at-least", "0"), "no threshold"),
        (("--until", "2026-04-02", "--at-least", "1e-30000000"), "at-least: '1e-30000000' is not a fraction"),
        (("--until", "2026-04-02", "--quorum", "1e-30000000"), "quorum: '1e-30000000' is not a fraction"),
        (("--until", "2026-04-02", "--at-least", "1/" + "9" * 5_000), "is not a fraction"),
        (("--until", "2026-04-02", "--quorum", "1/3"), "basis points"),
    ],
)
def test_misuse_of_open_is_named(tbill, document, words, says):
    refused(tbill("vote", "open", NOTE, "--document", document, *words), 2, says)


def test_other_misuse_is_named(tbill, tmp_path, opened):
    refused(tbill("vote", "cast", "ff", "for"), 7, "tbill vote show")
    refused(tbill("vote", "cast", opened["vote_id"], "yes"), 2, "none of for, against, abstain, none")
    file = tmp_path / "none.json"
    refused(tbill("vote", "submit", file), 2, "is not a file")
    for text, code, says in (
        ("{", 3, "is not JSON"),
        ("[]", 3, "no list"),
        ('[{"choice": "for"}]', 3, "vote_id is missing"),
    ):
        file.write_text(text)
        refused(tbill("vote", "submit", file), code, says)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vote_id", 1),
        ("vote_id", "0x12"),
        ("holder", "11" * 20),
        ("account", "0x" + "zz" * 32),
        ("choice", "maybe"),
        ("choice", 1),
        ("nonce", -1),
        ("nonce", True),
        ("nonce", 2**256),
        ("signature", ["0x"]),
    ],
)
def test_what_is_wrong_of_a_ballot_is_named(tbill, tmp_path, opened, field, value):
    file = tmp_path / "ballots.json"
    assert tbill("vote", "cast", opened["vote_id"], "for", "--sign", file).code == 0
    (ballot,) = json.loads(file.read_text())
    file.write_text(json.dumps([{**ballot, field: value}]))
    refused(tbill("vote", "submit", file), 3, f"ballot: {field}: {value!r}"[:60], "vote cast --sign")


def test_nobody_was_asked(tbill):
    assert "nobody was asked" in tbill("vote", "show").out
    assert tbill("vote", "show", "--json").json == []
