"""`tbill permit`: signed with a holder's key alone, submitted by another, used; and what it says of misuse."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tbill_defi.core.errors import LedgerError
from tbill_defi.ledger import permits
from tbill_defi.ledger.open import open_ledger
from tests.unit.cli.support import AT, NOTE, OTHER, refused, state
from tests.unit.cli.test_schemas import valid

DESK_FACE = 3_000_000 * 10**6


def signed(tbill, *words, asset=NOTE, amount="1000"):
    """A permit of the desk for the dealer: its file, and the document in it."""
    made = valid("permit-sign", tbill("permit", "sign", asset, "dealer", amount, *words, "--json").out)
    assert json.loads(Path(made["file"]).read_text()) == made["permit"]
    return made["file"], made["permit"]


def written(tbill, document, name="altered.json"):
    (tbill.home / name).write_text(json.dumps(document))
    return tbill.home / name


def allowed(tbill, asset=NOTE):
    return int(valid("permit-show", tbill("permit", "show", asset, "desk", "dealer", "--json").out)["allowance"])


def test_signed_with_one_key_sent_by_another_used_by_the_spender(tbill):
    """The signer has a copy of the ledger and his own keystore; the sender has every key but his."""
    signer = tbill.home.parent / "signer"
    shutil.copytree(tbill.home, signer)
    for path in (signer / "keys").glob("*.json"):
        if path.stem != "desk":
            path.unlink()
    (tbill.home / "keys" / "desk.json").rename(tbill.home.parent / "desk.json")
    before = state(signer)
    made = tbill("permit", "sign", NOTE, "dealer", "1,000", "--home", signer, "--out", "handover.json")
    assert (made.code, before) == (0, state(signer)), made.err
    assert "dealer may take 1,000 91282CNY3 of desk's, once handover.json is submitted" in made.out
    assert allowed(tbill) == 0
    done = valid("permit-send", tbill("permit", "send", "handover.json", "--by", "registrar", "--json").out)
    assert (done["owner"], done["spender"], done["allowance"]) == ("desk", "dealer", str(1_000 * 10**6))
    assert done["block"] > 0
    taken = valid("permit-draw", tbill("permit", "draw", NOTE, "desk", "400", "--json").out)
    assert taken["allowance"] == str(600 * 10**6)
    (position,) = tbill("wallet", "dealer", "--json").json["positions"]
    assert (position["cusip"], position["face"]) == (NOTE, str(400 * 10**6))
    refused(tbill("permit", "draw", NOTE, "desk", "600.01"), 7, "ERC20InsufficientAllowance", "allowance $600")
    refused(tbill("permit", "send", "handover.json"), 7, "nonce 0 has been used", "600000000 base units")


def test_the_document_is_one_that_wallets_sign(tbill):
    """eth-account signs the same document, without its signature, to the same bytes."""
    with open_ledger(home=tbill.home) as ledger:
        secret = ledger.keyring.key("desk")._key.secret
    for asset in (NOTE, "USD"):
        _, document = signed(tbill, asset=asset)
        bare = {key: value for key, value in document.items() if key != "signature"}
        message = encode_typed_data(full_message=bare)
        assert "0x" + Account.sign_message(message, secret).signature.hex() == document["signature"]
    other = {**document, "domain": {**document["domain"], "chainId": int(document["domain"]["chainId"])}}
    assert tbill("permit", "send", written(tbill, other)).code == 0, "numbers may be numbers, as wallets write them"


def test_who_was_first_with_anothers_permit_has_taken_nothing(tbill):
    file, _ = signed(tbill)
    assert tbill("permit", "send", file, "--by", "bank").code == 0
    second = tbill("permit", "send", file)
    assert (second.code, allowed(tbill)) == (0, 1_000 * 10**6)
    assert "another submitted it before; nothing was sent" in second.out
    assert valid("permit-send", tbill("permit", "send", file, "--json").out)["block"] is None


def test_first_between_the_question_and_the_transaction(tbill, monkeypatch):
    """The contract refuses it then, and the answer is the same."""
    permit = permits.Permit.from_json(signed(tbill)[1])
    with open_ledger(home=tbill.home) as ledger:

        def overtaken(steps):
            monkeypatch.undo()
            assert permits.send(ledger, permit, "bank").receipt
            return ledger.send(steps)

        monkeypatch.setattr(ledger, "send", overtaken)
        second = permits.send(ledger, permit, "dealer")
    assert (second.receipt, second.units) == (None, 1_000 * 10**6)


def test_nought_takes_an_allowance_back_and_order_is_kept(tbill):
    first, _ = signed(tbill)
    assert tbill("permit", "send", first).code == 0
    second, document = signed(tbill, amount="0")
    later = {**document, "message": {**document["message"], "nonce": "2"}}
    with open_ledger(home=tbill.home) as ledger:
        permit = permits.Permit.from_json(later)
        key = ledger.keyring.key("desk")
    third = replace(permit, signature=key.sign_digest(permit.digest))
    refused(tbill("permit", "send", written(tbill, third.to_json())), 7, "nonce is 2", "the permit 1", "comes first")
    assert allowed(tbill) == 1_000 * 10**6
    assert tbill("permit", "send", second).code == 0
    assert allowed(tbill) == 0


ALTERED = {
    ("message", "value"): (str(DESK_FACE), "altered"),
    ("message", "deadline"): (str(2**255), "altered"),
    ("message", "owner"): ("0x" + "ab" * 20, "altered"),
    ("message", "spender"): ("0x" + "ab" * 20, "altered"),
    ("message", "nonce"): ("1", "altered"),
    ("domain", "chainId"): ("1", "it is for the chain 1"),
    ("domain", "verifyingContract"): ("0x" + "ab" * 20, "is no token of this ledger"),
    ("domain", "name"): ("Treasury " + NOTE, "calls itself otherwise"),
}


@pytest.mark.parametrize(("part", "field"), sorted(ALTERED))
def test_an_altered_permit_is_refused(tbill, part, field):
    _, document = signed(tbill)
    value, words = ALTERED[part, field]
    altered = {**document, part: {**document[part], field: value}}
    before = state(tbill.home)
    path = written(tbill, altered)
    refused(tbill("permit", "send", path), 7, words)
    path.unlink()
    assert state(tbill.home) == before


def test_every_bit_of_the_signature_counts(tbill):
    _, document = signed(tbill)
    permit = permits.Permit.from_json(document)
    signature = int.from_bytes(permit.signature, "big")
    with open_ledger(home=tbill.home) as ledger:
        for bit in range(65 * 8):
            other = replace(permit, signature=(signature ^ 1 << bit).to_bytes(65, "big"))
            with pytest.raises(LedgerError) as refusal:
                permits.send(ledger, other, "dealer")
            assert refusal.value.code == "BadSignature"
        order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        twin = permit.signature[:32] + (order - int.from_bytes(permit.signature[32:64], "big")).to_bytes(32, "big")
        with pytest.raises(LedgerError, match="lower half"):
            permits.send(ledger, replace(permit, signature=twin + bytes((55 - permit.signature[64],))), "dealer")


def test_one_for_another_token_or_ledger_is_refused(tbill, tmp_path):
    """The same keys on a ledger of their own: another chain, other tokens."""
    file, document = signed(tbill)
    with open_ledger(home=tbill.home) as ledger:
        token = "0x" + ledger.require_token(OTHER).hex()
    moved = {**document, "domain": {**document["domain"], "verifyingContract": token}}
    refused(tbill("permit", "send", written(tbill, moved)), 7, "altered")
    other = tmp_path / "other"
    shutil.copytree(tbill.home, other)
    shutil.rmtree(other / "ledger")
    assert tbill("init", "--home", other, "--at", AT, "--light-keys").code == 0
    refused(tbill("permit", "send", file, "--home", other), 7, "it is for the chain")


def test_an_expired_one_is_refused(tbill):
    file, _ = signed(tbill, "--hours", "1")
    assert tbill("clock", "--to", "2026-03-24T16:30-04:00").code == 0
    refused(tbill("permit", "send", file), 7, "it could be submitted until 2026-03-24 16:00")
    assert allowed(tbill) == 0


def test_the_rules_hold_for_what_is_drawn(tbill):
    file, _ = signed(tbill)
    assert tbill("permit", "send", file).code == 0
    assert tbill("security", NOTE, "--pause").code == 0
    refused(tbill("permit", "draw", NOTE, "desk", "1"), 7, "the contract refuses")
    assert tbill("security", NOTE, "--resume").code == 0
    refused(tbill("permit", "draw", NOTE, "desk", "1", "--to", "0x" + "ab" * 20), 7, "the contract refuses")


def test_misuse(tbill):
    file, document = signed(tbill)
    refused(tbill("permit", "sign", NOTE, "nobody", "1"), 7, "nobody")
    refused(tbill("permit", "sign", "91282CNY4", "dealer", "1"), 7, "no token")
    refused(tbill("permit", "sign", NOTE, "dealer", "-1"), 2, "negative")
    refused(tbill("permit", "sign", NOTE, "dealer", "1", "--party", "pension"), 9, "pension")
    refused(tbill("permit", "sign", NOTE, "0x12", "1"), 2, "0x12")
    assert tbill("kyc", "add", "pension").code == 0
    (tbill.home / "keys" / "pension.json").write_bytes((tbill.home / "keys" / "dealer.json").read_bytes())
    refused(tbill("permit", "sign", NOTE, "dealer", "1", "--party", "pension"), 9, "not pension's wallet")
    for broken, words in (
        ({}, "types is missing"),
        ([], "types is missing"),
        ({**document, "primaryType": "Transfer"}, "another type"),
        ({**document, "domain": {**document["domain"], "salt": "0x00"}}, "its domain"),
        ({**document, "message": {**document["message"], "value": -1}}, "value: -1"),
        ({**document, "message": {**document["message"], "value": "9" * 100}}, "value"),
        ({**document, "message": {**document["message"], "owner": "0x12"}}, "owner"),
        ({**document, "signature": "zz"}, "signature"),
    ):
        refused(tbill("permit", "send", written(tbill, broken)), 3, words)
    (tbill.home / "none.json").write_text("{")
    refused(tbill("permit", "send", tbill.home / "none.json"), 3, "cannot be read as a permit")
    refused(tbill("permit", "send", file, "--by", "nobody"), 9, "nobody")
