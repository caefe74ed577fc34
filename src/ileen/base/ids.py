"""Ids: a prefix that names the kind, then 26 characters that sort by time, e.g. `acct_01KB2Z8M6T0000000000000000`.

Owns: how ids are minted and checked. Refuses to know: what the kinds mean.
The body is a ULID (48 bits of milliseconds, 80 bits of randomness, Crockford base 32), so that ids of one
kind sort by creation and new rows land at the end of an index.
"""

import hashlib
import os
import random
import re
from typing import Final, NewType, Protocol

from ileen.base.clock import Clock, Instant

AccountId = NewType("AccountId", str)
"""`acct_…`, the billed party."""
WalletId = NewType("WalletId", str)
"""`wal_…`, an account's credits; shares its body with the account's id."""
KeyId = NewType("KeyId", str)
"""`key_…`, an API key (its name, not its secret)."""
HoldId = NewType("HoldId", str)
"""`hold_…`; a call's id is `call_` and the same body."""
LotId = NewType("LotId", str)
"""`lot_…`, credits acquired at once."""
PurchaseId = NewType("PurchaseId", str)
"""`pur_…`, one intent to buy credits; its invoice at Stripe carries it."""
RefillId = NewType("RefillId", str)
"""`refill_…`, one attempt of the auto-refill rule; its purchase names it."""
RefundId = NewType("RefundId", str)
"""`ref_…`, one refund of a purchase, whole or in part."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [a + b for a in _ALPHABET for b in _ALPHABET]
_ID: Final = re.compile(r"[a-z]{2,8}_[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


class Ids(Protocol):
    """Anything that mints ids."""

    def mint(self, prefix: str) -> str:
        """Return a fresh id of the kind named by `prefix`."""
        ...


class RandomIds:
    """Ids from the operating system's randomness."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def mint(self, prefix: str) -> str:
        """Return a fresh id of the kind named by `prefix`."""
        return _write(prefix, self._clock.now(), int.from_bytes(os.urandom(10), "big"))


class SeededIds:
    """Ids from a seed, the same in every run: for simulated worlds."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._random = random.Random(seed)

    def mint(self, prefix: str) -> str:
        """Return the next id of the kind named by `prefix`."""
        return _write(prefix, self._clock.now(), self._random.getrandbits(80))


def is_id(text: str, prefix: str) -> bool:
    """Tell whether `text` has the form of an id of the kind named by `prefix`."""
    return text.startswith(prefix + "_") and _ID.fullmatch(text) is not None


def body(id_: str) -> str:
    """Return the 26 characters behind the prefix."""
    return id_[-26:]


def wallet_of(account: AccountId) -> WalletId:
    """Return the id of the account's one wallet: the same body under another prefix, so no lookup is needed."""
    return WalletId("wal_" + body(account))


def account_of(wallet: WalletId) -> AccountId:
    """Return the id of the account a wallet belongs to."""
    return AccountId("acct_" + body(wallet))


def compose(prefix: str, at: Instant, name: bytes) -> str:
    """Return the id of the one thing of that name and time: the same again, for what must not be there twice."""
    return _write(prefix, at, int.from_bytes(hashlib.sha256(name).digest()[:10], "big"))


def _write(prefix: str, at: Instant, entropy: int) -> str:
    value = (at // 1000) << 80 | entropy
    pairs = _PAIRS
    return prefix + "_" + "".join([pairs[value >> shift & 1023] for shift in range(120, -1, -10)])
