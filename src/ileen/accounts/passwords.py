"""Passwords: what may be one, and how one is kept and compared.

Owns: argon2 and its cost, the rules for new passwords. Refuses to know: whose password it is.
Rules after NIST SP 800-63B: length counts, composition rules do not; what everybody tries first is refused.
Hashing takes 64 MiB each: at most a few run at once, so that a flood of sign-ins waits instead of eating the memory.
"""

import threading
import unicodedata
from functools import cache
from itertools import pairwise
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ileen.accounts.form import invalid

LENGTH_MIN: Final = 10
"""Characters a new password has at least."""
LENGTH_MAX: Final = 200
"""Characters any password has at most: enough for sentences, too few to keep the hasher busy with."""
AT_ONCE_MAX: Final = 4

_COMMON_WORDS: Final = (
    "password passw0rd passwort motdepasse contrasena contraseña letmein welcome willkommen bienvenue "
    "bienvenido benvenuto iloveyou football baseball princess sunshine superman starwars dragon monkey "
    "master shadow michael qwertyuiop qwertz qwerty azerty asdfghjkl zxcvbnm abcdefghij changeme "
    "administrator administrador secret geheim trustno computer internet samsung ileen credits "
)
_COMMON: Final = frozenset(_COMMON_WORDS.split())
_FILLERS: Final = "0123456789!?.,-_*#@$%&+= "

_hasher: Final = PasswordHasher()
_busy: Final = threading.BoundedSemaphore(AT_ONCE_MAX)


def check_password(password: str, *, not_like: tuple[str, ...] = ()) -> str:
    """Return a new password in its normal form; `not_like` are words that belong to its owner.

    Raises: RequestInvalid, whose reason is "length" or "common".
    """
    password = _normal(password)
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise invalid("password", "length")
    bare = password.casefold()
    core = bare.strip(_FILLERS)
    words = {word.casefold() for word in not_like if len(word) > 3}
    if len(set(bare)) < 5 or core in _COMMON or core in words or bare in words or _is_run(bare):
        raise invalid("password", "common")
    return password


def hash_password(password: str) -> str:
    """Return what is kept of a password. Slow on purpose (about 50 ms and 64 MiB)."""
    with _busy:
        return _hasher.hash(_normal(password))


def is_password(password: str, kept: str | None) -> bool:
    """Tell whether `kept` was kept of this password; as slow if nothing was, so that time tells nothing."""
    if len(password) > LENGTH_MAX:
        return False
    with _busy:
        nobodys = _nobodys()
        try:
            return _hasher.verify(kept or nobodys, _normal(password)) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Tell whether a hash was made with a cost of the past and should be made again."""
    return _hasher.check_needs_rehash(kept)


def _normal(password: str) -> str:
    """Keyboards write the same letter in several ways (NFKC); what is not text at all stays as it is."""
    return unicodedata.normalize("NFKC", password)


def _is_run(text: str) -> bool:
    """Tell whether each character follows the one before by the same step, as in 1234567890 and abcdefghij."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps <= {1, -9} or steps <= {-1, 9}


@cache
def _nobodys() -> str:
    """What is compared when nothing was kept; made when first asked for, since most processes never are."""
    return _hasher.hash("nobody has this password")
