"""Settings files: TOML text of a stated size, and one clear error."""

from __future__ import annotations

import errno
import tomllib
from pathlib import Path
from typing import Any

from tbill_defi.core.errors import DataError
from tbill_defi.core.files import read_text

MOST_DOTS = 500
"""In a line: a key of many parts takes the parser the square of them."""


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
        text = read_text(file, max_bytes).replace("\r\n", "\n")
        if max(line.count(".") for line in text.split("\n")) > MOST_DOTS:
            raise DataError(f"{file}: a line with more than {MOST_DOTS} dots is in no {what.removeprefix('a ')}")
        return tomllib.loads(text)
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file; write {what} there, or name another") from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise DataError(f"{file}: more than {max_bytes:,} bytes is not {what}") from None
        raise DataError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not UTF-8 text, so not TOML") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and numbers and nesting beyond Python's limits
        raise DataError(f"{file}: is not TOML: {error}") from None
