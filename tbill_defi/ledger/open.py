"""Opening and making a desk's ledger: where it is, which keys it uses, who is on it from the start."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tbill_defi.chain.embedded import Progress
from tbill_defi.chain.engine import database_path, require_served, shown_url
from tbill_defi.chain.heads import SignedHead
from tbill_defi.core.clock import Clock, parse_time
from tbill_defi.core.errors import KeyStoreError, LedgerError, UsageError
from tbill_defi.core.files import read_bytes, write_durably, write_new
from tbill_defi.core.home import home_path
from tbill_defi.core.identifiers import party_name
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.succession import succession_extras

PASSPHRASE_VARIABLE = "TBILL_PASSPHRASE"  # noqa: S105 - the name of the variable
PASSPHRASE_FILE = "passphrase"  # noqa: S105 - the name of the file
CLAIM_SECONDS = 2 * 365 * 86_400
"""How long the claims of a new ledger's first parties are valid."""
LATEST_TIME = 2**38
"""Unix seconds; a mistyped time is far beyond it."""
PARTIES = ("desk", "dealer")
NODE_SCHEMES = ("http:", "https:", "eth-tester:")
CHAIN_FILE = "chain.toml"
"""In the ledger's folder of a home whose ledger is on a node."""
URL_FILE = "database.url"
"""In the ledger's folder of a home whose ledger is in a database elsewhere."""
URL_VARIABLE = "TBILL_LEDGER_URL"
_URL = re.compile(r"[a-z][a-z0-9+]*:[^\s\0]{1,2000}")


def keys_folder(home: str | Path | None = None) -> Path:
    """Where a home keeps its keystores: beside the ledger's folder, never in it."""
    return home_path(home) / "keys"


def ledger_url(home: str | Path | None = None) -> str:
    """URL of a home's ledger: TBILL_LEDGER_URL, else as `remember_url` wrote it, else the home's own SQLite file."""
    named = os.environ.get(URL_VARIABLE)
    if named:
        return named
    file = home_path(home) / "ledger" / URL_FILE
    if os.path.lexists(file):
        found = read_bytes(file).decode("utf-8", "replace").strip()
        if not _URL.fullmatch(found):
            raise UsageError(f"{file}: is not the URL of a ledger, such as postgresql://user@host/desk")
        return found
    return f"sqlite:///{home_path(home) / 'ledger' / 'ledger.db'}"


def remember_url(home: str | Path | None, url: str) -> Path:
    """Let a home's ledger be the one at a URL; nothing secret is kept.

    Raises
    ------
    UsageError
        If a password is in the URL, or no such database is served.
    LedgerError
        If the home has a ledger (code "Exists").
    """
    require_served(url)
    if shown_url(url) != url:
        raise UsageError("url: leave the password out of it; PGPASSWORD or ~/.pgpass gives it to PostgreSQL")
    folder = home_path(home) / "ledger"
    if has_ledger(home) or (folder / URL_FILE).exists():
        raise LedgerError(
            f"ledger: {home_path(home)} has one at {shown_url(ledger_url(home))}; use it, or another home", "Exists"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / URL_FILE, (url + "\n").encode())
    return folder / URL_FILE


def has_ledger(home: str | Path | None = None) -> bool:
    """Whether a home has a ledger, as far as can be told without asking a server."""
    path = database_path(ledger_url(home))
    return on_node(home) or path is None or path.exists()


def require_ledger(home: str | Path | None = None) -> None:
    """Raise if a home has no ledger.

    Raises
    ------
    LedgerError
        With code "NotFound".
    """
    if not has_ledger(home):
        place = database_path(ledger_url(home))
        raise LedgerError(f"ledger: there is none at {place}; make one with `tbill init`", "NotFound")


