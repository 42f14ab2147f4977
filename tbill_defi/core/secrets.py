"""Texts without the secrets in them, to be shown and logged."""

from __future__ import annotations

import re

_PARTS = re.compile(r"(\s*[A-Za-z0-9+.\-]*)(:?/{0,3})(.*)", re.DOTALL)
_QUERY = re.compile(r"([?&][^=&]*(?:pass|pwd|secret)[^=&]*=)[^&]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """A database's URL, or what was meant as one, with stars in place of any password.

    A file of SQLite has none; of a URL that is misspelt more is hidden rather than less.
    """
    parts = _PARTS.fullmatch(url)
    if parts is None or parts[1].strip().lower().startswith("sqlite"):
        return url
    user, at, place = parts[3].rpartition("@")
    name = re.split("[:@]", user)[0]
    if at and (name != user or "/" not in parts[2]):
        name = f"{name}:" if "/" in parts[2] else ""
        return _QUERY.sub(r"\1***", f"{parts[1]}{parts[2]}{name}***@{place}")
    return _QUERY.sub(r"\1***", url)


def has_two_ats(url: str) -> bool:
    """Whether it cannot be told where the password of a server's URL ends: others would show part of it."""
    return not url.strip().lower().startswith("sqlite") and url.partition("?")[0].count("@") > 1
