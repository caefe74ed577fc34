"""The door of payments: everything other rooms may ask for, in one class.

Owns: how the parts of this room are put together. Refuses to know: what they do.
"""

from collections.abc import Mapping, Sequence

from ileen.accounts import Accounts
from ileen.base.clock import Clock, Instant
from ileen.base.ids import AccountId, Ids, PurchaseId
from ileen.jobs import Handler, Recurring, daily, every
from ileen.ledger import Ledger
from ileen.outbound import Tell, silent
from ileen.payments.disputes.door import Disputes
from ileen.payments.disputes.locks import Locks
from ileen.payments.inbox import APPLY, Hook, Inbox
from ileen.payments.machine import DRIVE, Machine
from ileen.payments.missed import MISSED, MISSED_EVERY_S, Missed
from ileen.payments.model import Alarm, Evidence, Notify, Payers, Policy, Purchase, Quote
from ileen.payments.poller import SWEEP, SWEEP_EVERY_S, Poller
from ileen.payments.purchases import Purchases
from ileen.payments.reconcile import RECONCILE, Break, Reconciler
from ileen.payments.refills.door import SWEEP as REFILLS_DUE
from ileen.payments.refills.door import SWEEP_EVERY_S as REFILLS_EVERY_S
from ileen.payments.refills.door import Refills
from ileen.payments.refills.model import RefillPolicy
from ileen.payments.refills.outcome import Outcomes
from ileen.payments.refunds.door import SWEEP as REFUNDS_DUE
from ileen.payments.refunds.door import SWEEP_EVERY_S as REFUNDS_EVERY_S
from ileen.payments.refunds.door import Refunds
from ileen.payments.refunds.machine import Machine as RefundMachine
from ileen.payments.refunds.model import RefundPolicy
from ileen.payments.refunds.returns import Returns
from ileen.payments.refunds.tell import Teller
from ileen.payments.settle import Settler
from ileen.payments.stripe import Invoice, Stripe
from ileen.store.engine import Database


