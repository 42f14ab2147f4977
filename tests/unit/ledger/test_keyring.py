"""Keys by name, from memory and from a directory."""

import json
import stat

import pytest

from tbill_defi.chain.keys import SigningKey, create_keystore
from tbill_defi.core.errors import ConventionError, KeyStoreError
from tbill_defi.ledger.keyring import Keys

DESK = SigningKey.from_seed("desk")


def test_in_memory():
    keys = Keys.in_memory({"desk": DESK})
    assert keys.names() == ["desk"]
    assert keys.key("desk") is DESK
    made = keys.create("dealer")
    assert keys.key("dealer") is made
    assert keys.names() == ["dealer", "desk"]


def test_in_memory_refusals():
    keys = Keys.in_memory({"desk": DESK})
    with pytest.raises(KeyStoreError, match="'fund' is not there; the keys are desk"):
        keys.key("fund")
    with pytest.raises(KeyStoreError, match="there already"):
        keys.create("desk")
    with pytest.raises(KeyStoreError, match="the keys are none"):
        Keys.in_memory({}).key("desk")


def test_directory(tmp_path):
    folder = tmp_path / "keys"
    made = Keys(folder, "secret words", light=True).create("desk")
    again = Keys(folder, "secret words")
    assert again.names() == ["desk"]
    assert again.key("desk").address == made.address
    assert again.key("desk") is again.key("desk"), "opened once"
    assert stat.S_IMODE((folder / "desk.json").stat().st_mode) == 0o600


def test_directory_refusals(tmp_path):
    folder = tmp_path / "keys"
    Keys(folder, "right", light=True).create("desk")
    with pytest.raises(KeyStoreError, match="passphrase"):
        Keys(folder, "wrong").key("desk")
    with pytest.raises(KeyStoreError):
        Keys(folder, "right").create("desk")
    with pytest.raises(KeyStoreError, match="'dealer' is not there"):
        Keys(folder, "right").key("dealer")
    (folder / "desk.json").chmod(0o644)
    with pytest.raises(KeyStoreError, match="600"):
        Keys(folder, "right").key("desk")


@pytest.mark.parametrize("name", ["../desk", "a/b", "", ".hidden", "x" * 32])
def test_a_name_is_no_path(tmp_path, name):
    with pytest.raises((ConventionError, KeyStoreError)):
        Keys(tmp_path, "words").key(name)


def test_a_missing_directory_holds_no_key(tmp_path):
    assert Keys(tmp_path / "nowhere", "words").names() == []


def test_shows_names_only():
    shown = repr(Keys.in_memory({"desk": DESK}))
    assert shown == "Keys(desk)"


def test_a_key_is_found_by_its_address_without_its_passphrase(tmp_path):
    made = Keys(tmp_path, "words", light=True).create("desk")
    found = Keys(tmp_path, "other words")
    assert found.name_of(made.address) == "desk"
    assert found.name_of(DESK.address) is None
    assert Keys.in_memory({"pm": DESK}).name_of(DESK.address) == "pm"


def scrypt_of(folder, name):
    return json.loads((folder / f"{name}.json").read_text())["crypto"]["kdfparams"]["n"]


def test_new_keys_are_light_only_where_all_are(tmp_path):
    """As the ledger was made; one full key, or one that only says that it is light, and they are full."""
    light, full, mixed, marked = (tmp_path / name for name in ("light", "full", "mixed", "marked"))
    for folder in (light, mixed):
        Keys(folder, "words", light=True).create("operator")
    for folder in (full, mixed, marked):
        create_keystore(folder, "bank", "words")
    path = marked / "bank.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tbill_defi": {"light": True}}))
    for folder in (light, full, mixed, marked, tmp_path / "empty"):
        Keys(folder, "words").create("desk")
        assert (scrypt_of(folder, "desk") == 2**10) == (folder == light), folder.name
    Keys(light, "words", light=False).create("fund")
    assert scrypt_of(light, "fund") == 2**18
