"""Named keys: opened when first used, from a directory of keystores or from memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tbill_defi.chain.keys import SigningKey, create_keystore, list_keystores, open_keystore
from tbill_defi.core.errors import KeyStoreError
from tbill_defi.core.identifiers import party_name

NEXT = "-next"
"""Ending of the name under which a new key is kept until it takes the old one's place."""


class Keys:
    """Signing keys by name. Who holds a party's keystore and passphrase is that party."""

    def __init__(self, directory: Path, passphrase: str, *, light: bool | None = None) -> None:
        """Keys of a directory, all under one passphrase.

        Parameters
        ----------
        light
            New keystores get the cheap scrypt of demos and tests, and say so. None: where all that are there have it.
        """
        self._directory: Path | None = directory
        self._passphrase = passphrase
        self._light = light
        self._open: dict[str, SigningKey] = {}

    @classmethod
    def in_memory(cls, keys: Mapping[str, SigningKey]) -> Keys:
        """Keys that live in this process only."""
        ring = cls(Path(), "")
        ring._directory = None
        ring._open = dict(keys)
        return ring

    def __repr__(self) -> str:
        return f"Keys({', '.join(self.names())})"

    def names(self) -> list[str]:
        """Names of the keys, sorted."""
        stored = [entry.name for entry in list_keystores(self._directory)] if self._directory else []
        return sorted({*stored, *self._open})

    def addresses(self) -> list[bytes]:
        """Addresses of the keys, sorted; opens none."""
        stored = [entry.address for entry in list_keystores(self._directory)] if self._directory else []
        return sorted({*stored, *(key.address for key in self._open.values())})

    def key(self, name: str) -> SigningKey:
        """The key of that name.

        Raises
        ------
        KeyStoreError
            If there is none, or its passphrase is another.
        """
        if name not in self._open:
            party_name(name)
            path = self._directory / f"{name}.json" if self._directory else None
            if path is None or not path.exists():
                raise KeyStoreError(f"key {name!r} is not there; the keys are {', '.join(self.names()) or 'none'}")
            self._open[name] = open_keystore(path, self._passphrase)
        return self._open[name]

    def address(self, name: str) -> bytes:
        """Address of the key of that name; opens none. Errors as of `key`."""
        if name not in self._open and self._directory is not None:
            for entry in list_keystores(self._directory):
                if entry.name == name:
                    return entry.address
        return self.key(name).address

    def replace(self, name: str, successor: str) -> None:
        """Let the key `successor` be the one called `name` from now on.

        The old keystore stays as NAME-XXXXXXXX.retired, eight digits of its address: no key is ever thrown away.
        """
        if self._directory is not None:
            place, new = (self._directory / f"{n}.json" for n in (name, successor))
            kept = self._directory / f"{name}-{self.address(name).hex()[:8]}.retired"
            if not kept.exists():
                os.link(place, kept)
            new.replace(place)
        self._open[name] = self.key(successor) if self._directory is None else open_keystore(place, self._passphrase)
        self._open.pop(successor, None)

    def retired(self, name: str, address: bytes) -> SigningKey:
        """The key of an address that was called `name` before; KeyStoreError if its keystore is not here."""
        kept = f"{name}-{address.hex()[:8]}.retired"
        if self._directory is None or not (self._directory / kept).exists():
            raise KeyStoreError(f"key 0x{address.hex()}: was the {name}'s, and its keystore {kept} is not here")
        return open_keystore(self._directory / kept, self._passphrase)

    def name_of(self, address: bytes) -> str | None:
        """Name of the key of an address, if it is here; opens none."""
        stored = {entry.address: entry.name for entry in list_keystores(self._directory)} if self._directory else {}
        return {**stored, **{key.address: name for name, key in self._open.items()}}.get(address)

    def create(self, name: str) -> SigningKey:
        """A new key under that name, stored if the ring has a directory.

        Raises
        ------
        KeyStoreError
            If the name is taken.
        """
        if self._directory is None:
            if name in self._open:
                raise KeyStoreError(f"key {name!r} is there already")
            self._open[name] = SigningKey.generate()
        else:
            there = list_keystores(self._directory)
            light = bool(there) and all(entry.light for entry in there) if self._light is None else self._light
            self._open[name] = create_keystore(self._directory, name, self._passphrase, light=light)
        return self._open[name]

    def ensure(self, name: str) -> SigningKey:
        """The key of that name, made if there is none. Errors as of `key`."""
        return self.key(name) if name in self.names() else self.create(name)