class Payments:
    """Buying credits. Thread-safe; calls block on Stripe and on short transactions."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        accounts: Accounts,
        *,
        stripe: Stripe,
        payers: Payers,
        policy: Policy,
        clock: Clock,
        ids: Ids,
        notify: Notify,
        alarm: Alarm,
        webhook_secrets: Sequence[str] = (),
        hooks: Mapping[str, Hook] | None = None,
        refills: RefillPolicy | None = None,
        refunds: RefundPolicy | None = None,
        tell: Tell = silent,
    ) -> None:
        """`webhook_secrets` are ours at Stripe, two while one is rolled; none: no webhook is taken."""
        refill_policy = refills or RefillPolicy()
        locks = Locks(database, clock=clock)
        outcomes = Outcomes(accounts, policy=refill_policy, clock=clock, notify=notify, tell=tell)
        settler = Settler(
            database,
            ledger,
            accounts,
            policy=policy,
            clock=clock,
            ids=ids,
            notify=notify,
            alarm=alarm,
            outcomes=outcomes,
        )
        self._machine = Machine(database, stripe=stripe, settler=settler, policy=policy, clock=clock, ids=ids)
        self._purchases = Purchases(
            database, self._machine, stripe=stripe, payers=payers, policy=policy, clock=clock, ids=ids, locks=locks
        )
        self.refills = Refills(
            database,
            accounts,
            purchases=self._purchases,
            machine=self._machine,
            policy=refill_policy,
            clock=clock,
            ids=ids,
            notify=notify,
            alarm=alarm,
            tell=tell,
        )
        refund_policy = refunds or RefundPolicy()
        self.disputes = Disputes(
            database,
            ledger,
            policy=refund_policy,
            clock=clock,
            ids=ids,
            alarm=alarm,
            pause=self.refills.pause_disputed,
            resume=self.refills.resume_disputed,
        )
        refund_machine = RefundMachine(
            database,
            ledger,
            stripe=stripe,
            policy=refund_policy,
            clock=clock,
            ids=ids,
            teller=Teller(accounts, clock=clock, ids=ids, notify=notify, alarm=alarm),
        )
        returns = Returns(
            database, refund_machine, stripe=stripe, clock=clock, ids=ids, disputes=self.disputes, alarm=alarm
        )
        self.refunds = Refunds(
            database,
            ledger,
            accounts,
            stripe=stripe,
            machine=refund_machine,
            back=returns,
            disputes=self.disputes,
            policy=refund_policy,
            clock=clock,
            ids=ids,
        )
        self._inbox = Inbox(
            database,
            self._machine,
            stripe=stripe,
            secrets=webhook_secrets,
            clock=clock,
            ids=ids,
            hooks=hooks or {},
            listeners=returns.listeners(),
        )
        self._missed = Missed(database, self._inbox, stripe=stripe, clock=clock, ids=ids)
        self._poller = Poller(database, self._machine, clock=clock, ids=ids)
        self._reconciler = Reconciler(database, stripe=stripe, clock=clock, ids=ids, alarm=alarm)

    def quote(self, account: AccountId, cents: int) -> Quote:
        """Return what `cents` of credits would come to today; see `Purchases.quote`."""
        return self._purchases.quote(account, cents)

    def buy(
        self,
        account: AccountId,
        cents: int,
        *,
        quoted_total: int,
        key: str,
        by: str | None,
        evidence: Evidence,
        card: str | None = None,
    ) -> Purchase:
        """Buy `cents` of credits for the total that was shown; see `Purchases.buy`."""
        return self._purchases.buy(
            account, cents, quoted_total=quoted_total, key=key, by=by, evidence=evidence, card=card
        )

    def purchase(self, account: AccountId, purchase_id: PurchaseId) -> Purchase:
        """Return one purchase of an account. Raises: NotFound."""
        return self._purchases.purchase(account, purchase_id)

    def purchases(self, account: AccountId, *, limit: int, before: PurchaseId | None = None) -> list[Purchase]:
        """Return an account's purchases, newest first."""
        return self._purchases.purchases(account, limit=limit, before=before)

    def invoice(self, account: AccountId, purchase_id: PurchaseId) -> Invoice:
        """Return a purchase's invoice as Stripe has it now. Raises: NotFound, StripeUnavailable."""
        return self._purchases.invoice(account, purchase_id)

    def cancel(self, account: AccountId, purchase_id: PurchaseId, *, by: str | None = None) -> Purchase:
        """Call a purchase off before the bank decides on it. Raises: NotFound, PurchaseClosed."""
        return self._purchases.cancel(account, purchase_id, by=by)

    def receive(self, raw: bytes, signature: str) -> None:
        """Check and store a webhook of Stripe's. Raises: PaymentsDisabled, WebhookInvalid."""
        self._inbox.receive(raw, signature)

    def handlers(self) -> Mapping[str, Handler]:
        """Return the jobs of this room."""
        return {
            APPLY: self._inbox.apply,
            MISSED: self._missed.fetch,
            SWEEP: self._poller.sweep,
            DRIVE: self._poller.drive,
            RECONCILE: self._reconciler.daily,
            **self.refills.handlers(),
            **self.refunds.handlers(),
        }

    @staticmethod
    def recurring() -> Sequence[Recurring]:
        """Return the jobs that are due again and again."""
        return (
            every(SWEEP_EVERY_S, SWEEP),
            every(MISSED_EVERY_S, MISSED),
            every(REFILLS_EVERY_S, REFILLS_DUE),
            every(REFUNDS_EVERY_S, REFUNDS_DUE),
            daily(4, RECONCILE),
        )

    def reconcile(self, since: Instant, until: Instant) -> list[Break]:
        """Compare what began in a period with Stripe and the ledger. Raises: StripeUnavailable."""
        return self._reconciler.run(since, until)
