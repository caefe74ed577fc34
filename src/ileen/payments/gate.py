"""The billing gate: what must be done before the app opens, a saved card and a first purchase.

Owns: the one rule, and what it means for spending. Refuses to know: pages, and how either step is done.
G1  a wallet that was ever credited by a purchase is through, for good: what was paid shows that a card worked, the
    ledger never takes the sum of purchases back, and so a card removed or expired later changes nothing.
G2  bonus credits do not open the gate: they were given, nothing was set up. Whether they can be spent in front of it
    is the operator's choice (`GateRule`).
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ileen.base.errors import DebtLimitReached, GateClosed, InsufficientCredits
from ileen.base.ids import AccountId, wallet_of
from ileen.ledger import Ledger
from ileen.payments.cards import Cards
from ileen.payments.disputes.locks import Locks

_PASSED_MAX: Final = 100_000
"""Accounts remembered to have passed; forgetting them costs one read of the wallet each."""


class GateRule(StrEnum):
    """What a closed gate keeps from spending: those whose credits do not suffice, or everybody."""

    CREDITS = "credits"
    STRICT = "strict"


class Step(StrEnum):
    """What can be missing, in the order in which it is asked for."""

    PAYMENT_METHOD = "payment_method"
    CREDITS = "credits"


class Gate(Struct, frozen=True, kw_only=True):
    """Which steps are done. `missing` is the next one, None once the gate is open."""

    payment_method: bool
    credits: bool

    @property
    def missing(self) -> Step | None:
        """The step to do next."""
        if self.credits:
            return None
        return Step.CREDITS if self.payment_method else Step.PAYMENT_METHOD

    @property
    def open(self) -> bool:
        """Whether the app opens."""
        return self.missing is None


class Gates:
    """Answers for all accounts. Thread-safe."""

    def __init__(self, ledger: Ledger, cards: Cards) -> None:
        self._ledger = ledger
        self._cards = cards

    def gate(self, account: AccountId) -> Gate:
        """Return where an account stands. Asks Stripe for its cards, at most once a minute, only while it is closed."""
        if self._passed(account):
            return Gate(payment_method=True, credits=True)
        return Gate(payment_method=bool(self._cards.saved(account)), credits=False)

    def as_known(self, account: AccountId) -> Gate:
        """Return where an account stands by our own copy of its cards: never waits for Stripe."""
        if self._passed(account):
            return Gate(payment_method=True, credits=True)
        return Gate(payment_method=bool(self._cards.known(account)), credits=False)

    def _passed(self, account: AccountId) -> bool:
        return self._ledger.wallet(wallet_of(account)).purchased > 0


class SpendingGate:
    """The gate in front of everything that spends credits: model calls, holds, charges. Thread-safe.

    `url` is the page where the missing step is done. An account known to have passed is not looked up again (G1).
    `explain` adds to the refusal of who is short what is on its way.
    """

    def __init__(
        self,
        gates: Gates,
        rule: GateRule,
        *,
        url: str,
        locks: Locks,
        explain: Callable[[AccountId, InsufficientCredits], None] | None = None,
    ) -> None:
        self._gates, self._rule, self._url, self._locks, self._explain = gates, rule, url, locks, explain
        self._passed: set[AccountId] = set()

    def lets_in(self, account: AccountId) -> bool:
        """Tell without waiting whether an account may try to spend; if not, `admit` decides."""
        return self._locks.is_clear(account) and (self._rule is GateRule.CREDITS or account in self._passed)

    def admit(self, account: AccountId) -> None:
        """Let an account try to spend, or say why not. Blocks on short reads. Raises: AccountOnHold, GateClosed."""
        self._locks.check(account)
        if self._rule is not GateRule.CREDITS:
            self.demand(account)

    def demand(self, account: AccountId) -> None:
        """Let an account pass, or say which step is missing. Blocks on short reads. Raises: GateClosed."""
        missing = None if account in self._passed else self._gates.as_known(account).missing
        if missing is not None:
            raise GateClosed(step=missing.value, gate_url=self._url)
        if len(self._passed) >= _PASSED_MAX:
            self._passed.clear()
        self._passed.add(account)

    @contextmanager
    def passage(self, account: AccountId) -> Generator[None]:
        """Run a block that spends; a wallet that is short says so only to those who have passed.

        Raises: AccountOnHold, GateClosed.
        """
        if not self.lets_in(account):
            self.admit(account)
        try:
            yield
        except (InsufficientCredits, DebtLimitReached) as error:
            self.refused(account, error)
            raise

    def refused(self, account: AccountId, error: InsufficientCredits | DebtLimitReached) -> None:
        """Complete the refusal of a wallet that is short, before it is passed on. Blocks. Raises: GateClosed."""
        self.demand(account)
        if self._explain is not None and isinstance(error, InsufficientCredits):
            self._explain(account, error)
