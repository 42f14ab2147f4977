"""ledger/chain.toml of a home: which node its ledger is on, which chain that must be, where the contracts are.

Nothing secret is in it: of a URL only scheme, host and port are kept, since paths and queries of hosted nodes are their
keys; the whole URL then comes from the environment.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbill_defi.chain.rpc_fees import GWEI
from tbill_defi.chain.rpc_node import is_whole, shown_url
from tbill_defi.core.errors import DataError, LedgerError, UsageError
from tbill_defi.core.files import write_durably
from tbill_defi.core.toml_file import read_toml

URL_VARIABLE = "TBILL_CHAIN_URL"
FORMAT = 1
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ChainFile:
    """See the module.

    Attributes
    ----------
    url
        Scheme, host and port; `whole` says whether that is all there is to it.
    genesis_hash
        Hash of block 0: tells a dev node that was started anew.
    start_block
        No event of the ledger is before it.
    first_nonce
        Nonce of the administrator's first deployment transaction: where a deployment that was cut off goes on.
    complete
        Whether the deployment is through.
    fee_cap
        Wei per gas.
    records
        Administrator and contracts, as an embedded ledger's genesis has them.
    """

    url: str
    whole: bool
    chain_id: int
    genesis_hash: bytes
    start_block: int
    first_nonce: int
    complete: bool
    fee_cap: int
    records: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> ChainFile:
        """From a file.

        Raises
        ------
        LedgerError
            If it is not one (code "NotOurs"); it names what is wrong.
        """
        try:
            content = read_toml(path, what="a record of a ledger on a node", max_bytes=_MOST_BYTES)
        except DataError as error:
            raise LedgerError(str(error), "NotOurs") from None
        if content.get("format") != FORMAT:
            raise LedgerError(f"{path}: format is {content.get('format')!r}, this version reads {FORMAT}", "NotOurs")
        records = _field(path, content, "records", dict)
        return cls(
            url=_field(path, content, "url", str),
            whole=_field(path, content, "whole_url", bool),
            chain_id=_field(path, content, "chain_id", int),
            genesis_hash=_hash(path, content),
            start_block=_field(path, content, "start_block", int),
            first_nonce=_field(path, content, "first_nonce", int),
            complete=_field(path, content, "complete", bool),
            fee_cap=_field(path, content, "fee_cap_gwei", int) * GWEI,
            records={str(name): str(value) for name, value in records.items()},
        )

    def write(self, path: Path) -> None:
        """To a file, all or nothing."""
        lines = [
            "# The ledger of this home is on a node. Nothing in this file is secret.",
            f"format = {FORMAT}",
            f"url = {json.dumps(self.url)}",
            f"whole_url = {str(self.whole).lower()}",
            f"chain_id = {self.chain_id}",
            f'genesis_hash = "0x{self.genesis_hash.hex()}"',
            f"start_block = {self.start_block}",
            f"first_nonce = {self.first_nonce}",
            f"complete = {str(self.complete).lower()}",
            f"fee_cap_gwei = {self.fee_cap // GWEI}",
            "",
            "[records]",
            *(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in self.records.items()),
            "",
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, "\n".join(lines).encode())

    def target(self) -> str:
        """The URL to use: the one in TBILL_CHAIN_URL if it is of the same node, else the file's.

        Raises
        ------
        UsageError
            If the file's is not the whole URL and the environment has none.
        """
        given = os.environ.get(URL_VARIABLE, "")
        if given:
            if shown_url(given) != self.url:
                raise UsageError(f"{URL_VARIABLE}: it is at {shown_url(given)}, the ledger's node at {self.url}")
            return given
        if not self.whole:
            raise UsageError(f"chain: the node at {self.url} wants a longer URL; set {URL_VARIABLE} to the whole of it")
        return self.url


def shortened(url: str) -> tuple[str, bool]:
    """What the file keeps of a URL, and whether that is the whole of it."""
    return shown_url(url), is_whole(url)


def _field(path: Path, content: dict[str, Any], name: str, kind: type) -> Any:
    value = content.get(name)
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise LedgerError(f"{path}: {name} is {value!r}, not {kind.__name__}", "NotOurs")
    return value


def _hash(path: Path, content: dict[str, Any]) -> bytes:
    text = _field(path, content, "genesis_hash", str)
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise LedgerError(f"{path}: genesis_hash is {text!r}, not 32 bytes as 0x-text", "NotOurs")
    return raw
