"""Values of cookies: how each kind is sealed, and opened again.

The first character of a value says which kind it is, and so selects the only code that looks at it. It stands for the
version of the format too, and is authenticated with everything else: no value can be taken for one of another kind.

==  ==========================================================================================
S   signed: base64url of the payload, a dot, and its HMAC-SHA-256, by itsdangerous
E   encrypted: base64 of salt, nonce, and the payload under AES-256-GCM
I   the id of a record in a store: base64url of 18 random bytes and 12 of their HMAC-SHA-256
==  ==========================================================================================
"""

from __future__ import annotations

import hmac
import os
from binascii import a2b_base64, b2a_base64
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final, Protocol

from itsdangerous import Signer, want_bytes

from middlewares.errors import MissingExtra

from .keys import derive

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Encrypted", "Ids", "Opened", "Sealer", "Signed")


# RFC 2104, 2.
_BLOCK: Final = 64
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))

# RFC 4648, 5.
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_+/", b"+/!!")


Opened = tuple[bytes, bool]
"""What a genuine value holds, and whether it was sealed under the first key; others are on their way out."""


class Sealer(Protocol):
    """One kind of value."""

    kind: str

    def seal(self, payload: bytes) -> str:
        """Return the value of a cookie."""
        ...

    def open(self, value: str) -> Opened | None:
        """Return what a value of this kind holds, or ``None`` if it is not genuine."""
        ...


class _Signer(Signer):
    """itsdangerous with HMAC-SHA-256, and a key that is derived already.

    HMAC (RFC 2104, 2) hashes the key before everything else, twice. Here that is done once: it would be most of the
    work for values as short as these.
    """

    def __init__(self, key: bytes) -> None:
        super().__init__(key, key_derivation="none", digest_method=sha256)
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = sha256(padded.translate(_INNER_PAD))
        self._outer = sha256(padded.translate(_OUTER_PAD))

    def get_signature(self, value: str | bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(value if isinstance(value, bytes) else want_bytes(value))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return _encode(outer.digest())


class Signed:
    """Payloads that anybody can read and nobody else can make."""

    kind = "S"

    def __init__(self, keys: Sequence[str], cookie: str) -> None:
        derived = [derive(key, "signed", cookie) for key in keys]
        self._current = _Signer(derived[0])
        self._former = [_Signer(key) for key in derived[1:]]

    def seal(self, payload: bytes) -> str:
        """Return the value of a cookie."""
        return self._current.sign(b"S" + _encode(payload)).decode("ascii")

    def open(self, value: str) -> Opened | None:
        """Return the payload of a genuine value."""
        body, dot, signature = value.encode().rpartition(b".")
        if not dot:
            return None
        is_current = compare_digest(self._current.get_signature(body), signature)
        if not is_current and not any(compare_digest(one.get_signature(body), signature) for one in self._former):
            return None
        payload = _decode(body[1:])
        return None if payload is None else (payload, is_current)


class Encrypted:
    """Payloads that nobody else can read or make: AES-256-GCM (NIST SP 800-38D).

    Random nonces of 96 bits allow a key about 2**32 messages. So each object, and with it each process, has a key of
    its own, derived with a random salt of 128 bits that stands in front of every value. It is renewed so early that a
    process may share it with 200 others: with those that are forked from it.

    No nonce is drawn in advance: what was copied with the memory of a process would be used twice.
    """

    kind = "E"

    _MOST_MESSAGES: Final = 2**24
    _MOST_SALTS: Final = 256

    def __init__(self, keys: Sequence[str], cookie: str) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise MissingExtra("a session in an encrypted cookie", "encrypted") from error
        self._cipher: Any = AESGCM
        self._invalid = InvalidTag
        self._masters = [derive(key, "encrypted", cookie) for key in keys]
        self._about = f"middlewares.sessions\0E\0{cookie}".encode()
        self._known: dict[bytes, tuple[Any, bool]] = {}
        """Functions that decrypt, by salt, and whether they belong to the first key."""
        self._left = 0
        self._current: tuple[bytes, Any] = (b"", None)
        """The salt, and the function that encrypts: as one, for threads that renew both."""

    def seal(self, payload: bytes) -> str:
        """Return the value of a cookie."""
        if self._left <= 0:
            self._renew()
        self._left -= 1
        salt, encrypt = self._current
        nonce = os.urandom(12)
        # Base64 as it is: all its characters may stand in cookies (RFC 6265, 4.1.1).
        return "E" + b2a_base64(salt + nonce + encrypt(nonce, payload, self._about), newline=False).decode()

    def open(self, value: str) -> Opened | None:
        """Return the payload of a genuine value."""
        try:
            sealed = a2b_base64(value[1:], strict_mode=True)
        except ValueError:
            return None
        salt, nonce, text = sealed[:16], sealed[16:28], sealed[28:]
        if len(text) < 16:  # the tag
            return None
        known = self._known.get(salt)
        try:
            if known is not None:
                return known[0](nonce, text, self._about), known[1]
        except self._invalid:
            return None
        return self._open_first(salt, nonce, text)

    def _renew(self) -> None:
        salt = os.urandom(16)
        current = self._derived(self._masters[0], salt)
        self._known[salt] = (current.decrypt, True)
        self._current = (salt, current.encrypt)
        self._left = self._MOST_MESSAGES

    def _open_first(self, salt: bytes, nonce: bytes, text: bytes) -> Opened | None:
        """Open a value with a salt that has not been met before."""
        for number, master in enumerate(self._masters):
            decrypt = self._derived(master, salt).decrypt
            try:
                payload: bytes = decrypt(nonce, text, self._about)
            except self._invalid:
                continue
            # Only salts of genuine values are kept: nobody else can fill this.
            if len(self._known) >= self._MOST_SALTS:
                self._known.clear()
            self._known[salt] = (decrypt, number == 0)
            return payload, number == 0
        return None

    def _derived(self, master: bytes, salt: bytes) -> Any:
        return self._cipher(hmac.digest(master, salt, "sha256"))


class Ids:
    """Ids of 144 random bits that carry a checksum under the key, so that invented ones cost no look into a store."""

    kind = "I"

    _RANDOM: Final = 18
    _CHECK: Final = 12
    _LENGTH: Final = 1 + (18 + 12) * 4 // 3

    def __init__(self, keys: Sequence[str], cookie: str) -> None:
        self._keys = [derive(key, "id", cookie) for key in keys]

    def seal(self, payload: bytes) -> str:
        """Return the value of a cookie for the random part of an id."""
        return "I" + _encode(payload + self._checksum(self._keys[0], payload)).decode()

    def open(self, value: str) -> Opened | None:
        """Return the random part of an id."""
        if len(value) != self._LENGTH:
            return None
        both = _decode(value[1:].encode())
        if both is None or len(both) != self._RANDOM + self._CHECK:
            return None
        payload, checksum = both[: self._RANDOM], both[self._RANDOM :]
        for number, key in enumerate(self._keys):
            if compare_digest(checksum, self._checksum(key, payload)):
                return payload, number == 0
        return None

    def new(self) -> bytes:
        """Return the random part of a new id."""
        return os.urandom(self._RANDOM)

    def _checksum(self, key: bytes, payload: bytes) -> bytes:
        return hmac.digest(key, payload, "sha256")[: self._CHECK]


def _encode(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")


def _decode(text: bytes) -> bytes | None:
    """Return what base64url stands for, if it is that."""
    try:
        return a2b_base64(text.translate(_FROM_URL) + b"==="[: -len(text) % 4], strict_mode=True)
    except ValueError:
        return None
