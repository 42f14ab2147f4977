"""Making and opening a desk's ledger: keys, passphrases, permissions, what is there already."""

import stat

import pytest

from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.errors import ConventionError, KeyStoreError, LedgerBusy, LedgerError, UsageError
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import ROLE_NAMES
from tbill_defi.ledger.open import create_ledger, desk_keys, keys_folder, ledger_url, open_ledger
from tests.unit.ledger.support import START, ring


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("TBILL_PASSPHRASE", "TBILL_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with a ledger and a random passphrase. Tests open it, or copy it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TBILL_PASSPHRASE", raising=False)
        create_ledger(home=home, at="2026-03-24T15:00", light_keys=True).close()
    return home


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made(made):
    assert {p.stem for p in keys_folder(made).glob("*.json")} == {*ROLE_NAMES, "desk", "dealer"}
    assert all(mode(p) == 0o600 for p in keys_folder(made).iterdir())
    assert mode(keys_folder(made)) == 0o700
    assert (made / "ledger" / "ledger.db").exists()
    assert not any(p.suffix == ".json" for p in (made / "ledger").iterdir()), "no key beside the journal"
    assert len((keys_folder(made) / "passphrase").read_text().strip()) >= 32


def test_open_by_home(made):
    with open_ledger(home=made) as ledger:
        assert ledger.books().parties() == ["dealer", "desk"]
        assert ledger.chain.now() > START
        with pytest.raises(LedgerBusy):
            open_ledger(home=made)
        with open_ledger(home=made, read_only=True) as reader:
            assert reader.books().parties() == ["dealer", "desk"]


def test_home_by_variable(made, monkeypatch):
    monkeypatch.setenv("TBILL_HOME", str(made))
    with open_ledger(read_only=True) as ledger:
        assert ledger.chain.url == ledger_url(made)


def test_there_is_one_already(made):
    with pytest.raises(LedgerError, match=r"there is one at .*ledger\.db; use it, or another home") as caught:
        create_ledger(home=made, light_keys=True)
    assert caught.value.code == "Exists"


def test_there_is_none(tmp_path):
    with pytest.raises(LedgerError, match=r"there is none at .*; make one with `tbill init`") as caught:
        open_ledger(home=tmp_path)
    assert caught.value.code == "NotFound"
    with pytest.raises(LedgerError) as caught:
        open_ledger(f"sqlite:///{tmp_path / 'no.db'}", keys=ring(), read_only=True)
    assert caught.value.code == "NotFound"
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_a_new_url_makes_a_ledger(tmp_path):
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    with open_ledger(url, keys=ring(), at="2026-08-21T15:00-04:00") as made:
        assert made.books().parties() == ["dealer", "desk"]
        height = made.chain.height
    with open_ledger(url, keys=ring("desk", "dealer")) as again:
        assert (again.market_date.isoformat(), again.chain.height) == ("2026-08-21", height)
    with pytest.raises(LedgerError, match="its clock was set when it was made") as caught:
        open_ledger(url, keys=ring(), at="2026-08-22T15:00-04:00")
    assert caught.value.code == "Exists"


def test_passphrase_file_is_its_owners(made):
    stored = keys_folder(made) / "passphrase"
    try:
        for others in (0o644, 0o640, 0o604, 0o602):
            stored.chmod(others)
            with pytest.raises(KeyStoreError, match="can be read by others; chmod 600"):
                open_ledger(home=made)
            with pytest.raises(KeyStoreError, match="can be read by others"):
                create_ledger("sqlite://", home=made, light_keys=True)
    finally:
        stored.chmod(0o600)


def test_wrong_passphrase(made, monkeypatch):
    monkeypatch.setenv("TBILL_PASSPHRASE", "not this one")
    with pytest.raises(KeyStoreError) as caught:
        open_ledger(home=made)
    assert "not this one" not in str(caught.value), "a passphrase is in no message"
    monkeypatch.delenv("TBILL_PASSPHRASE")
    open_ledger(home=made).close()


def test_no_passphrase(tmp_path):
    with pytest.raises(KeyStoreError, match="no passphrase: set TBILL_PASSPHRASE"):
        desk_keys(tmp_path)


def test_given_passphrase_is_not_stored(tmp_path, monkeypatch):
    create_ledger(home=tmp_path, at=START, passphrase="of mine", light_keys=True, parties=["desk"]).close()
    assert not (keys_folder(tmp_path) / "passphrase").exists()
    monkeypatch.setenv("TBILL_PASSPHRASE", "of mine")
    with open_ledger(home=tmp_path) as ledger:
        assert ledger.books().parties() == ["desk"]


def test_keys_that_are_there_are_used(tmp_path):
    """A second ledger of a home has the same parties under the same keys."""
    first = create_ledger("sqlite://", home=tmp_path, at=START, light_keys=True)
    second = create_ledger("sqlite://", home=tmp_path, at=START, light_keys=True)
    assert first.contracts == second.contracts
    assert first.address_of("desk") == second.address_of("desk")
    assert first.chain.chain_id != second.chain.chain_id, "no signature for one serves the other"
    first.close()
    second.close()


def test_claims_of_the_first_parties_hold_for_two_years():
    with create_ledger("sqlite://", keys=ring("desk"), at=START, parties=["desk"]) as ledger:
        registry = ledger.contracts.identity_registry
        expiry = ledger.call("IdentityRegistry", registry, "claimExpiry", b"desk".ljust(32, b"\0"))
        assert 0 <= expiry - START - 2 * 365 * 86_400 < 60


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", ""])
def test_a_time_that_is_none(at):
    with pytest.raises(UsageError, match="ISO 8601"):
        create_ledger("sqlite://", keys=ring("desk", "dealer"), at=at)


def test_another_operator(tmp_path):
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    create_ledger(url, keys=ring("desk", "dealer"), at=START).close()
    stranger = Keys.in_memory({"operator": SigningKey.from_seed("another")})
    with pytest.raises(LedgerError) as caught:
        open_ledger(url, keys=stranger)
    assert caught.value.code == "WrongOperator"
    open_ledger(url, keys=ring("desk", "dealer")).close()


@pytest.mark.parametrize(
    "wrong",
    [{"at": "bad"}, {"at": "1900-01-01T00:00"}, {"at": 2**60}, {"parties": ("a b",)}, {"parties": ("desk", "desk")}],
)
def test_what_cannot_be_made_leaves_nothing(tmp_path, wrong):
    with pytest.raises((UsageError, ConventionError)):
        create_ledger(home=tmp_path, light_keys=True, **wrong)
    assert list(tmp_path.iterdir()) == []
