"""Secrets that machines keep: how they are made and recognised.

256 random bits need no slow hash and no salt: nobody can try them all, so their SHA-256 is looked up directly.
"""

import base64
import hashlib
import os
from typing import Final

HOST_PREFIX: Final = "ileen_hk_"
"""How a host key starts."""
UI_PREFIX: Final = "ileen_ui_"
"""How a UI session's token starts."""
_BYTES: Final = 32
_LENGTH_MAX: Final = 128


def mint_token(prefix: str = "") -> str:
    """Return a fresh secret of 256 bits behind `prefix`."""
    return prefix + base64.urlsafe_b64encode(os.urandom(_BYTES)).decode().rstrip("=")


def hash_token(token: str) -> bytes:
    """Return what is kept of a secret. Accepts any text a stranger may send; a longer one is cut, and so unknown."""
    return hashlib.sha256(token[:_LENGTH_MAX].encode("utf-8", "surrogatepass")).digest()
