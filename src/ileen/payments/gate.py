"""The billing gate: what must be done before the app opens, a saved card and a first purchase.

Owns: the one rule. Refuses to know: pages, and how either step is done.
G1  a wallet that was ever credited by a purchase is through, for good: what was paid shows that a card worked, the
    ledger never takes the sum of purchases back, and so a card removed or expired later changes nothing.
G2  bonus credits do not open the gate: they were given, nothing was set up.
"""

from enum import StrEnum

from msgspec import Struct

from ileen.base.errors import GateClosed
from ileen.base.ids import AccountId, wallet_of
from ileen.ledger import Ledger
from ileen.payments.cards import Cards


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
        if self._ledger.wallet(wallet_of(account)).purchased > 0:
            return Gate(payment_method=True, credits=True)
        return Gate(payment_method=bool(self._cards.saved(account)), credits=False)

    def demand(self, account: AccountId) -> None:
        """Let an account pass, or say which step is missing. Raises: GateClosed."""
        gate = self.gate(account)
        if gate.missing is not None:
            raise GateClosed(step=gate.missing.value)
