"""Settings of a desk: what a flag says, else the environment, else a TOML file, else the default.

The file is the one that TBILL_CONFIG names, else `tbill.toml` in the working folder, else `tbill/config.toml` in the
user's configuration folder (XDG_CONFIG_HOME, else ~/.config). No secret is a setting: a passphrase is in its own
variable or file, and a URL with a password too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from tbill_defi.core.errors import UsageError
from tbill_defi.core.toml_file import read_toml

PREFIX = "TBILL_"
FILE_VARIABLE = "TBILL_CONFIG"
LOCAL_FILE = "tbill.toml"
LARGEST_FILE = 64 * 1024

DEFAULT = "default"


class Settings(BaseSettings):
    """What can be set once for all commands.

    Attributes
    ----------
    home
        Folder with market files, ledger, keys and plans; a relative one is of the working folder.
    log
        Where structured logs go to stderr: "off", "text" one line each, "json" one document a line.
    log_level
        The least that is logged.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    home: Path = Field(Path(".tbill"), description="folder with market files, ledger, keys and plans")
    log: Literal["off", "text", "json"] = Field("off", description="structured logs on stderr")
    log_level: Literal["debug", "info", "warning"] = Field("info", description="the least that is logged")


@dataclass(frozen=True)
class Configuration:
    """Settings and where each one is from.

    Attributes
    ----------
    file
        The file that was read; None if there is none.
    sources
        Setting -> "flag", "environment", "file" or "default".
    """

    settings: Settings
    file: Path | None
    sources: Mapping[str, str]


def configuration(flags: Mapping[str, Any] | None = None) -> Configuration:
    """The settings in force.

    Parameters
    ----------
    flags
        What the command line says; None values say nothing.

    Raises
    ------
    UsageError
        If a value is not one that its setting takes, or the file has a name that is no setting: names it and where it
        is from.
    DataError
        If the file that TBILL_CONFIG names is not there, or the file is not TOML.
    """
    file = _file()
    found: dict[str, tuple[Any, str]] = {}
    if file is not None:
        table = read_toml(file, what="a table of settings", max_bytes=LARGEST_FILE)
        found |= {name: (value, "file") for name, value in table.items()}
    found |= {name: (value, "environment") for name, value in EnvSettingsSource(Settings)().items()}
    found |= {name: (value, "flag") for name, value in (flags or {}).items() if value is not None}
    try:
        settings = Settings.model_validate({name: value for name, (value, _) in found.items()})
    except ValidationError as error:
        raise UsageError(_refusal(error, found, file)) from None
    sources = {name: found[name][1] if name in found else DEFAULT for name in Settings.model_fields}
    return Configuration(settings, file, sources)


def _file() -> Path | None:
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    users = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "tbill" / "config.toml"
    return next((file for file in (Path(LOCAL_FILE), users) if os.path.lexists(file)), None)


def _refusal(error: ValidationError, found: Mapping[str, tuple[Any, str]], file: Path | None) -> str:
    """One line: the setting, its value, where it is from, and what would be right."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    value, source = found[name]
    place = {"file": f"{file}", "environment": f"{PREFIX}{name.upper()}", "flag": f"--{name.replace('_', '-')}"}[source]
    if first["type"] == "extra_forbidden":
        return f"{place}: {name!r} is no setting; there are {', '.join(Settings.model_fields)}"
    return f"{place}: {name} = {value!r} is wrong: {first['msg'][:1].lower()}{first['msg'][1:]}"
