"""`tbill roles`, `stop`, `resume`, `keys rotate`: slow changes, one that is at once, and no key ever shown."""

import json
from datetime import UTC, datetime

import pytest

from tests.unit.cli.support import refused
from tests.unit.cli.test_schemas import valid
from tests.unit.ledger.test_proofs import verifier

STRANGER = "0x" + "ab" * 20
DAY = 86_400


def address_in(keystore):
    return "0x" + json.loads(keystore.read_text())["address"].lower().removeprefix("0x")


def moved(tbill, until):
    assert tbill("clock", "--to", datetime.fromtimestamp(until, UTC).isoformat()).code == 0


def rotated(tbill, name, *words):
    """Rotations until it is done: what each call waited for."""
    waits = []
    while True:
        found = valid("keys-rotate", tbill("keys", "rotate", name, *words, "--json").out)
        if found["until"] is None:
            return waits, found
        waits.append(found["waits"])
        moved(tbill, found["until"])


def test_who_holds_what(tbill):
    shown = valid("roles-show", tbill("roles", "show", "--json").out)
    held = {(row["role"], row["name"]) for row in shown["roles"]}
    assert {("ADMIN", "timelock"), ("ISSUER", "issuer"), ("ISSUER", "issuance"), ("GUARDIAN", "guardian")} <= held
    assert [row["name"] for row in shown["roles"] if row["role"] == "ADMIN"] == ["timelock"]
    assert shown["operations"] == []
    assert "timelock" in tbill("roles", "show").out


def test_a_grant_waits_and_is_carried_out(tbill):
    made = valid("roles-propose", tbill("roles", "propose", "grant", "limits", STRANGER, "--json").out)
    assert (made["state"], made["calls"]) == ("waiting", [f"grant LIMITS to {STRANGER}"])
    digits = made["id"][2:12]
    refused(tbill("roles", "execute", digits), 7, "waits in the timelock until")
    moved(tbill, made["due"])
    done = valid("roles-execute", tbill("roles", "execute", digits, "--json").out)
    assert (done["state"], done["due"]) == ("done", None)
    refused(tbill("roles", "execute", digits), 7, "carried out already")
    shown = valid("roles-show", tbill("roles", "show", "--json").out)
    (row,) = (one for one in shown["roles"] if one["address"] == STRANGER)
    assert row["since"] >= made["due"] + DAY
    assert "2026" in tbill("roles", "show").out


def test_a_veto(tbill):
    made = valid("roles-propose", tbill("roles", "propose", "revoke", "CASH_ISSUER", STRANGER, "--json").out)
    gone = valid("roles-veto", tbill("roles", "veto", made["id"], "--json").out)
    assert gone["state"] == "vetoed"
    refused(tbill("roles", "veto", made["id"]), 7, "was vetoed")
    refused(tbill("roles", "execute", made["id"]), 7, "was vetoed")


def test_misuse(tbill):
    refused(tbill("roles", "propose", "give", "LIMITS", STRANGER), 2, "action", "grant")
    refused(tbill("roles", "propose", "grant", "KING", STRANGER), 2, "role", "ISSUER")
    refused(tbill("roles", "propose", "grant", "ADMIN", STRANGER), 2, "role")
    refused(tbill("roles", "propose", "grant", "LIMITS"), 2, "account")
    refused(tbill("roles", "propose", "grant", "LIMITS", "0x12"), 2, "account")
    refused(tbill("roles", "propose", "renew-stop", "LIMITS"), 2, "role")
    refused(tbill("roles", "execute", "xyz"), 2, "operation")
    refused(tbill("roles", "execute", "00"), 7, "there is none")
    shown = valid("roles-show", tbill("roles", "show", "--json").out)
    issuer = next(row["address"] for row in shown["roles"] if row["name"] == "issuer")
    refused(tbill("roles", "propose", "grant", "ENFORCER", issuer), 7, "holds ISSUER", "nobody holds two")
    refused(tbill("keys", "rotate", "admin"), 2, "holds nothing")
    refused(tbill("keys", "rotate", "operator", "--lost"), 2, "only the operator's own key")
    refused(tbill("keys", "rotate", "nobody"), 7, "no role and no party")
    refused(tbill("resume"), 7, "NotStopped")


