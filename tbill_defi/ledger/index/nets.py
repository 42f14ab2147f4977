"""What a CCP netted, as gross trades: so that what settles of a net is priced, whatever else settles with it.

A net alone does not tell what a security cost: bought and sold flat leaves a sum of cash and no units. The gross trades
do. Of a part of a net the smaller side settles in proportion, rounded down, the larger takes the rest; the last part
takes all.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import NamedTuple

from tbill_defi.ledger.clearing import house_address
from tbill_defi.ledger.deployment import Contracts


class NetKey(NamedTuple):
    """What is netted together: wallet of the CCP, settlement date (Unix time of its start), tokens, member's wallet."""

    ccp: str
    opens: int
    token: str
    cash: str
    member: str


@dataclass(slots=True)
class Gross:
    """What a member bought and sold, base units: units of the security, cash paid and received for them."""

    bought: int = 0
    paid: int = 0
    sold: int = 0
    received: int = 0

    def __bool__(self) -> bool:
        return any(astuple(self))

    def add(self, more: Gross) -> None:
        """Add trades."""
        self.bought += more.bought
        self.paid += more.paid
        self.sold += more.sold
        self.received += more.received

    def take(self, units: int, cash: int) -> Gross:
        """Take what settles out of what is open: `units` and `cash` that the member receives, negative if it gives."""
        net = self.bought - self.sold
        if units == net:
            part = Gross(self.bought, self.paid, self.sold, self.received)
        elif net > 0:
            sold = self.sold * units // net
            received = self.received * sold // self.sold if sold else 0
            part = Gross(sold + units, received - cash, sold, received)
        else:
            bought = self.bought * units // net
            paid = self.paid * bought // self.bought if bought else 0
            part = Gross(bought, paid, bought - units, paid + cash)
        self.add(Gross(-part.bought, -part.paid, -part.sold, -part.received))
        return part


class Houses:
    """Which contracts are clearing houses, and of which CCP's wallet: their addresses follow from the wallets'."""

    def __init__(self, contracts: Contracts, wallets: dict[str, str]) -> None:
        self._contracts = contracts
        self._wallets = wallets
        self._of: dict[bytes, str] = {}
        self._seen: set[str] = set()

    def ccp(self, address: bytes) -> str | None:
        """Wallet of the CCP whose clearing house is at an address; None: it is none."""
        if address not in self._of:
            for wallet in self._wallets.keys() - self._seen:
                self._of[house_address(self._contracts, bytes.fromhex(wallet[2:]))] = wallet
                self._seen.add(wallet)
        return self._of.get(address)
