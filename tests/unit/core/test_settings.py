"""Settings: flag before environment before file before default, each with its source, and one line for a fault."""

import pytest

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.home import home_path
from tbill_defi.core.settings import Settings, configuration


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch, tmp_path):
    for name in ("TBILL_HOME", "TBILL_LOG", "TBILL_LOG_LEVEL", "TBILL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "users"))
    monkeypatch.chdir(tmp_path)


def test_defaults():
    found = configuration()
    assert (str(found.settings.home), found.settings.log, found.settings.log_level) == (".tbill", "off", "info")
    assert set(found.sources.values()) == {"default"}
    assert found.file is None


def test_each_source_comes_before_the_next(tmp_path, monkeypatch):
    (tmp_path / "tbill.toml").write_text('home = "of-file"\nlog = "text"\nlog_level = "debug"\n')
    monkeypatch.setenv("TBILL_LOG", "json")
    monkeypatch.setenv("TBILL_LOG_LEVEL", "warning")
    found = configuration({"log_level": "info", "log": None})
    assert str(found.settings.home) == "of-file"
    assert (found.settings.log, found.settings.log_level) == ("json", "info")
    assert found.sources == {"home": "file", "log": "environment", "log_level": "flag"}
    assert str(home_path()) == "of-file"
    assert str(home_path("named")) == "named"


def test_the_file_named_comes_before_the_working_folders_and_that_before_the_users(tmp_path, monkeypatch):
    users = tmp_path / "users" / "tbill"
    users.mkdir(parents=True)
    (users / "config.toml").write_text('home = "users"\n')
    assert str(configuration().settings.home) == "users"
    (tmp_path / "tbill.toml").write_text('home = "local"\n')
    assert str(configuration().settings.home) == "local"
    (tmp_path / "named.toml").write_text('home = "named"\n')
    monkeypatch.setenv("TBILL_CONFIG", str(tmp_path / "named.toml"))
    assert str(configuration().settings.home) == "named"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('hoem = "x"\n', ("tbill.toml", "'hoem' is no setting", "home, log, log_level")),
        ('log = "xml"\n', ("tbill.toml", "log = 'xml'", "'off', 'text' or 'json'")),
        ("home = 3\n", ("tbill.toml", "home = 3", "path")),
    ],
)
def test_a_wrong_file_is_named_with_the_setting(tmp_path, text, words):
    (tmp_path / "tbill.toml").write_text(text)
    with pytest.raises(UsageError) as refusal:
        configuration()
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_a_wrong_variable_or_flag_is_named(monkeypatch):
    monkeypatch.setenv("TBILL_LOG", "xml")
    with pytest.raises(UsageError, match=r"^TBILL_LOG: log = 'xml'"):
        configuration()
    monkeypatch.delenv("TBILL_LOG")
    with pytest.raises(UsageError, match=r"^--log-level: log_level = 'loud'"):
        configuration({"log_level": "loud"})


def test_a_file_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("TBILL_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(DataError, match="there is no such file"):
        configuration()
    (tmp_path / "gone.toml").write_text("home = [")
    with pytest.raises(DataError, match="is not TOML"):
        configuration()


def test_no_secret_is_a_setting():
    assert not {"passphrase", "password", "key"} & set(Settings.model_fields)
