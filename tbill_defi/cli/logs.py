"""Structured logs on stderr: what happened, as one line of text or one JSON document each.

An event has a short name and fields; it names parties, heights and hashes, never a key, a passphrase or a URL with a
password. Modules log events with `logging`; here they get their form.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbill_defi.core.settings import Settings

ROOT = "tbill_defi"
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def start_logging(settings: Settings) -> None:
    """Send events of the framework to stderr in the form that the settings ask for; "off" leaves warnings."""
    logger = logging.getLogger(ROOT)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    if settings.log == "off":
        logger.setLevel(logging.WARNING)
        return
    handler.setFormatter(JsonLines() if settings.log == "json" else TextLines())
    logger.setLevel(settings.log_level.upper())


class JsonLines(logging.Formatter):
    """{"time", "level", "logger", "event", fields...}; time is UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """One document on one line."""
        head = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        return json.dumps(head | _fields(record), default=_plain, allow_nan=False)


class TextLines(logging.Formatter):
    """Time of the day in UTC, level, logger, event, then name=value of each field."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        fields = " ".join(f"{name}={_plain(value)}" for name, value in _fields(record).items())
        name = record.name.removeprefix(f"{ROOT}.")
        return " ".join(f"{moment} {record.levelname.lower():<7} {name}: {record.getMessage()} {fields}".split("\n"))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}


def _plain(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
