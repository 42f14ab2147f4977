"""A ledger: the contracts on a chain, its parties, deposits, decisions and settlement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from tbill_defi.chain.embedded import EmbeddedChain, Progress
from tbill_defi.chain.follower import open_to_submit
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.types import Call, CallReverted, Chain, EventRecord, Receipt, Unsigned
from tbill_defi.core.clock import Clock, SystemClock, market_date, new_york_midnight
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.identifiers import bytes32, party_name
from tbill_defi.instruments import AnySecurity, Tips, terms_hash
from tbill_defi.ledger.abi import decode_log, decode_result, encode_call
from tbill_defi.ledger.books import EVENTS, Books, TapeEntry, Wallet
from tbill_defi.ledger.coupons import dated_cpi_e5
from tbill_defi.ledger.deployment import CURRENCY, GOVERNOR, ROLE_KEYS, Contracts, Step, deployment_steps
from tbill_defi.ledger.keyring import NEXT, Keys
from tbill_defi.ledger.refusals import Names, refusal
from tbill_defi.ledger.terms import require_terms

if TYPE_CHECKING:
    from tbill_defi.chain.rpc_node import Node

S = TypeVar("S", bound=AnySecurity)
OPERATOR = "operator"
ADMIN = "admin"
"""Deploys; holds nothing afterwards."""
UNITED_STATES = 840
"""ISO 3166-1 numeric."""
ROLE_NAMES = (OPERATOR, ADMIN, GOVERNOR, *ROLE_KEYS)


class Ledger:
    """The framework's contracts on a chain: embedded, or a node's.

    Reading wallets and the tape needs no key and, of an embedded one, opens no EVM. Writing needs the key of whoever
    acts; an embedded one is opened for writing with the operator's key, which signs the head.
    """

    def __init__(self, chain: Chain, keys: Keys | None) -> None:
        self.chain = chain
        self.keys = keys
        self.contracts = Contracts.from_extras(chain.records)
        self._books = Books(self.contracts, CURRENCY)
        self._books_height = 0
        self._tokens: dict[str, bytes] = {}
        self._token_addresses: list[bytes] = []
        self._checked: dict[bytes, AnySecurity] = {}

    # --- opening ------------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        url: str,
        *,
        keys: Keys,
        at: int | None = None,
        clock: Clock | None = None,
        chain_id: int | None = None,
        extras: Mapping[str, str] | None = None,
    ) -> Ledger:
        """Make a ledger: genesis, contracts, roles, dollars.

        Parameters
        ----------
        url
            "sqlite:///desk.db", "postgresql://user@host/desk"; "sqlite://" for one in memory.
        keys
            Must hold, or can create, the keys of `ROLE_NAMES`.
        at
            Unix seconds at which a simulated clock starts; None: the system clock.
        extras
            More for the genesis, beside what names the contracts.
        """
        for name in ROLE_NAMES:
            keys.ensure(name)
        admin = keys.key(ADMIN).address
        contracts, steps = deployment_steps(admin, {name: keys.key(name).address for name in ROLE_NAMES})
        chain = EmbeddedChain.create(
            url,
            operator=keys.key(OPERATOR),
            clock=clock or SystemClock(),
            chain_id=chain_id,
            simulated_start=at,
            extras={**(extras or {}), "admin": "0x" + admin.hex(), **contracts.to_extras()},
            decoder=decode_log,
        )
        ledger = cls(chain, keys)
        ledger.send(steps)
        return ledger

    @classmethod
    def open(
        cls,
        url: str,
        *,
        keys: Keys | None = None,
        clock: Clock | None = None,
        progress: Progress | None = None,
        write: bool = True,
    ) -> Ledger:
        """Open a ledger that exists: for writing if `keys` are given and `write` is set, else for reading.

        Where a sequencer serves it, or the operator's key is not among `keys`, writing goes through its inbox. Raises
        LedgerError if there is none of ours, LedgerBusy if another writes it, AuditFailure if its evidence fails.
        """
        opening = open_to_submit if keys is not None and write else EmbeddedChain.open
        operator = keys.key(OPERATOR) if keys is not None and write and OPERATOR in keys.names() else None
        words: dict[str, Any] = {"clock": clock or SystemClock(), "decoder": decode_log, "progress": progress}
        try:
            chain = opening(url, operator=operator, **words)
        except LedgerError as error:
            if error.code != "WrongOperator" or keys is None or OPERATOR + NEXT not in keys.names():
                raise
            chain = opening(url, operator=keys.key(OPERATOR + NEXT), **words)
            keys.replace(OPERATOR, OPERATOR + NEXT)  # the ledger was handed over to it: the rotation was cut off
        try:
            return cls(chain, keys)
        except BaseException:
            chain.close()
            raise

    def close(self) -> None:
        """Let the next writer in."""
        self.chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def embedded(self) -> EmbeddedChain:
        """The embedded chain it is on.

        Raises
        ------
        LedgerError
            If it is on a node (code "NoJournal").
        """
        if not isinstance(self.chain, EmbeddedChain):
            raise LedgerError(
                f"ledger: it is on a node ({self.chain.url}), which has no journal and no signed head", "NoJournal"
            )
        return self.chain

    @property
    def node(self) -> Node:
        """The node it is on.

        Raises
        ------
        LedgerError
            If it is embedded (code "NoNode").
        """
        found = getattr(self.chain, "node", None)
        if found is None:
            raise LedgerError("ledger: it is embedded, not on a node", "NoNode")
        return cast("Node", found)

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def market_date(self) -> date:
        """New York date of the ledger's time."""
        return market_date(self.chain.now())

    def books(self) -> Books:
        """Balances and tape up to the head."""
        height = self.chain.height
        if height > self._books_height:
            self._books.apply(self._events(self._books_height + 1, height))
            self._books_height = height
        return self._books

    def _events(self, first: int, last: int) -> Iterator[EventRecord]:
        """Events of the books; on a shared chain those of our contracts and of every token registered by then."""
        if not self.chain.shared:
            return self.chain.events(names=EVENTS, from_block=first, to_block=last)
        registry = (self.contracts.asset_registry,)
        for event in self.chain.events(names=("AssetRegistered",), addresses=registry, from_block=first, to_block=last):
            self._token_addresses.append(bytes.fromhex(event.arguments["token"][2:]))
        addresses = dict.fromkeys((*self.contracts.addresses(), *self._token_addresses))
        return self.chain.events(names=EVENTS, addresses=tuple(addresses), from_block=first, to_block=last)

    def wallet(self, party: str) -> Wallet:
        """What a party holds.

        Raises
        ------
        LedgerError
            If no wallet is registered under that name.
        """
        return self._books_with(party).wallet(party)

    def tape(self) -> Sequence[TapeEntry]:
        """Settled instructions in order."""
        return tuple(self.books().tape)

    def address_of(self, party: str) -> bytes:
        """The party's first registered wallet. Raises as `wallet` does."""
        return bytes.fromhex(self._books_with(party).addresses(party)[0][2:])

    def _books_with(self, party: str) -> Books:
        books = self.books()
        if not books.addresses(party):
            known = ", ".join(books.parties()) or "none"
            raise LedgerError(f"party {party!r} has no wallet on this ledger; parties: {known}", "UnknownParty")
        return books

    def call(self, contract: str, to: bytes, function: str, *arguments: Any) -> Any:
        """Result of a view function: one value, or a tuple of several.

        Raises
        ------
        LedgerError
            With the contract's error name as `code`.
        """
        try:
            data = self.chain.call(to, encode_call(contract, function, *arguments))
        except CallReverted as reverted:
            raise refusal(reverted.data) from None
        values = decode_result(contract, function, data)
        return values[0] if len(values) == 1 else values

    def token_of(self, asset: str) -> bytes | None:
        """Address of the token of a CUSIP or currency, or None if the ledger has none."""
        if asset not in self._tokens:
            address = self.call("AssetRegistry", self.contracts.asset_registry, "tokenOf", bytes32(asset))
            if not any(address):
                return None
            self._tokens[asset] = address
        return self._tokens[asset]

    def require_token(self, asset: str) -> bytes:
        """As `token_of`; LedgerError "UnknownAsset" if the ledger has none."""
        if (token := self.token_of(asset)) is None:
            raise LedgerError(f"{asset} has no token on this ledger", "UnknownAsset")
        return token

    @property
    def keyring(self) -> Keys:
        """The keys it was opened with.

        Raises
        ------
        LedgerError
            If it was opened without (code "ReadOnly").
        """
        if self.keys is None:
            raise LedgerError("ledger: opened without keys, so it is read only", "ReadOnly")
        return self.keys

    # --- writing ------------------------------------------------------------------------------------------------

    def _signer(self, step: Step) -> SigningKey:
        return self.keyring.key(step.key) if isinstance(step.key, str) else step.key

    def sign(self, steps: Iterable[Step]) -> list[bytes]:
        """Raw transactions of the steps, each signed by its key with its sender's next nonce."""
        return self.chain.sign([Unsigned(self._signer(step), step.to, step.data) for step in steps])

    def send(self, steps: Sequence[Step]) -> Sequence[Receipt]:
        """Carry out the steps in order, after a simulation in which all of them succeed.

        An embedded ledger does so in one block. A node that cannot simulate a sequence gets one step at a time, each
        tried before it is sent.

        Raises
        ------
        LedgerError
            With the contract's error name as `code`, if one would revert; nothing is sent (in the last case: nothing
            from that step on).
        """
        if not steps:
            return ()
        if len(steps) > 1 and not self.chain.simulates:
            return [receipt for step in steps for receipt in self.send([step])]
        self.rehearse(steps)
        receipts = self.chain.submit(self.sign(steps))
        self.require_success(receipts, self._name)
        return receipts

    def rehearse(self, steps: Sequence[Step]) -> None:
        """Raise what `send` would, of a sequence that can be simulated; leaves no trace."""
        self.require_success(self.simulate(steps), self._name)

    def _name(self, address: str) -> str:
        return self.books().name(address)

    def simulate(self, steps: Sequence[Step], *, then: Sequence[Call] = ()) -> Sequence[Receipt]:
        """Receipts of the steps, then of the calls, on the latest state; leaves no trace and needs no signature."""
        calls = [Call(self._signer(step).address, step.to, step.data) for step in steps]
        return self.chain.simulate([*calls, *then]) if calls else self.chain.views(then)

    @staticmethod
    def require_success(receipts: Iterable[Receipt], names: Names = str) -> None:
        """Raise the first revert as a `LedgerError`; `names` says what an address (0x-text) is called."""
        for receipt in receipts:
            if not receipt.status:
                raise refusal(receipt.revert, names)

    def add_party(self, name: str, address: bytes, *, claim_expiry: int, country: int = UNITED_STATES) -> None:
        """Register a party's identity, its claim until `claim_expiry` (Unix seconds) and a wallet.

        Raises
        ------
        LedgerError
            If the wallet is taken (code "WalletAlreadyRegistered").
        """
        self.send(self.party_steps(name, address, claim_expiry=claim_expiry, country=country))

    def party_steps(self, name: str, address: bytes, *, claim_expiry: int, country: int = UNITED_STATES) -> list[Step]:
        """The transactions of `add_party`."""
        identity, registry = bytes32(party_name(name)), self.contracts.identity_registry
        steps = []
        known = name in self.books().parties() or self.call("IdentityRegistry", registry, "country", identity)
        if not known:
            data = encode_call("IdentityRegistry", "registerIdentity", identity, country, claim_expiry)
            steps.append(Step("registrar", registry, data))
        data = encode_call("IdentityRegistry", "registerWallet", address, identity)
        return [*steps, Step("registrar", registry, data)]

    def set_claim(self, party: str, expiry: int) -> None:
        """Set when a party's claim expires (Unix seconds); 0 revokes it."""
        data = encode_call("IdentityRegistry", "setClaim", bytes32(party), expiry)
        self.send([Step("registrar", self.contracts.identity_registry, data)])

    def set_trade_limit(self, units: int) -> None:
        """Set the largest face of a single transfer, base units."""
        self.send([Step("compliance", self.contracts.compliance, encode_call("Compliance", "setTradeLimit", units))])

    def freeze(self, party: str, asset: str, units: int) -> None:
        """Set the frozen face of a party's wallet in one security, base units."""
        data = encode_call("SecurityToken", "setFrozenTokens", self.address_of(party), units)
        self.send([Step("compliance", self.require_token(asset), data)])

    def deposit(self, party: str, face: Mapping[S, int], cash_units: int = 0) -> Sequence[Receipt]:
        """Register deposited securities and cash as tokens in a party's wallet, base units.

        Securities that the ledger does not have yet are created with the hash of their terms.
        """
        return self.send(self.deposit_steps(self.address_of(party), face, cash_units))

    def deposit_steps(self, wallet: bytes, face: Mapping[S, int], cash_units: int = 0) -> list[Step]:
        """The transactions of `deposit`."""
        creations, issues = [], []
        for security, units in face.items():
            if units <= 0:
                raise UsageError(f"deposit: {units} base units of {security.cusip} is not positive")
            token, steps = self.creation_steps(security)
            creations += steps
            issues.append(Step("issuer", token, encode_call("SecurityToken", "issue", wallet, units)))
        if cash_units:
            issues.append(Step("bank", self.contracts.usd, encode_call("CashToken", "issue", wallet, cash_units)))
        return [*creations, *issues]

    def creation_steps(self, security: AnySecurity) -> tuple[bytes, list[Step]]:
        """The token of a security, and the transactions that create it if the ledger does not have it yet."""
        token = self._token_made(security)
        if token is not None:
            return token, []
        arguments = self._creation(security)
        factory = self.contracts.asset_factory
        token = self.call("AssetFactory", factory, "predict", *arguments)
        steps = [Step("issuer", factory, encode_call("AssetFactory", "create", *arguments))]
        if isinstance(security, Tips):
            data = encode_call("Issuance", "setDatedCpi", token, dated_cpi_e5(security))
            steps.append(Step("issuer", self.contracts.issuance, data))
        return token, steps

    def predicted_token(self, security: AnySecurity) -> bytes:
        """Where the token of a security is, or will be; "TermsMismatch" if it is there with other terms."""
        found = self._token_made(security)
        if found is not None:
            return found
        place: bytes = self.call("AssetFactory", self.contracts.asset_factory, "predict", *self._creation(security))
        return place

    def _token_made(self, security: AnySecurity) -> bytes | None:
        """The token of a security, if there is one; its terms are compared once, for they never change."""
        token = self.token_of(security.cusip)
        if token is not None and self._checked.get(token) != security:
            require_terms(self, token, security)
            self._checked[token] = security
        return token

    @staticmethod
    def _creation(security: AnySecurity) -> tuple[bytes, bytes, int]:
        return bytes32(security.cusip), terms_hash(security), new_york_midnight(security.maturity_date)
