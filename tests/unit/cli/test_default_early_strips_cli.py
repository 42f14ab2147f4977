"""`tbill default`, `call`, `early`, `strips`: what they do and print, and what they say of misuse."""

import json
from datetime import date

import pytest

import tbill_defi as td
from tbill_defi.core.hashing import keccak256
from tbill_defi.instruments import Note, strip
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tests.unit.cli.support import NOTE, OTHER, refused, strip_in_part
from tests.unit.cli.test_schemas import valid

DOLLAR = 10**6
SECOND_HALF = ("912833A02", "912833A03")
SOLD = "91282CAC7"
TERMS = {"kind": "note", "cusip": SOLD, "coupon": 0.04, "dated_date": "2026-03-24", "maturity_date": "2028-03-24"}
WINDOW = ("early", "open", OTHER, "--opens", "2026-03-24", "--closes", "2026-06-24", "--daily", "1000")
CALLABLE = {
    "kind": "corporate",
    "cusip": "594918CC4",
    "coupon": 0.05,
    "dated_date": "2026-03-24",
    "maturity_date": "2031-03-24",
    "call_schedule": [["2028-03-24", 102.0], ["2029-03-24", 101.0]],
}


def issue(tbill, terms, *to):
    path = tbill.home.parent / "terms.json"
    path.write_text(json.dumps(terms))
    assert tbill("issue", path, *(word for one in to for word in ("--to", one))).code == 0


def face(tbill, party, cusip):
    rows = tbill("wallet", party, "--json").json["positions"]
    return sum(int(row["face"]) for row in rows if row["cusip"] == cusip)


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "notice.pdf"
    path.write_bytes(b"notice of the trustee")
    return path


def test_default_recovery_and_cure(tbill, document):
    shown = valid("default-declare", tbill("default", "declare", NOTE, "--document", document, "--json").out)
    assert shown["evidence"] == "0x" + keccak256(document.read_bytes()).hex()
    refused(tbill("default", "declare", NOTE, "--document", document), 7, "SecurityInDefault")
    refused(
        tbill("early", "open", NOTE, "--opens", "2026-03-24", "--closes", "2026-03-24", "--daily", "1"), 2, "closes"
    )
    ran = tbill("rebalance", "ladder", "--rungs", "4", "--longest-years", "3", "--yes")
    refused(ran, 6, "the security is in default")
    before = int(tbill("wallet", "desk", "--json").json["cash"])
    assert "nothing" in tbill("default", "recover", NOTE, "0.3").out, "nobody held it when the day began"
    tbill("clock", "--to", "2026-03-25T09:00")
    paid = valid("default-recover", tbill("default", "recover", NOTE, "0.4", "--json").out)
    assert paid["paid"] == {"desk": str(1_200_000 * DOLLAR)}
    assert int(tbill("wallet", "desk", "--json").json["cash"]) == before + 1_200_000 * DOLLAR
    assert "nothing" in tbill("default", "recover", NOTE, "0.4").out, "paid once"
    refused(tbill("default", "recover", NOTE, "0.1"), 7, "name another day")
    (row,) = valid("default-show", tbill("default", "show", "--json").out)
    assert (row["cusip"], row["recovered"]) == (NOTE, str(1_200_000 * DOLLAR))
    assert NOTE in tbill("default", "show").out
    lifted = valid("default-lift", tbill("default", "lift", NOTE, "--document", document, "--json").out)
    assert lifted["in_default"] is False
    assert valid("default-show", tbill("default", "show", "--json").out) == []
    refused(tbill("default", "recover", NOTE, "0.1", "--date", "2026-03-23"), 7, "SecurityPerforms")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("default", "declare", NOTE, "--document", "nothing.pdf"), "nothing.pdf is not a file"),
        (("default", "recover", NOTE, "1.5"), "at most 1"),
        (("default", "recover", NOTE, "0.4", "--date", "2026-04-24"), "is payable on 2026-04-24"),
        (("call", NOTE, "2030-03-24"), "is a note, which cannot be called"),
        (("early", "cancel", "00"), "no request in a queue begins so"),
        (("early", "request", NOTE, "0"), "not a positive amount"),
        ((*WINDOW, "--cut-off", "25:00"), "'25:00' is not a time of the day such as 16:00"),
        ((*WINDOW, "--cut-off", "16:00-04:00"), "'16:00-04:00': a New York time, to the second"),
        (("strips", "strip", NOTE, "0"), "not a positive amount"),
        (("strips", "finish", "00"), "no act that is not complete begins so"),
        (("strips", "seize", "0x", "--to", "desk"), "no act that is not complete begins so"),
    ],
)
def test_misuse_is_named(tbill, words, says):
    refused(tbill(*words), 2, says)


