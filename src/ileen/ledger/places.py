"""Where a wallet's rows live: the bucket that leads every key of the ledger. Pure."""

from zlib import crc32

from ileen.base.ids import WalletId, body


def bucket_of(wallet: WalletId) -> int:
    """Return the shard prefix of a wallet's rows: 0 to 1023, fixed for ever by its id."""
    return crc32(body(wallet).encode()) % 1024
