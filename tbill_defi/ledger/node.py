"""A ledger on a node: funded keys, the deployment proxy, contracts, and the file that remembers where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tbill_defi.chain.dev import is_dev, open_accounts, send_from_open_account
from tbill_defi.chain.executor import DEPLOYMENT_PROXY, DEPLOYMENT_PROXY_CODE
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.rpc import RpcChain, Settings, open_chain
from tbill_defi.chain.rpc_fees import GWEI, fee_for, gwei, suggested_tip
from tbill_defi.chain.rpc_outbox import ether
from tbill_defi.chain.types import Unsigned
from tbill_defi.core.clock import Clock
from tbill_defi.core.errors import KeyStoreError, LedgerError
from tbill_defi.ledger.abi import decode_log
from tbill_defi.ledger.chain_file import ChainFile, shortened
from tbill_defi.ledger.deployment import Contracts, deployment_steps
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import ADMIN, ROLE_NAMES, Ledger

PROXY_DEPLOYER = bytes.fromhex("3fab184622dc19b6109349b94811493bf2a45362")
PROXY_GAS_PRICE, PROXY_GAS = 100 * GWEI, 100_000
PROXY_TRANSACTION = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe"
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    "1ba02222222222222222222222222222222222222222222222222222222222222222"
    "a02222222222222222222222222222222222222222222222222222222222222222"
)
"""The deployment proxy's one transaction (Nick's method): its signature is made up, so nobody has the sender's key and
the proxy is at the same address on every chain. It has no chain id and is the only one that is not EIP-1559."""

DEPLOYMENT_GAS, ROLE_GAS = 60_000_000, 20_000_000
"""Gas whose cost a key must have before it starts: the administrator for the contracts, every other role for a few
hundred transactions; the largest transaction reserves 2^24."""
STEPS_AT_ONCE = 4
"""Deployment steps simulated together: nodes bound the gas of a simulation, often to 50 million."""
DEV_GIFT = 10 * 10**18
"""Wei that each key gets where ether is worth nothing."""


def chain_path(home: Path) -> Path:
    """Where a home keeps the place of its ledger on a node."""
    return home / "ledger" / "chain.toml"


def open_node_ledger(
    home: Path, *, keys: Keys | None, clock: Clock | None = None, settings: Settings | None = None
) -> Ledger:
    """The ledger that a home has on a node; with keys, when all that was sent from them before is mined.

    So nothing is read, and then sent again, of which an earlier process did not live to see the receipt.

    Raises
    ------
    LedgerError
        If the node is down, slow, on another chain, what was sent before is not mined ("NotMined"), or the deployment
        was cut off (code "Incomplete").
    """
    stored = ChainFile.read(chain_path(home))
    if not stored.complete:
        raise LedgerError(
            f"ledger: its deployment on {stored.url} was cut off; `tbill init --chain` goes on with it", "Incomplete"
        )
    chain = _chain(stored, stored.target(), clock, settings)
    if keys is not None:
        chain.await_sent(keys.addresses())
    return Ledger(chain, keys)


def _chain(stored: ChainFile, target: Any, clock: Clock | None, settings: Settings | None) -> RpcChain:
    return open_chain(
        target,
        clock=clock,
        records=stored.records,
        decoder=decode_log,
        start_block=stored.start_block,
        chain_id=stored.chain_id,
        genesis_hash=stored.genesis_hash,
        settings=settings or replace(Settings(), fee_cap=stored.fee_cap),
    )


def refuse_second(file: Path, database: Path | None) -> None:
    """A home has one ledger.

    Raises
    ------
    LedgerError
        If it has one already (code "Exists"). One whose deployment was cut off may be gone on with.
    """
    if database is None or database.exists():
        where = database or "the URL this home names"
        raise LedgerError(f"ledger: there is one at {where}; use it, or another home", "Exists")
    if file.exists() and (stored := ChainFile.read(file)).complete:
        raise LedgerError(f"ledger: {file} names one on {stored.url} already; use it, or another home", "Exists")


def deploy(
    chain: RpcChain, *, keys: Keys, file: Path | None = None, url: str | None = None, funder: str | None = None
) -> Ledger:
    """Deploy a ledger's contracts on a node, or go on with a deployment that was cut off.

    Parameters
    ----------
    file
        Where to remember it, as not complete until `finish`; None: nowhere, the ledger is gone with the object.
    url
        What the file is to say; None: the chain's.
    funder
        Name of the key that pays for gas; None: on a development node one of its open accounts, elsewhere the keys must
        have it already.

    Raises
    ------
    LedgerError
        By code: "NoFunds" (names how much is needed where), "ProxyDiffers", "Incomplete", and those of the chain.
    """
    stored = ChainFile.read(file) if file is not None and file.exists() else None
    place = shortened(url) if url is not None else (chain.url, True)
    for name in ROLE_NAMES:
        keys.ensure(name)
    admin = keys.key(ADMIN).address
    contracts, steps = deployment_steps(admin, {name: keys.key(name).address for name in ROLE_NAMES})
    records = {"admin": "0x" + admin.hex(), **contracts.to_extras()}
    if stored is None:
        fund(chain, keys, {name: keys.key(name).address for name in ROLE_NAMES}, funder)
        ensure_proxy(chain, keys, funder)
        nonce, joined = chain.nonce(admin), _there_already(chain, contracts)
        stored = ChainFile(
            *place,
            chain_id=chain.chain_id,
            genesis_hash=chain.node.block(0).hash,
            start_block=0 if joined else chain.height,
            first_nonce=nonce - len(steps) if joined else nonce,
            complete=False,
            fee_cap=chain.settings.fee_cap,
            records=records,
        )
        if file is not None:
            stored.write(file)
    else:
        _require_same(stored, chain, place[0], records)
    steps = steps[chain.nonce(admin) - stored.first_nonce :]
    chain.records, chain.start_block, chain.decoder = stored.records, stored.start_block, decode_log
    ledger = Ledger(chain, keys)
    for first in range(0, len(steps), STEPS_AT_ONCE):
        ledger.send(steps[first : first + STEPS_AT_ONCE])
    return ledger


def finish(file: Path) -> None:
    """Write down that everything is there."""
    replace(ChainFile.read(file), complete=True).write(file)


def _there_already(chain: RpcChain, contracts: Contracts) -> bool:
    """Whether the same administrator's contracts are on the chain: then its ledger is joined.

    Raises
    ------
    LedgerError
        If some of them are and some are not (code "Incomplete").
    """
    there = [bool(chain.code(address)) for address in contracts.addresses()]
    if any(there) and not all(there):
        raise LedgerError(
            "ledger: some of this administrator's contracts are on the chain and some are not, and no chain.toml says "
            "how far it came; use the home it was started from, or other keys",
            "Incomplete",
        )
    return all(there)


def _require_same(stored: ChainFile, chain: RpcChain, url: str, records: Mapping[str, str]) -> None:
    genesis = chain.node.block(0)
    if (stored.chain_id, stored.genesis_hash) != (chain.chain_id, genesis.hash):
        raise LedgerError(
            f"ledger: a deployment on {stored.url} (chain {stored.chain_id}) was begun from this home, {url} is "
            "another chain; finish it there, or use another home",
            "WrongChain",
        )
    if stored.records != dict(records):
        raise LedgerError(
            "ledger: the deployment was begun with other keys or another version of the contracts; use another home",
            "Incomplete",
        )


def fund(chain: RpcChain, keys: Keys, accounts: Mapping[str, bytes], funder: str | None) -> None:
    """See that accounts have ether for gas: from the funder's key, or a development node's open accounts.

    Raises
    ------
    LedgerError
        If there is no source, or it has too little (code "NoFunds"): names how much is needed where.
    """
    short = _short(chain, accounts)
    if not short:
        return
    if funder is not None:
        key = _funder(keys, funder)
        need, has = sum(wei for _, wei in short.values()), chain.balance(key.address)
        if has <= need:
            raise LedgerError(
                f"chain: funder {funder} (0x{key.address.hex()}) has {ether(has)}, and {ether(need)} and gas are "
                f"needed on chain {chain.chain_id}",
                "NoFunds",
            )
        receipts = chain.submit(chain.sign([Unsigned(key, to, b"", wei) for to, wei in short.values()]))
        Ledger.require_success(receipts)
        return
    rich = _open_source(chain, len(short) * DEV_GIFT)
    if rich is None:
        raise LedgerError(
            f"chain: on chain {chain.chain_id} the ledger's keys need ether for gas: "
            + ", ".join(f"{name} 0x{to.hex()} {ether(wei)}" for name, (to, wei) in short.items())
            + "; send it, or give a key that has it with --funder",
            "NoFunds",
        )
    for to, _ in short.values():
        send_from_open_account(chain, rich, to, DEV_GIFT)


def give_gas(ledger: Ledger, name: str) -> None:
    """On a development node, see that a key that came later has ether for gas; elsewhere it is sent by its owner."""
    if isinstance(ledger.chain, RpcChain) and is_dev(ledger.chain.node):
        fund(ledger.chain, ledger.keyring, {name: ledger.keyring.key(name).address}, None)


def _short(chain: RpcChain, accounts: Mapping[str, bytes]) -> dict[str, tuple[bytes, int]]:
    """Account name -> address and the wei it lacks."""
    price = fee_for(chain.tip().base_fee, suggested_tip(chain.node), chain.settings.fee_cap).max_fee
    found = {}
    for name, address in accounts.items():
        need = (DEPLOYMENT_GAS if name == ADMIN else ROLE_GAS) * price
        has = chain.balance(address)
        if has < need:
            found[name] = (address, need - has)
    return found


def _funder(keys: Keys, name: str) -> SigningKey:
    try:
        return keys.key(name)
    except KeyStoreError as error:
        raise KeyStoreError(f"funder: {error}; copy its keystore to the home's keys folder as {name}.json") from None


def _open_source(chain: RpcChain, wei: int) -> bytes | None:
    rich = [address for address, has in open_accounts(chain.node) if has > wei]
    return rich[0] if rich else None


def ensure_proxy(chain: RpcChain, keys: Keys, funder: str | None) -> None:
    """See that the deterministic deployment proxy is on the chain: fund its deployer and send its transaction if not.

    Raises
    ------
    LedgerError
        If its place holds other code (code "ProxyDiffers"), its 100 gwei are less than the base fee ("FeeAboveCap"), or
        there is no ether for it ("NoFunds").
    """
    found = chain.code(DEPLOYMENT_PROXY)
    if found:
        if found != DEPLOYMENT_PROXY_CODE:
            raise LedgerError("chain: the deployment proxy's address holds other code on this chain", "ProxyDiffers")
        return
    base_fee = chain.tip().base_fee
    if base_fee > PROXY_GAS_PRICE:
        raise LedgerError(
            f"chain: the deployment proxy is not on chain {chain.chain_id}, and its transaction offers "
            f"{gwei(PROXY_GAS_PRICE)} per gas, less than the base fee of {gwei(base_fee)}; wait until it is cheaper",
            "FeeAboveCap",
        )
    need = PROXY_GAS_PRICE * PROXY_GAS - chain.balance(PROXY_DEPLOYER)
    if need > 0:
        _pay_proxy(chain, keys, funder, need)
    chain.send_presigned(PROXY_TRANSACTION)
    if chain.code(DEPLOYMENT_PROXY) != DEPLOYMENT_PROXY_CODE:
        raise LedgerError("chain: the deployment proxy's transaction was mined and left no proxy", "ProxyDiffers")


def _pay_proxy(chain: RpcChain, keys: Keys, funder: str | None, need: int) -> None:
    rich = None if funder is not None or not is_dev(chain.node) else _open_source(chain, need)
    if rich is not None:
        send_from_open_account(chain, rich, PROXY_DEPLOYER, need)
        return
    key = _funder(keys, funder) if funder is not None else keys.key(ADMIN)
    Ledger.require_success(chain.submit(chain.sign([Unsigned(key, PROXY_DEPLOYER, b"", need)])))
