"""What commands and entries are known by: keys, fingerprints, the hash chain, and answers recalled from entries.

Pure. The form of what is hashed here is fixed for ever: other bytes would break every chain written so far.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from ileen.ledger import model
from ileen.ledger.model import Book, Entry, Receipt, Usage

_TAKEN: Final = {"capture", "overrun", "borrow", "absorb", "charge"}
_encode = msgspec.json.Encoder().encode
_sha256 = hashlib.sha256


def key_of(command: model.Movement) -> str:
    """Return the idempotency key; an expiry, which has no caller, is known by its hold."""
    return f"expire:{command.hold}" if isinstance(command, model.Expire) else command.key


def fingerprint_of(command: model.Movement) -> bytes:
    """Hash a command's content: all but the wallet, the key and the ids of what it would create."""
    content: tuple[object, ...]
    match command:
        case model.Authorize():
            content = (command.amount, command.at_least, command.lifetime_us, command.attribution, command.tariff)
        case model.Capture():
            content = (command.hold, command.amount, _usage_content(command.usage))
        case model.Charge():
            content = (command.amount, command.attribution, command.tariff, _usage_content(command.usage))
        case model.Void():
            content = (command.hold,)  # the reason is a remark
        case model.Expire():
            content = (command.hold,)
        case model.Fund():
            content = (command.amount, command.source, command.reference, command.reason)
        case model.Freeze() | model.Unfreeze():
            content = (command.lot, command.amount)
        case model.Remove() | model.Seize():
            content = (command.lot, command.amount, command.to)
        case model.Restore():
            content = (command.lot, command.amount, command.out_of)
        case model.Forgive():
            content = (command.amount, command.out_of)
        case model.Adjust():
            content = (command.amount, command.reason)
    return _sha256(_encode((type(command).__name__, content))).digest()


def digest(usage: Usage) -> str:
    """Return what a capture's entry notes of its usage record, so that the chain vouches for it too."""
    return _sha256(_encode(usage)).hexdigest()


def chain(fields: tuple[object, ...], before: bytes) -> bytes:
    """Return an entry's hash: over all its fields but the hash, in their order, and the hash of the entry before."""
    return _sha256(before + _encode(fields)).digest()


def seal(entry: Entry, before: bytes) -> bytes:
    """Return the hash that an entry ought to carry after the one before."""
    return chain(msgspec.structs.astuple(entry)[:-1], before)


def recall(entries: Sequence[Entry]) -> Receipt:
    """Compose the first answer to a command once more, from its entries as the journal keeps them."""
    first, last = entries[0], entries[-1]
    parts = {entry.kind: entry.amount for entry in entries}
    amount = first.amount
    if first.kind in {"capture", "charge"}:
        amount = sum(entry.amount for entry in entries if entry.kind in _TAKEN)
    elif first.kind == "adjust" and first.credit is Book.ADJUSTED:
        amount = -amount
    borrowed, absorbed = parts.get("borrow", 0), parts.get("absorb", 0)
    return Receipt(
        wallet=last.wallet,
        seq=last.seq,
        at=last.at,
        ref=first.ref,
        amount=amount,
        settled=last.settled,
        held=last.held,
        frozen=last.frozen,
        debt=last.debt,
        overrun=parts.get("overrun", 0) + borrowed + absorbed,
        borrowed=borrowed + parts.get("owe", 0),
        absorbed=absorbed,
    )


def _usage_content(usage: Usage) -> tuple[object, ...]:
    # `record` holds timings that a caller who asks again would measure anew; the entry's note vouches for it.
    return (usage.input_tokens, usage.output_tokens, usage.provider_request_id)
