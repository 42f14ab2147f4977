"""feeds.toml: other addresses and limits for the feeds, such as a mirror's or a test server's.

```toml
[limits]
timeout_seconds = 10

[treasury]
base = "https://mirror.example/daily-treasury-rates.csv"

[fred]
enabled = false
```
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.toml_file import read_toml
from tbill_defi.market.sync.feeds import FEEDS, Feed
from tbill_defi.market.sync.fetcher import Limits

FILE_NAME = "feeds.toml"
MAX_BYTES = 65_536
M = TypeVar("M", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Limits(_Strict):
    timeout_seconds: float = Field(Limits().timeout_seconds, gt=0, le=600)
    total_seconds: float = Field(Limits().total_seconds, gt=0, le=3_600)
    max_bytes: int = Field(Limits().max_bytes, ge=1_000, le=64 * 2**20)
    attempts: int = Field(Limits().attempts, ge=1, le=10)
    backoff_seconds: float = Field(Limits().backoff_seconds, ge=0, le=60)
    patience_seconds: float = Field(Limits().patience_seconds, ge=0, le=3_600)
    pause_seconds: float = Field(Limits().pause_seconds, ge=0, le=60)


class _Feed(_Strict):
    base: str | None = None
    enabled: bool = True

    @field_validator("base")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://host")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("is not an http or https address without ? and #")
        return value


@dataclass(frozen=True)
class FeedSettings:
    """The feeds that are on, in the order in which they are asked, and the limits of all."""

    feeds: tuple[Feed, ...]
    limits: Limits

    def only(self, names: list[str] | None) -> tuple[Feed, ...]:
        """The feeds of these names; all, if none is named.

        Raises
        ------
        UsageError
            If one is not known or not on.
        """
        known = [feed.name for feed in self.feeds]
        for name in names or ():
            if name not in known:
                off = " (it is not enabled)" if name in FEEDS else ""
                raise UsageError(f"feed: {name!r} is not one of {', '.join(known)}{off}")
        return tuple(feed for feed in self.feeds if not names or feed.name in names)


def read_feeds(path: Path | None, home: Path) -> FeedSettings:
    """Settings of a file; None: feeds.toml in the home, if it is there, else as the publishers have them.

    Raises
    ------
    DataError
        Naming file, table, field, value and what is right.
    """
    file = path or home / FILE_NAME
    raw = read_toml(file, what="a file of feeds", max_bytes=MAX_BYTES) if path or os.path.lexists(file) else {}
    for name, table in raw.items():
        if name != "limits" and name not in FEEDS:
            raise DataError(f"{file}: [{name}] is not known; known are limits, {', '.join(FEEDS)}")
        if not isinstance(table, dict):
            raise DataError(f"{file}, {name}: {table!r} is not a table")
    limits = _checked(file, "limits", _Limits, raw.get("limits", {}))
    feeds = []
    for name, feed in FEEDS.items():
        found = _checked(file, name, _Feed, raw.get(name, {}))
        if found.enabled:
            feeds.append(replace(feed, base=found.base or feed.base))
    if not feeds:
        raise DataError(f"{file}: no feed is enabled")
    return FeedSettings(tuple(feeds), Limits(**limits.model_dump()))


def _checked(file: Path, table: str, model: type[M], values: dict[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        raise DataError(f'{file}, [{table}], field "{field}": {str(first["input"])[:60]!r}: {what}') from None
