"""Settings files: TOML text of a stated size, and one clear error."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tbill_defi.core.errors import DataError


def read_toml(file: Path, *, what: str, max_bytes: int) -> dict[str, Any]:
    """The tables of a TOML file.

    Parameters
    ----------
    what
        What the file is, such as "a keeper file".

    Raises
    ------
    DataError
        If the file is not there, cannot be read, is larger than `max_bytes`, or is not UTF-8 text in TOML.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise DataError(f"{file}: more than {max_bytes:,} bytes is not {what}")
        return tomllib.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file; write {what} there, or name another") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not UTF-8 text, so not TOML") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and numbers and nesting beyond Python's limits
        raise DataError(f"{file}: is not TOML: {error}") from None