def desk_keys(home: str | Path | None = None, *, passphrase: str | None = None) -> Keys:
    """The keys of a home, under `passphrase`, else TBILL_PASSPHRASE, else the file keys/passphrase (mode 0600).

    Raises
    ------
    KeyStoreError
        If there is no passphrase to be had.
    """
    folder = keys_folder(home)
    stored = folder / PASSPHRASE_FILE
    found = passphrase or os.environ.get(PASSPHRASE_VARIABLE)
    if not found and stored.exists():
        found = _read_passphrase(stored)
    if not found:
        raise KeyStoreError(
            f"no passphrase: set {PASSPHRASE_VARIABLE}, or make a ledger with `tbill init`; no {stored}"
        )
    return Keys(folder, found)


def _read_passphrase(stored: Path) -> str:
    if stored.stat().st_mode & 0o077:
        raise KeyStoreError(f"{stored} can be read by others; chmod 600 {stored}")
    return read_bytes(stored).decode("utf-8", "replace").strip()


def create_ledger(
    url: str | None = None,
    *,
    home: str | Path | None = None,
    at: str | int | None = None,
    passphrase: str | None = None,
    light_keys: bool = False,
    parties: Sequence[str] = PARTIES,
    keys: Keys | None = None,
    chain: Any = None,
    funder: str | None = None,
    after: SignedHead | None = None,
) -> Ledger:
    """Make a ledger with its keys and first parties, and open it for writing.

    Parameters
    ----------
    url
        "sqlite:///desk.db" or "postgresql://user@host/desk"; None: the home's.
    at
        Start of a simulated clock: Unix seconds, or text such as 2026-08-21T15:00-04:00. None: the system clock.
    passphrase
        Protects the keystores; else TBILL_PASSPHRASE; else a random one, stored in keys/passphrase (mode 0600).
    light_keys
        Cheap scrypt, for demos and tests; the keystores are marked.
    parties
        Each gets a key, an identity with a claim for two years, and a wallet.
    keys
        Use these instead of the home's.
    chain
        Deploy on this node instead: "http://127.0.0.1:8545", "eth-tester:", an `EthereumTesterProvider`, or an open
        `RpcChain`. A node that is named by http is remembered in the home's ledger/chain.toml.
    funder
        Name of the key that pays for gas there; see `node.deploy`.
    after
        Last signed head of a ledger that was closed, which this one goes on from; see `succession`.

    Raises
    ------
    LedgerError
        If there is a ledger already (code "Exists").
    DataError
        If `after` is not signed by the operator it names.
    """
    if chain is None and url is not None and url.startswith(NODE_SCHEMES):
        chain, url = url, None
    if chain is not None:
        _refuse_with_a_node(url, at, after)
        return _create_on_node(chain, home, lambda: keys or _new_keys(home, passphrase, light_keys), parties, funder)
    if url is None and on_node(home):
        raise LedgerError(f"ledger: {_chain_file(home)} names one on a node; use it, or another home", "Exists")
    start = _checked_start(at)
    _check_parties(parties)
    extras = {} if after is None else succession_extras(after)
    place = url or ledger_url(home)
    path = database_path(place)
    if path is not None:
        if path.exists():
            raise LedgerError(f"ledger: there is one at {path}; use it, or another home", "Exists")
        path.parent.mkdir(parents=True, exist_ok=True)
    ring = keys or _new_keys(home, passphrase, light_keys)
    ledger = Ledger.create(place, keys=ring, at=start, extras=extras)
    try:
        _add_parties(ledger, ring, parties)
    except BaseException:
        ledger.close()
        raise
    return ledger


def _refuse_with_a_node(url: str | None, at: str | int | None, after: SignedHead | None) -> None:
    if url is not None or at is not None:
        raise UsageError("ledger: a node has its own place and time; give neither url nor at with chain")
    if after is not None:
        raise UsageError("after: contracts on a node have no genesis that could name a head")


def _checked_start(at: str | int | None) -> int | None:
    start = parse_time(at) if isinstance(at, str) else at
    if start is not None and not 0 < start < LATEST_TIME:
        raise UsageError(f"at: {at!r} is not a time after 1970 such as 2026-08-21T15:00-04:00")
    return start


def _check_parties(parties: Sequence[str]) -> None:
    for party in parties:
        party_name(party)
    if len(set(parties)) != len(parties):
        raise UsageError(f"parties: {', '.join(parties)} names one twice")