def test_a_callable_bond_is_called_and_redeemed_at_its_price(tbill):
    issue(tbill, CALLABLE, "desk=1000@100")
    refused(tbill("call", CALLABLE["cusip"], "2028-03-25"), 4, "2028-03-24")
    notice = valid("call", tbill("call", CALLABLE["cusip"], "2028-03-24", "--json").out)
    assert (notice["price"], notice["payable"]) == (102.0, "2028-03-24")
    refused(tbill("call", CALLABLE["cusip"], "2029-03-24"), 7, "RedemptionAlreadyOpened")
    tbill("clock", "--to", "2028-03-24T09:00")
    assert tbill("coupon", "pay", CALLABLE["cusip"]).code == 0
    (payment,) = tbill("redeem", CALLABLE["cusip"], "--json").json["payments"]
    assert payment["paid"] == {"desk": str(1_020 * DOLLAR)}


def test_the_queue_from_a_window_to_the_last_request(tbill):
    words = ("--opens", "2026-03-24", "--closes", "2026-06-24", "--daily", "1000", "--price", "99.5")
    window = valid("early-open", tbill("early", "open", OTHER, *words, "--json").out)
    assert (window["price_e6"], window["minimum_face"]) == (99_500_000, str(100 * DOLLAR))
    assert window["cut_off"] == 16 * 3_600
    first = valid("early-request", tbill("early", "request", OTHER, "700", "--json").out)
    second = valid("early-request", tbill("early", "request", OTHER, "600", "--json").out)
    cut_off = window["opens_at"] + window["cut_off"]
    assert first["final_from"] == second["final_from"] == cut_off
    tbill("clock", "--to", "2026-03-24T16:00")
    assert valid("early-strike", tbill("early", "strike", OTHER, "--json").out)["struck"] == [], "no cash yet"
    assert valid("early-fund", tbill("early", "fund", OTHER, "5000", "--json").out)["funds"] == str(5_000 * DOLLAR)
    struck = valid("early-strike", tbill("early", "strike", OTHER, "--json").out)["struck"]
    assert [(row["face"], row["cash"]) for row in struck] == [
        (str(700 * DOLLAR), str(696_500_000)),
        (str(300 * DOLLAR), str(298_500_000)),
    ]
    (shown,) = valid("early-show", tbill("early", "show", "--json").out)
    assert [(row["request_id"], row["face"]) for row in shown["queue"]] == [(second["request_id"], str(300 * DOLLAR))]
    assert second["request_id"][:18] in tbill("early", "show").out
    refused(tbill("early", "cancel", first["request_id"]), 2, "no request")
    leaves = valid("early-cancel", tbill("early", "cancel", second["request_id"][:12], "--json").out)
    assert (leaves["party"], leaves["face"], leaves["leaves_at"]) == ("desk", "0", cut_off + 86_400)
    refused(tbill("early", "cancel", second["request_id"]), 7, "RequestFinal")
    (shown,) = valid("early-show", tbill("early", "show", "--json").out)
    assert [(row["final_from"], row["leaves_at"]) for row in shown["queue"]] == [(cut_off, cut_off + 86_400)]
    assert "2026-03-25 16:00:00" in tbill("early", "show").out
    tbill("clock", "--to", "2026-03-25T16:00")
    back = valid("early-cancel", tbill("early", "cancel", second["request_id"][:12], "--json").out)
    assert (back["party"], back["face"], back["leaves_at"]) == ("desk", str(300 * DOLLAR), 0)
    assert face(tbill, "desk", OTHER) == 3_999_000 * DOLLAR
    refused(tbill("early", "collect", OTHER, "desk"), 7, "NothingToCollect")


def test_units_that_could_not_be_given_back_are_collected(tbill, document):
    words = ("--opens", "2026-03-24", "--closes", "2026-06-24", "--daily", "1000", "--price", "99.5")
    assert tbill("early", "open", OTHER, *words).code == 0
    asked = tbill("early", "request", OTHER, "700", "--json").json["request_id"]
    assert tbill("kyc", "revoke", "desk").code == 0
    assert tbill("early", "cancel", asked).code == 0
    assert face(tbill, "desk", OTHER) == 3_999_300 * DOLLAR, "his claim is revoked"
    assert tbill("kyc", "add", "desk").code == 0
    done = valid("early-collect", tbill("early", "collect", OTHER, "desk", "--json").out)
    assert done["position"] == str(4_000_000 * DOLLAR)


def pieces(tmp_path, *changes):
    """A file that names every piece of the note; changes replace lines of the text."""
    note = Note(cusip=SOLD, coupon=0.04, dated_date=date(2026, 3, 24), maturity_date=date(2028, 3, 24))
    days = sorted({piece.maturity_date for piece in strip(note)})
    rows = [f"{day},912833A{number:02d}" for number, day in enumerate(days)]
    text = "\n".join(("date,cusip", *rows, "principal,912820AA7")) + "\n"
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "pieces.csv"
    path.write_text(text)
    return path


