"""Collateral in the RepoFacility, folded from its events: whose it is, and since when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

EVENTS = ("RepoOpened", "RepoFollowed", "CustodyChanged")
"""Events of the facility that the books read."""


class CustodyBooks:
    """Units per account (a repo's id, or a wallet's address as a word) and token, with their history."""

    def __init__(self) -> None:
        self._repos: dict[str, tuple[str, str]] = {}
        self._history: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)

    def apply(self, name: str, arguments: Mapping[str, Any], timestamp: int) -> None:
        """Fold one event of the facility in."""
        if name in ("RepoOpened", "RepoFollowed"):
            self._repos[arguments["repoId"]] = (arguments["lender"], arguments["borrower"])
        else:
            self._history[arguments["account"], arguments["token"]].append((timestamp, int(arguments["units"])))

    def repo_ids(self) -> list[bytes]:
        """Ids of the repos ever opened, in order."""
        return [bytes.fromhex(name[2:]) for name in self._repos]

    def repos_of(self, wallet: str) -> list[bytes]:
        """Ids of the repos, over ones too, in which a wallet (0x-text) is the lender or the borrower."""
        return [bytes.fromhex(name[2:]) for name, parties in self._repos.items() if wallet in parties]

    def accounts_at(self, token: str, moment: int) -> dict[str, int]:
        """Account -> units at the end of the second before `moment`, of those that had any; by account."""
        found = {}
        for (account, which), changes in sorted(self._history.items()):
            units = next((units for when, units in reversed(changes) if when < moment), 0)
            if which == token and units:
                found[account] = units
        return found

    def pledged(self, wallets: Collection[str]) -> dict[str, int]:
        """Token -> units that wallets gave as collateral, or that wait for them here."""
        return self._sum(
            lambda account: (
                self._repos[account][1] in wallets if account in self._repos else _wallet(account) in wallets
            )
        )

    def collateral(self, wallets: Collection[str]) -> dict[str, int]:
        """Token -> units held here for wallets that lend cash on them."""
        return self._sum(lambda account: account in self._repos and self._repos[account][0] in wallets)

    def _sum(self, mine: Any) -> dict[str, int]:
        found: dict[str, int] = {}
        for (account, token), changes in self._history.items():
            if changes[-1][1] and mine(account):
                found[token] = found.get(token, 0) + changes[-1][1]
        return found


def _wallet(account: str) -> str:
    return "0x" + account[26:]