def test_stop_and_resume(tbill):
    assert valid("status", tbill("status", "--json").out)["ledger"]["stopped_until"] is None
    found = valid("stop", tbill("stop", "--json").out)
    assert found["seconds_left"] == 0
    assert valid("status", tbill("status", "--json").out)["ledger"]["stopped_until"] == found["stopped_until"]
    assert "STOPPED until" in tbill("status").out
    refused(tbill("stop"), 7, "LedgerStopped")
    refused(tbill("cash", "deposit", "dealer", "USD", "5"), 7, "LedgerStopped")
    plan = tbill("rebalance", "ladder", "--rungs", "4", "--longest-years", "3", "--yes")
    assert plan.code == 6
    assert "the ledger is stopped" in plan.err
    left = valid("resume", tbill("resume", "--json").out)
    assert 71 * 3600 < left["seconds_left"] < 72 * 3600
    assert tbill("cash", "deposit", "dealer", "USD", "5").code == 0
    again = valid("stop", tbill("stop", "--json").out)
    moved(tbill, again["stopped_until"])
    assert valid("status", tbill("status", "--json").out)["ledger"]["stopped_until"] is None
    refused(tbill("stop"), 7, "StopUsedUp")
    renewal = valid("roles-propose", tbill("roles", "propose", "renew-stop", "--json").out)
    assert renewal["calls"] == ["renew the guardian's 72 hours"]
    moved(tbill, renewal["due"])
    assert tbill("roles", "execute", renewal["id"]).code == 0
    assert "stopped until" in tbill("stop").out


@pytest.mark.parametrize("name", ["compliance", "guardian", "governor"])
@pytest.mark.parametrize("words", [(), ("--lost",)], ids=["in order", "lost"])
def test_a_role_is_rotated(tbill, name, words):
    keystore = tbill.home / "keys" / f"{name}.json"
    old = address_in(keystore)
    waits, done = rotated(tbill, name, *words)
    assert waits == (["timelock"] if name == "governor" else ["timelock", "grant"])
    assert done["old"] == old
    assert address_in(keystore) == done["new"] != old
    assert keystore.stat().st_mode & 0o077 == 0
    kept = tbill.home / "keys" / f"{name}-{old[2:10]}.retired"
    assert address_in(kept) == old
    assert not (tbill.home / "keys" / f"{name}-next.json").exists()
    shown = valid("roles-show", tbill("roles", "show", "--json").out)
    assert done["old"] not in {row["address"] for row in shown["roles"]}
    works = {"compliance": ("limits", "--trade", "5000000"), "guardian": ("stop",)}
    assert tbill(*works.get(name, ("roles", "propose", "renew-stop"))).code == 0


def test_the_operator_is_rotated(tbill, tmp_path):
    """Heads, checkpoints and proofs of before hold, and whoever knows the first key follows to the new one."""
    keystore = tbill.home / "keys" / "operator.json"
    old = address_in(keystore)
    first = json.loads(tbill("audit", "checkpoint").out)
    head, kept = tmp_path / "head.json", tmp_path / "checkpoint.json"
    head.write_text(tbill("audit", "head").out)
    kept.write_text(json.dumps(first))
    waits, done = rotated(tbill, "operator")
    assert (waits, done["old"]) == ([], old)
    assert address_in(keystore) == done["new"] != old
    assert address_in(tbill.home / "keys" / f"operator-{old[2:10]}.retired") == old
    assert json.loads(tbill("status", "--json").out)["ledger"]["operator"] == done["new"]
    assert tbill("cash", "deposit", "desk", "USD", "5").code == 0
    verified = tbill("audit", "verify", "--head", head, "--checkpoint", kept)
    assert verified.code == 0, verified.err
    assert done["new"] in verified.out
    kept.write_text(tbill("audit", "checkpoint").out)
    assert tbill("audit", "verify", "--checkpoint", kept).code == 0
    proof = tmp_path / "proof.json"
    assert tbill("audit", "prove", "USD", "desk", "--out", proof).code == 0
    now = json.loads(kept.read_text())["operator"]
    for key in (first["operator"], now):
        assert verifier.verify(proof.read_bytes(), key)["holder"] == "desk"
    with pytest.raises(ValueError, match="not signed by the operator"):
        verifier.verify(proof.read_bytes(), "02" + "11" * 32)


def test_a_party_is_rotated_and_keeps_all_it_has(tbill):
    before = json.loads(tbill("wallet", "desk", "--json").out)
    waits, done = rotated(tbill, "desk")
    assert waits == ["recovery"]
    after = json.loads(tbill("wallet", "desk", "--json").out)
    faces = [{row["cusip"]: row["face"] for row in value["positions"]} for value in (before, after)]
    assert faces[0] == faces[1]
    assert after["cash"] == before["cash"]
    assert after["addresses"] == [done["new"]]
    assert tbill("rebalance", "ladder", "--rungs", "4", "--longest-years", "3", "--yes").code == 0


def test_no_key_is_shown(tbill, monkeypatch):
    from tbill_defi.chain import keys

    secrets, make = [], keys.SigningKey.generate

    def generate():
        key = make()
        secrets.append(key._key.secret.hex())
        return key

    monkeypatch.setattr(keys.SigningKey, "generate", generate)
    said = ""
    for words in (("keys", "rotate", "bank"), ("keys", "rotate", "bank", "--json"), ("roles", "show")):
        ran = tbill("--log", "json", "--log-level", "debug", *words)
        said += ran.out + ran.err
    passphrase = (tbill.home / "keys" / "passphrase").read_text().strip()
    assert secrets
    assert not any(secret in said for secret in (*secrets, passphrase))