def test_strips_there_and_back(tbill, tmp_path):
    issue(tbill, TERMS, "desk=1000@99.5")
    named = valid("strips-name", tbill("strips", "name", SOLD, pieces(tmp_path), "--json").out)
    assert [row["fraction"] for row in named["pieces"]] == [[1, 50]] * 4 + [[1, 1]]
    refused(tbill("strips", "name", SOLD, pieces(tmp_path)), 7, "PiecesAlreadyNamed")
    apart = valid("strips-strip", tbill("strips", "strip", SOLD, "600", "--json").out)
    assert apart["pieces"]["912820AA7"] == str(600 * DOLLAR)
    assert apart["pieces"]["912833A00"] == str(12 * DOLLAR)
    assert face(tbill, "desk", SOLD) == 400 * DOLLAR
    together = valid("strips-reconstitute", tbill("strips", "reconstitute", SOLD, "100", "--json").out)
    assert together["pieces"]["912820AA7"] == str(100 * DOLLAR)
    assert face(tbill, "desk", SOLD) == 500 * DOLLAR
    refused(tbill("strips", "reconstitute", SOLD, "100", "--party", "dealer"), 7, "ERC20InsufficientBalance")
    tbill("clock", "--to", "2026-09-24T09:00")
    (payment,) = tbill("redeem", "912833A00", "--json").json["payments"]
    assert payment["paid"] == {"desk": str(10 * DOLLAR)}, "a strip is paid by itself, its terms are kept"


def test_what_is_to_come_of_a_strip_is_seized_and_delivered(tbill, tmp_path):
    """The desk's command was cut off and it is on the list; a court gives the rest to the dealer."""
    issue(tbill, TERMS, "desk=1000@99.5")
    assert valid("strips-show", tbill("strips", "show", "--json").out) == []
    assert "under way" in tbill("strips", "show").out
    strip_in_part(tbill.home, "desk", TERMS, pieces(tmp_path), 1_000 * DOLLAR, 2)
    (act,) = valid("strips-show", tbill("strips", "show", "--json").out)
    assert (act["kind"], act["party"], act["face"], act["pieces_left"]) == ("strip", "desk", str(1_000 * DOLLAR), 3)
    assert act["act_id"][:18] in tbill("strips", "show").out
    said = tbill("holdings", "export", tmp_path / "desk.csv").out
    assert f"not in the file: what is to come of 1,000.00 {SOLD}" in said
    assert tbill("kyc", "sanction", "desk").code == 0
    refused(tbill("strips", "finish", act["act_id"]), 7, "ERC7943CannotReceive")
    refused(tbill("strips", "seize", act["act_id"][:12], "--to", "nobody"), 7, "nobody")
    seized = valid("strips-seize", tbill("strips", "seize", act["act_id"][:12], "--to", "dealer", "--json").out)
    assert (seized["from"], seized["party"], seized["pieces_left"]) == ("desk", "dealer", 3)
    done = valid("strips-finish", tbill("strips", "finish", act["act_id"], "--json").out)
    assert done["pieces"] == {"912820AA7": str(1_000 * DOLLAR), **dict.fromkeys(SECOND_HALF, str(20 * DOLLAR))}
    assert (face(tbill, "dealer", "912820AA7"), face(tbill, "desk", "912833A00")) == (1_000 * DOLLAR, 20 * DOLLAR)
    refused(tbill("strips", "seize", act["act_id"], "--to", "dealer"), 2, "no act that is not complete")
    assert tbill("books", "index").code == 0
    assert tbill("books", "reconcile").code == 0


def test_a_reconstitution_that_was_cut_off_is_given_up(tbill, tmp_path):
    issue(tbill, TERMS, "desk=1000@99.5")
    assert tbill("strips", "name", SOLD, pieces(tmp_path)).code == 0
    assert tbill("strips", "strip", SOLD, "1000").code == 0
    with td.open_ledger(home=tbill.home) as ledger:
        data = encode_call("Stripping", "reconstitute", ledger.require_token(SOLD), 1_000 * DOLLAR, 2)
        ledger.send([Step("desk", ledger.contracts.stripping, data)])
    tbill("clock", "--to", "2026-09-24T09:00")
    (act,) = tbill("strips", "show", "--json").json
    refused(tbill("strips", "finish", act["act_id"]), 7, "PaymentDatePassed")
    assert "2 strips of 91282CAC7 delivered" in tbill("strips", "finish", act["act_id"], "--give-up").out
    assert face(tbill, "desk", "912833A00") == 20 * DOLLAR


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((("date,cusip", "day;cusip"),), "its first line is not date,cusip"),
        ((("principal,912820AA7\n", ""),), "no row names the principal"),
        ((("2026-09-24", "2026-09-25"),), "date 2026-09-24 has no row"),
        ((("2026-09-24", "2027-03-24"),), "line 3: 2027-03-24 is named twice"),
        ((("912820AA7", "912820"),), "'912820' is not nine characters"),
    ],
)
def test_a_file_of_pieces_is_looked_at(tbill, tmp_path, changes, says):
    issue(tbill, TERMS, "desk=1000@99.5")
    ran = tbill("strips", "name", SOLD, pieces(tmp_path, *changes))
    refused(ran, ran.code, says)
    assert ran.code in (2, 3, 4)
