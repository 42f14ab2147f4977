"""Keys sign, keystores keep them, and neither shows them."""

import json
import pickle

import pytest
from eth_account import Account

from tbill_defi.chain.keys import SigningKey, create_keystore, list_keystores, open_keystore, recover_address
from tbill_defi.core.errors import KeyStoreError, LedgerError
from tbill_defi.core.hashing import keccak256

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DIGEST = keccak256(b"a digest")


def test_address_is_the_one_of_eth_account():
    assert "0x" + SigningKey.from_seed("alice").address.hex() == Account.from_key(keccak256(b"alice")).address.lower()


def test_signature_is_recovered_and_low():
    for seed in map(str, range(40)):
        key = SigningKey.from_seed(seed)
        signature = key.sign_digest(DIGEST)
        assert len(signature) == 65
        assert int.from_bytes(signature[32:64], "big") <= ORDER // 2
        assert recover_address(DIGEST, signature) == key.address
        assert key.sign_digest(DIGEST) == signature


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(65), b"\x01" * 64 + b"\x1b\x1b", b"\x01" * 64 + b"\x00", b"\xff" * 64 + b"\x1b"],
)
def test_refuses_what_is_no_signature(signature):
    with pytest.raises(LedgerError) as caught:
        recover_address(DIGEST, signature)
    assert caught.value.code == "BadSignature"


def test_high_s_is_refused():
    key = SigningKey.from_seed("alice")
    signature = key.sign_digest(DIGEST)
    s = ORDER - int.from_bytes(signature[32:64], "big")
    mirrored = signature[:32] + s.to_bytes(32, "big") + bytes((27 + 28 - signature[64],))
    with pytest.raises(LedgerError, match="lower half"):
        recover_address(DIGEST, mirrored)


@pytest.mark.parametrize("secret", [b"", bytes(32), ORDER.to_bytes(32, "big"), b"\x01" * 33])
def test_refuses_what_is_no_key(secret):
    with pytest.raises(KeyStoreError):
        SigningKey(secret)


def test_shows_nothing_of_itself():
    key = SigningKey.from_seed("alice")
    secret = keccak256(b"alice").hex()
    assert repr(key) == f"SigningKey(0x{key.address.hex()})"
    assert secret not in repr(key) + str(key) + f"{key}"
    with pytest.raises(KeyStoreError):
        pickle.dumps(key)
    with pytest.raises(KeyStoreError):
        key.sign_digest(b"short")


def test_keystore_round_trip_and_mode(tmp_path):
    folder = tmp_path / "keys"
    key = create_keystore(folder, "desk", "correct horse", light=True)
    path = folder / "desk.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    opened = open_keystore(path, "correct horse")
    assert opened.address == key.address
    content = json.loads(path.read_text())
    assert content["tbill_defi"] == {"light": True}
    assert Account.from_key(Account.decrypt(content, "correct horse")).address.lower() == "0x" + key.address.hex()


def test_full_keystore_is_not_marked_and_has_the_full_scrypt(tmp_path):
    create_keystore(tmp_path, "desk", "x")
    content = json.loads((tmp_path / "desk.json").read_text())
    assert "tbill_defi" not in content
    assert content["crypto"]["kdfparams"]["n"] == 2**18
    (entry,) = list_keystores(tmp_path)
    assert (entry.name, entry.light) == ("desk", False)


def test_opens_what_eth_account_wrote(tmp_path):
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(Account.encrypt(keccak256(b"alice"), "pass", iterations=1024)))
    path.chmod(0o600)
    assert open_keystore(path, "pass").address == SigningKey.from_seed("alice").address


def test_stores_a_given_key_and_lists_by_name(tmp_path):
    given = SigningKey.from_seed("alice")
    create_keystore(tmp_path, "zoe", "a", light=True)
    create_keystore(tmp_path, "alice", "b", light=True, key=given)
    assert [(entry.name, entry.light) for entry in list_keystores(tmp_path)] == [("alice", True), ("zoe", True)]
    assert list_keystores(tmp_path)[0].address == given.address
    assert list_keystores(tmp_path / "none") == []


def test_wrong_passphrase_names_the_file_and_not_the_phrase(tmp_path):
    create_keystore(tmp_path, "desk", "correct horse", light=True)
    with pytest.raises(KeyStoreError, match=r"desk\.json: the passphrase is wrong") as caught:
        open_keystore(tmp_path / "desk.json", "battery staple")
    assert "battery" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_refuses_a_file_others_can_read(tmp_path, mode):
    create_keystore(tmp_path, "desk", "x", light=True)
    (tmp_path / "desk.json").chmod(mode)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        open_keystore(tmp_path / "desk.json", "x")
    with pytest.raises(KeyStoreError, match="chmod 600"):
        list_keystores(tmp_path)


def test_never_overwrites(tmp_path):
    key = create_keystore(tmp_path, "desk", "x", light=True)
    with pytest.raises(KeyStoreError, match="never overwritten"):
        create_keystore(tmp_path, "desk", "y", light=True)
    assert open_keystore(tmp_path / "desk.json", "x").address == key.address
    assert [path.name for path in tmp_path.iterdir()] == ["desk.json"]


def test_one_that_was_being_written_is_not_there(tmp_path, monkeypatch):
    """Whoever dies meanwhile leaves no half of a keystore under its name, and the next attempt makes it."""

    def dies(descriptor):
        raise SystemExit(f"killed before {descriptor} was on the disk")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", dies)
        with pytest.raises(SystemExit):
            create_keystore(tmp_path, "treasury", "x", light=True)
    assert list_keystores(tmp_path) == []
    key = create_keystore(tmp_path, "treasury", "x", light=True)
    assert open_keystore(tmp_path / "treasury.json", "x").address == key.address


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"address": "00"}', "not json", '{"address": "' + "00" * 20 + '"}'])
def test_refuses_what_is_no_keystore(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyStoreError, match=r"bad\.json"):
        open_keystore(path, "x")
    with pytest.raises(KeyStoreError, match="does not exist"):
        open_keystore(tmp_path / "none.json", "x")


def test_refuses_an_address_that_is_not_the_keys(tmp_path):
    create_keystore(tmp_path, "desk", "x", light=True)
    path = tmp_path / "desk.json"
    content = json.loads(path.read_text())
    content["address"] = "11" * 20
    path.write_text(json.dumps(content))
    with pytest.raises(KeyStoreError, match="is not the key's"):
        open_keystore(path, "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 2**40), ("n", 2**30), ("r", 10**9), ("p", 10**9), ("c", 10**12), ("dklen", 10**12), ("n", 0), ("n", "9")],
)
def test_a_keystore_that_would_take_for_ever_is_refused(tmp_path, name, value):
    """Its file says how much work and memory opening it is; anyone who can write there could stop every command."""
    create_keystore(tmp_path, "desk", "secret", light=True)
    path = tmp_path / "desk.json"
    content = json.loads(path.read_text())
    content["crypto"]["kdfparams"][name] = value
    path.write_text(json.dumps(content))
    with pytest.raises(KeyStoreError, match=rf"desk.json: kdfparams.{name} is not a whole number from 1 to"):
        open_keystore(path, "secret")


@pytest.mark.parametrize("change", [{"version": 4}, {"crypto": []}, {"crypto": {"kdfparams": 1}}, {"version": "3"}])
def test_another_keystore_is_refused(tmp_path, change):
    create_keystore(tmp_path, "desk", "secret", light=True)
    path = tmp_path / "desk.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(KeyStoreError, match="is not a version 3 keystore"):
        open_keystore(path, "secret")
