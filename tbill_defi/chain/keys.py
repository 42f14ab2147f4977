"""Signing keys in memory (coincurve) and keystores on disk (the Web3 secret storage of eth-account and geth).

A key or passphrase is never part of a repr, a log or an error.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from coincurve import PrivateKey, PublicKey

from tbill_defi.core.errors import KeyStoreError, LedgerError
from tbill_defi.core.files import read_text, write_new
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.identifiers import party_name
from tbill_defi.core.json_text import parse_json

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_LIGHT_SCRYPT, _FULL_SCRYPT = 2**10, 2**18
_MOST_WORK = {"n": 2**20, "r": 16, "p": 16, "c": 10**7, "dklen": 64}
"""Parameters of scrypt and PBKDF2 in a keystore, at most: four times what any wallet writes; more would never end."""
_MOST_BYTES = 2**20
"""Of a keystore."""


class SigningKey:
    """A secp256k1 key; shows its address only, and does not pickle."""

    __slots__ = ("_address", "_key")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < _ORDER:
            raise KeyStoreError("key: not 32 bytes within the order of secp256k1")
        self._key = PrivateKey(secret)
        self._address = _account(self._key.public_key)

    @classmethod
    def generate(cls) -> SigningKey:
        """A new random key."""
        return cls((1 + secrets.randbelow(_ORDER - 1)).to_bytes(32, "big"))

    @classmethod
    def from_seed(cls, seed: str) -> SigningKey:
        """The key that is Keccak-256 of a text: for tests and throw-away ledgers, since who knows it has the key."""
        return cls(keccak256(seed.encode()))

    @property
    def address(self) -> bytes:
        """Its account, 20 bytes."""
        return self._address

    @property
    def public_key(self) -> bytes:
        """Its compressed public key, 33 bytes."""
        return self._key.public_key.format()

    def sign_digest(self, digest: bytes) -> bytes:
        """Signature r || s || v of a 32-byte digest: deterministic (RFC 6979), low s, v 27 or 28."""
        if len(digest) != 32:
            raise KeyStoreError(f"digest: {len(digest)} bytes; a signature is of 32")
        raw = self._key.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes((27 + raw[64],))

    def __repr__(self) -> str:
        return f"SigningKey(0x{self._address.hex()})"

    def __reduce__(self) -> NoReturn:
        raise KeyStoreError("key: a signing key does not leave its process")


def recover_address(digest: bytes, signature: bytes) -> bytes:
    """Account that signed a 32-byte digest; see `public_key_of`."""
    return _account(_recovered(digest, signature))


def address_of(public_key: bytes) -> bytes:
    """Account of a compressed public key. Raises ValueError if it is none."""
    return _account(PublicKey(public_key))


def _account(key: PublicKey) -> bytes:
    return keccak256(key.format(compressed=False)[1:])[12:]


def is_public_key(text: bytes) -> bool:
    """Whether these bytes are a compressed public key."""
    try:
        return PublicKey(text).format() == text
    except ValueError:
        return False


def public_key_of(digest: bytes, signature: bytes) -> bytes:
    """Compressed public key that signed a 32-byte digest.

    Parameters
    ----------
    signature
        r || s || v, 65 bytes, low s, v 27 or 28.

    Raises
    ------
    LedgerError
        If it is not such a signature (code "BadSignature").
    """
    return _recovered(digest, signature).format()


def _recovered(digest: bytes, signature: bytes) -> PublicKey:
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise LedgerError("signature: not r || s || v of 65 bytes with v 27 or 28", code="BadSignature")
    if not 0 < int.from_bytes(signature[32:64], "big") <= _ORDER // 2:
        raise LedgerError("signature: s is not in the lower half of the order (EIP-2)", code="BadSignature")
    try:
        recoverable = signature[:64] + bytes((signature[64] - 27,))
        return PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception:  # coincurve raises bare Exception for a point that is not on the curve
        raise LedgerError("signature: no key can have made it", code="BadSignature") from None


@dataclass(frozen=True, slots=True)
class KeystoreEntry:
    """A keystore file: its name, account (20 bytes), and whether its scrypt is the cheap one of demos and tests."""

    name: str
    address: bytes
    light: bool
    path: Path


def create_keystore(
    directory: Path, name: str, passphrase: str, *, light: bool = False, key: SigningKey | None = None
) -> SigningKey:
    """Write a new key to `directory`/`name`.json, mode 0600, and return it.

    Parameters
    ----------
    directory
        Made with mode 0700 if missing. Keep it apart from the journal's folder: who may back up or write the one need
        not be able to read the other.
    light
        Cheap scrypt, marked in the file: for demos and tests. A full one takes 0.7 s to open.
    key
        Store this key instead of a random one.

    Raises
    ------
    KeyStoreError
        If the file exists.
    """
    from eth_keyfile.keyfile import create_keyfile_json

    key = key or SigningKey.generate()
    secret = key._key.secret
    content: dict[str, Any] = create_keyfile_json(
        secret, passphrase.encode(), kdf="scrypt", iterations=_LIGHT_SCRYPT if light else _FULL_SCRYPT
    )
    if light:
        content["tbill_defi"] = {"light": True}
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{party_name(name)}.json"
    try:
        write_new(path, json.dumps(content).encode(), 0o600)
    except FileExistsError:
        raise KeyStoreError(f"keystore: {path} exists; a key is never overwritten") from None
    return key


def open_keystore(path: Path, passphrase: str) -> SigningKey:
    """The key of a keystore file.

    Raises
    ------
    KeyStoreError
        If the file is missing, malformed, readable by group or others, or the passphrase is wrong.
    """
    from eth_keyfile.keyfile import decode_keyfile_json

    content = _read(path)
    _require_bounded(path, content)
    try:
        secret = decode_keyfile_json(content, passphrase.encode())
    except Exception as error:  # the library raises what its parser meets; a wrong passphrase is "MAC mismatch"
        wrong = isinstance(error, ValueError) and "MAC" in str(error)
        what = "the passphrase is wrong" if wrong else "not a version 3 keystore"
        raise KeyStoreError(f"keystore: {path}: {what}") from None
    key = SigningKey(bytes(secret))
    if key.address != _address_of(path, content):
        raise KeyStoreError(f"keystore: {path}: the address in the file is not the key's")
    return key


def list_keystores(directory: Path) -> list[KeystoreEntry]:
    """Keystores of a directory by name; none if it does not exist."""
    entries = []
    for path in sorted(directory.glob("*.json")):
        content = _read(path)
        entries.append(KeystoreEntry(path.stem, _address_of(path, content), _is_light(content), path))
    return entries


def _read(path: Path) -> dict[str, Any]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if os.name == "posix" and mode & 0o077:
            raise KeyStoreError(f"keystore: {path} has mode {mode:04o}, others can read it; chmod 600 {path}")
        content = parse_json(read_text(path, _MOST_BYTES))
    except FileNotFoundError:
        raise KeyStoreError(f"keystore: {path} does not exist") from None
    except (OSError, ValueError):
        raise KeyStoreError(f"keystore: {path} cannot be read as JSON") from None
    if not isinstance(content, dict):
        raise KeyStoreError(f"keystore: {path} is not a version 3 keystore")
    return content


def _require_bounded(path: Path, content: dict[str, Any]) -> None:
    """The file says how much work opening it is."""
    crypto = content.get("crypto", content.get("Crypto"))
    cost = crypto.get("kdfparams") if isinstance(crypto, dict) else None
    if content.get("version") != 3 or not isinstance(cost, dict):
        raise KeyStoreError(f"keystore: {path} is not a version 3 keystore")
    for name, most in _MOST_WORK.items():
        value = cost.get(name, 1)
        if type(value) is not int or not 0 < value <= most:
            raise KeyStoreError(f"keystore: {path}: kdfparams.{name} is not a whole number from 1 to {most}")


def _is_light(content: dict[str, Any]) -> bool:
    """Whether a keystore says so, and has the cheap scrypt indeed: a mark alone makes no key weaker."""
    crypto, mark = content.get("crypto"), content.get("tbill_defi")
    cost = crypto.get("kdfparams") if isinstance(crypto, dict) else None
    cheap = isinstance(cost, dict) and cost.get("n") == _LIGHT_SCRYPT
    return cheap and isinstance(mark, dict) and mark.get("light") is True


def _address_of(path: Path, content: dict[str, Any]) -> bytes:
    try:
        address = bytes.fromhex(str(content["address"]).removeprefix("0x"))
    except (KeyError, ValueError):
        address = b""
    if len(address) != 20:
        raise KeyStoreError(f"keystore: {path} names no address")
    return address
