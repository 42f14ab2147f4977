"""Archives of folders: a tar file whose first member lists every other with its size and SHA-256.

What is in an archive is data: only regular files that the list names, at the paths it names, below the folder that they
are unpacked into, are ever written.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tbill_defi.core.drafts import draft_file, finish
from tbill_defi.core.errors import DataError
from tbill_defi.core.files import sync_folder
from tbill_defi.core.json_text import parse_json

MANIFEST = "manifest.json"
VERSION = 1
LARGEST_MANIFEST = 16 * 2**20
_PIECE = 2**20

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""


def pack(target: Path, files: Mapping[str, Path], about: Mapping[str, Any], progress: Progress) -> int:
    """Write an archive beside `target` and move it there when it is whole and on the disk.

    Parameters
    ----------
    target
        A file that is not there yet; mode 0600.
    files
        Path in the archive -> file.
    about
        What the manifest says beside the list.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    DataError
        If there is a file already, or one changes while it is read.
    """
    if target.exists():
        raise DataError(f"{target}: there is a file already; name another")
    listed = {name: {"bytes": file.stat().st_size, "sha256": _digest(file)} for name, file in sorted(files.items())}
    total, done = sum(int(str(row["bytes"])) for row in listed.values()), 0
    try:
        with draft_file(target, 0o600) as (draft, stream):
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                text = json.dumps({"version": VERSION, **about, "files": listed}, indent=1).encode() + b"\n"
                tar.addfile(_member(MANIFEST, len(text)), io.BytesIO(text))
                for name, row in listed.items():
                    with files[name].open("rb") as content:
                        tar.addfile(_member(name, int(str(row["bytes"]))), content)
                    done += int(str(row["bytes"]))
                    progress(done, total)
            finish(stream)
            os.link(draft, target)
            sync_folder(target.absolute().parent)
    except FileExistsError:
        raise DataError(f"{target}: there is a file already; name another") from None
    return target.stat().st_size


def read_manifest(archive: Path) -> dict[str, Any]:
    """The manifest of an archive.

    Raises
    ------
    DataError
        If it is not one of ours.
    """
    if archive.exists() and not archive.is_file():
        raise DataError(f"{archive}: is not a regular file")
    try:
        with tarfile.open(archive, mode="r:") as tar:
            first = tar.next()
            stream = tar.extractfile(first) if first and first.name == MANIFEST and first.isreg() else None
            if first is None or stream is None or first.size > LARGEST_MANIFEST:
                raise DataError(f"{archive}: is no backup of ours; its first member is not {MANIFEST}")
            found = parse_json(stream.read())
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise DataError(f"{archive}: is no backup of ours: {error}") from None
    if not isinstance(found, dict) or found.get("version") != VERSION or not _is_list(found.get("files")):
        raise DataError(f"{archive}: {MANIFEST} is not one of version {VERSION}")
    return found


def unpack(archive: Path, folder: Path, progress: Progress) -> dict[str, Any]:
    """Write the files of an archive below an existing empty folder, and give its manifest.

    Raises
    ------
    DataError
        If a file is missing, is not what the manifest says, or has a path that leads elsewhere.
    """
    manifest = read_manifest(archive)
    listed: dict[str, dict[str, Any]] = manifest["files"]
    total, done, left = sum(row["bytes"] for row in listed.values()), 0, set(listed)
    try:
        with tarfile.open(archive, mode="r:") as tar:
            for member in tar:
                if member.name == MANIFEST:
                    continue
                if member.name not in left or not member.isreg() or member.size != listed[member.name]["bytes"]:
                    raise DataError(f"{archive}: {member.name} is not what its manifest lists")
                left.discard(member.name)
                stream = tar.extractfile(member)
                assert stream is not None
                place = folder.joinpath(*PurePosixPath(member.name).parts)
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                if _copied(stream, place) != listed[member.name]["sha256"]:
                    raise DataError(f"{archive}: {member.name} is damaged: its SHA-256 is not that of the manifest")
                done += member.size
                progress(done, total)
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{archive}: is damaged: {error}") from None
    if left:
        raise DataError(f"{archive}: {min(left)} is missing")
    return manifest


def _is_list(files: Any) -> bool:
    """Whether these are files with sizes and digests, at paths below a folder."""
    return isinstance(files, dict) and all(
        _is_below(name)
        and isinstance(row, dict)
        and isinstance(row.get("bytes"), int)
        and row["bytes"] >= 0
        and isinstance(row.get("sha256"), str)
        for name, row in files.items()
    )


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    parts = path.parts
    return bool(parts) and not path.is_absolute() and ".." not in parts and "\\" not in name and ":" not in parts[0]


def _member(name: str, size: int) -> tarfile.TarInfo:
    """Header of a file: no owner and no time, so that the same files give the same bytes."""
    made = tarfile.TarInfo(name)
    made.size, made.mode = size, 0o600
    return made


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _copied(stream: Any, place: Path) -> str:
    """SHA-256 of what was written."""
    found = hashlib.sha256()
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while piece := stream.read(_PIECE):
            found.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return found.hexdigest()
