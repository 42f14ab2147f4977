"""A home as one file, taken while its ledger is at work, and put back where there is none.

The journal is copied as one snapshot; market files, plans and the keeper's memory are as they are, each whole.
Keystores are in it only if asked for, still under their passphrase; the passphrase itself never is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tbill_defi.chain.copying import copy_journal
from tbill_defi.chain.evidence import verify
from tbill_defi.chain.heads import SignedHead
from tbill_defi.core import archive
from tbill_defi.core.drafts import draft_folder, is_draft, sweep
from tbill_defi.core.errors import AuditFailure, DataError, LedgerError
from tbill_defi.core.files import new_folder
from tbill_defi.core.home import home_path
from tbill_defi.ledger.abi import decode_log
from tbill_defi.ledger.open import PASSPHRASE_FILE, keys_folder, ledger_url, on_node

JOURNAL = "ledger/ledger.db"
_LEFT_OUT = (".lock", ".tmp", "-wal", "-shm", "-journal")

Progress = Callable[[str, int, int], None]
"""Called with (step, done, in all)."""


@dataclass(frozen=True)
class Backup:
    """What an archive holds.

    Attributes
    ----------
    head
        Of the copied journal; None of a ledger on a node.
    files, size
        How many files, and bytes of the archive.
    keys
        Whether keystores are in it.
    """

    path: Path
    head: SignedHead | None
    files: int
    size: int
    keys: bool


def take_backup(
    target: Path, *, home: str | Path | None = None, keys: bool = False, progress: Progress = lambda *_: None
) -> Backup:
    """Write a home into one archive; its ledger may be at work.

    Raises
    ------
    LedgerError
        If there is no ledger (code "NotFound").
    DataError
        If `target` is there already.
    """
    folder = home_path(home)
    sweep(target)
    if target.exists():
        raise DataError(f"{target}: there is a file already; name another")
    with draft_folder(target) as scratch:
        head = None
        files = {}
        for number, (name, file) in enumerate(_files(folder, keys)):
            copy = scratch.joinpath(str(number))
            with suppress(FileNotFoundError):  # a draft that has taken its place meanwhile
                shutil.copyfile(file, copy)
                files[name] = copy
        if not on_node(home):
            copy = scratch.joinpath("ledger.db")
            head = copy_journal(
                ledger_url(home), copy, lambda done, total: progress("copying the journal", done, total)
            )
            files[JOURNAL] = copy
        about = {"head": head.to_json() if head else None, "keys": keys}
        size = archive.pack(target, files, about, lambda done, total: progress("packing", done, total))
    return Backup(target, head, len(files), size, keys)


def _files(folder: Path, keys: bool) -> Iterator[tuple[str, Path]]:
    """Everything of a home but the journal, locks, drafts, passphrases, and keystores unless they are asked for."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if any(map(is_draft, file.relative_to(folder).parts)):
            continue
        if not file.is_file() or file.is_symlink() or name.startswith(JOURNAL) or file.name.endswith(_LEFT_OUT):
            continue
        if file.is_relative_to(keys_folder(folder)) and (not keys or file.name == PASSPHRASE_FILE):
            continue
        yield name, file


def restore(
    source: Path, *, home: str | Path | None = None, progress: Progress = lambda *_: None
) -> tuple[Backup, int]:
    """Make a home of an archive, once its ledger has been replayed to the archive's head.

    Returns
    -------
    tuple
        What was put back, and how many transactions were executed again.

    Raises
    ------
    LedgerError
        If there is a home with anything in it (code "Exists").
    DataError
        If the archive is damaged or not one of ours.
    AuditFailure
        If its ledger does not verify against its head.
    """
    folder = home_path(home)
    sweep(folder)
    if folder.exists() and any(folder.iterdir()):
        raise LedgerError(f"restore: {folder} is not empty; name a home that is not there with --home", "Exists")
    with new_folder(folder) as place:
        manifest = archive.unpack(source, place, lambda done, total: progress("unpacking", done, total))
        head = SignedHead.from_json(manifest["head"], source=str(source)) if manifest.get("head") else None
        replayed = 0
        if head is not None:
            url = f"sqlite:///{place.joinpath(JOURNAL)}"
            report = verify(
                url, head=head, decoder=decode_log, progress=lambda done, total: progress("replaying", done, total)
            )
            if not report.ok:
                raise AuditFailure(f"{source}: {report.verdict}")
            replayed = report.transactions
    count = len(manifest["files"])
    return Backup(source, head, count, source.stat().st_size, bool(manifest.get("keys"))), replayed