def _add_parties(ledger: Ledger, ring: Keys, parties: Sequence[str]) -> None:
    present = ledger.books().parties()
    for party in parties:
        key = ring.ensure(party)
        if party not in present:
            ledger.add_party(party, key.address, claim_expiry=ledger.chain.now() + CLAIM_SECONDS)


def _create_on_node(
    target: Any, home: str | Path | None, ring_of: Callable[[], Keys], parties: Sequence[str], funder: str | None
) -> Ledger:
    """A ledger on a node; the file that remembers it says that it is complete only when the parties are on it too."""
    from tbill_defi.chain.dev import is_dev
    from tbill_defi.chain.rpc import RpcChain, open_chain
    from tbill_defi.ledger import node

    url = target if isinstance(target, str) and target.startswith("http") else None
    file = _chain_file(home) if url is not None else None
    if file is not None:
        node.refuse_second(file, database_path(ledger_url(home)))
    rpc = target if isinstance(target, RpcChain) else open_chain(target)
    ring = ring_of()
    ledger = node.deploy(rpc, keys=ring, file=file, url=url, funder=funder)
    _add_parties(ledger, ring, parties)
    if funder is None and is_dev(rpc.node):
        node.fund(rpc, ring, {party: ring.key(party).address for party in parties}, None)
    if file is not None:
        node.finish(file)
    return ledger


def _chain_file(home: str | Path | None) -> Path:
    return home_path(home) / "ledger" / CHAIN_FILE


def on_node(home: str | Path | None = None) -> bool:
    """Whether the home's ledger is on a node."""
    return os.path.lexists(_chain_file(home))


def _new_keys(home: str | Path | None, passphrase: str | None, light: bool) -> Keys:
    folder = keys_folder(home)
    found = passphrase or os.environ.get(PASSPHRASE_VARIABLE)
    if not found:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stored = folder / PASSPHRASE_FILE
        with suppress(FileExistsError):
            write_new(stored, (secrets.token_urlsafe(24) + "\n").encode(), 0o600)
        found = _read_passphrase(stored)
    return Keys(folder, found, light=light)


def open_ledger(
    url: str | None = None,
    *,
    home: str | Path | None = None,
    at: str | int | None = None,
    keys: Keys | None = None,
    read_only: bool = False,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> Ledger:
    """Open a ledger; one that is named by a new URL is made first, as databases are.

    Parameters
    ----------
    url
        "sqlite:///desk.db" or "postgresql://user@host/desk"; None: the home's, which `tbill init` makes.
    at
        Start of the simulated clock of a ledger that is made; see `create_ledger`.
    keys
        None: the home's. Writing needs the operator's key among them.
    read_only
        Open without any key, make nothing: wallets, tape and audit work.

    Raises
    ------
    LedgerError
        If there is none and it is not to be made (code "NotFound"), or `at` is given for one that is there ("Exists").
    """
    if url is not None and url.startswith(NODE_SCHEMES):
        raise UsageError(
            "ledger: one on a node is opened by its home; `tbill init --chain URL` or create_ledger(chain=URL) makes it"
        )
    if url is None and on_node(home):
        from tbill_defi.ledger.node import open_node_ledger

        if at is not None:
            raise UsageError("at: the ledger is on a node, which has its own time")
        return open_node_ledger(home_path(home), keys=None if read_only else keys or desk_keys(home), clock=clock)
    place = url or ledger_url(home)
    path = database_path(place)
    if path is not None and not path.exists():
        if url is None or read_only:
            raise LedgerError(f"ledger: there is none at {path}; make one with `tbill init`", "NotFound")
        return create_ledger(url, home=home, at=at, keys=keys)
    if at is not None:
        raise LedgerError(
            f"ledger: there is one at {shown_url(place)} already; its clock was set when it was made", "Exists"
        )
    ring = None if read_only else keys or desk_keys(home)
    return Ledger.open(place, keys=ring, clock=clock, progress=progress, write=not read_only)
