"""Accounts: the billed party, its API keys, its people and how they sign in, host applications, staff, audit events.

Owns: the tables of `schema.accounts` and `schema.members`; how a secret is made, kept and recognised.
Refuses to know: HTTP, prices, and the balance of a wallet (that is `ledger`).
`Accounts` is the door for accounts and keys, `people.People` for everything about people, `audit.note` for events.
A1  a secret is shown once; only its SHA-256 is kept. 256 random bits need no slow hash.
A2  the ledger learns first: a key's caps are set before the key exists, a key is closed in the ledger before its
    row says so. A crash between the two leaves a key that nobody has, or one that can no longer spend.
A3  every step can be repeated after a crash: the same call again completes what was left half done. What a page
    began, a job enqueued in the same transaction completes (`sign_up`, U4).
"""

from ileen.accounts.model import ALL, READ, SPEND, Account, ApiKey
from ileen.accounts.register import Accounts

__all__ = ["ALL", "READ", "SPEND", "Account", "Accounts", "ApiKey"]
