"""Auto-refill as other rooms see it: the rule, saving it, resuming it, its attempts; and the jobs that decide.

Owns: the order decide → record → charge, and what a decision against charging leads to. Refuses to know: HTTP, and
how a purchase is carried on (`machine`).
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
from sqlalchemy import Connection

from ileen import jobs
from ileen.accounts import Accounts, audit
from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import (
    BillingIncomplete,
    ConsentOutdated,
    CountryNotSold,
    IleenError,
    LocationInvalid,
    RefillChains,
    RefillChargesNow,
    RefillNotSet,
    TerritoryNotSold,
)
from ileen.base.ids import AccountId, Ids, RefillId, WalletId, account_of, wallet_of
from ileen.jobs import Handler, Job
from ileen.ledger import low, reads
from ileen.outbound import Tell, silent
from ileen.payments import records
from ileen.payments.amounts import credits_of, write_cents
from ileen.payments.cards import CHANGED as CARDS_CHANGED
from ileen.payments.machine import Machine
from ileen.payments.model import Alarm, Notify
from ileen.payments.purchases import Purchases
from ileen.payments.refills import book
from ileen.payments.refills.hints import Hints, under_way
from ileen.payments.refills.model import (
    BY_CARD,
    CONSENT_VERSION,
    LOOK,
    Consent,
    Pause,
    Refill,
    RefillPolicy,
    RefillState,
    Setting,
    Terms,
    chain_of,
)
from ileen.payments.refills.rules import Facts, Verdict, decide
from ileen.payments.rules import Record
from ileen.store.engine import Database

SWEEP: Final = "refills.sweep"
SWEEP_EVERY_S: Final = 10

_TRIES_MAX: Final = 5
_DAY_US: Final = 86_400 * SECOND
_UNSOLD: Final = (CountryNotSold, LocationInvalid, TerritoryNotSold)

_log = structlog.get_logger()


class Refills:
    """The auto-refill of all accounts. Thread-safe; calls block on short transactions, jobs on Stripe."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        *,
        purchases: Purchases,
        machine: Machine,
        policy: RefillPolicy,
        clock: Clock,
        ids: Ids,
        notify: Notify,
        alarm: Alarm,
        tell: Tell = silent,
    ) -> None:
        self._database, self._accounts, self._tell_servers = database, accounts, tell
        self._purchases, self._machine, self._policy = purchases, machine, policy
        self._clock, self._ids, self._notify, self._alarm = clock, ids, notify, alarm
        self.hints = Hints(database)

    # The rule ----------------------------------------------------------------------------------------------------

    def setting(self, account: AccountId) -> Setting | None:
        """Return the account's rule, None if none was ever saved."""
        with self._database.read() as connection:
            return book.setting_of(connection, account)

    def month_total(self, account: AccountId) -> int:
        """Return the cents before tax of this month's refills, under way or paid."""
        zone = self._accounts.get(account).time_zone
        with self._database.read() as connection:
            return book.month_total(connection, account, now=self._clock.now(), zone=zone)

    def save(
        self,
        account: AccountId,
        terms: Terms,
        *,
        consent: Consent,
        by: str,
        locale: str,
        charge_now: bool = False,
        accept_chain: bool = False,
    ) -> Setting:
        """Save the rule, keep the consent to it, and have it mailed. Saving ends a pause.

        Raises: AmountInvalid; for a rule that is on: ConsentOutdated, BillingIncomplete without a card, RefillChains
        if it may charge many times in a row, has no cap and `accept_chain` does not say that this is wanted,
        RefillChargesNow if the balance is low already and `charge_now` does not say so.
        """
        if terms.check().enabled:
            if consent.version != CONSENT_VERSION:
                raise ConsentOutdated(version=CONSENT_VERSION)
            _check_chain(terms, accept_chain=accept_chain)
            self._purchases.payer(account)
        now = self._clock.now()
        fresh = Setting(account_id=account, version=0, updated_at=now, **msgspec.structs.asdict(terms))
        cleared = {"paused": None, "paused_at": None, "failures": 0, "look_at": None, "locale": locale}
        with self._database.write() as connection:
            known = book.begin(connection, fresh)
            saved = book.put(connection, known, at=now, **msgspec.structs.asdict(terms), **cleared)
            is_low = self._is_low(connection, saved)  # read after the mark is set: from there on, calls tell
            if terms.enabled and is_low and not charge_now:
                raise RefillChargesNow(amount=write_cents(terms.amount))
            book.keep_consent(connection, saved, consent, by=by)
            self._note(connection, account, "refill.saved", by=by, **_written(terms))
            self._tell_saved(connection, saved)
            if terms.enabled and is_low:
                saved = self._due(connection, saved, trigger="saved")
        return saved

    def resume(self, account: AccountId, *, by: str) -> Setting:
        """End a pause or a wait; if the balance is low, a refill follows at once. Raises: RefillNotSet."""
        with self._database.write() as connection:
            known = book.lock(connection, account)
            if known is None or not known.enabled:
                raise RefillNotSet
            return self._resumed(connection, known, by=by, trigger="resumed")

    def refills(self, account: AccountId, *, limit: int, before: RefillId | None = None) -> list[Refill]:
        """Return the account's attempts, newest first."""
        with self._database.read() as connection:
            return book.of_account(connection, account, limit=limit, before=before)

    def is_expected(self, connection: Connection, account: AccountId) -> bool:
        """Tell whether credits come by themselves: the rule is ready to charge, or a refill is under way."""
        setting = book.setting_of(connection, account)
        if setting is not None and setting.triggers and not self._policy.stopped:
            return True
        found = under_way(connection, account)
        return found is not None and not found.unconfirmed

    # Jobs --------------------------------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Handler]:
        """Return the jobs of this part."""
        return {low.LOW: self._lowered, LOOK: self._looked, SWEEP: self._sweep, CARDS_CHANGED: self._carded}

    def _lowered(self, job: Job) -> None:
        account, trigger = account_of(WalletId(job.payload["wallet"])), job.payload.get("hold", "lowered")
        self._consider(account, trigger=trigger, told=True)

    def _looked(self, job: Job) -> None:
        self._consider(AccountId(job.payload["account"]), trigger=job.payload["trigger"])

    def _sweep(self, _: Job) -> None:
        """Have every rule that has waited long enough decide again."""
        with self._database.write() as connection:
            for account in book.due(connection, now=self._clock.now()):
                self._look(connection, account, trigger="again")

    def _carded(self, job: Job) -> None:
        """End a pause that a card was the reason of, if another one would be charged now. Raises: StripeUnavailable."""
        account = AccountId(job.payload["account"])
        with self._database.read() as connection:
            before, refused = book.setting_of(connection, account), book.card_refused(connection, account)
        if before is None or not before.enabled or before.paused not in BY_CARD:
            return
        try:
            card = self._purchases.payer(account).card
        except (BillingIncomplete, *_UNSOLD):
            return
        if before.paused is not Pause.NO_CARD and card == refused:
            return
        with self._database.write() as connection:
            setting = book.lock(connection, account)
            if setting is not None and setting.version == before.version:
                self._resumed(connection, setting, by=audit.SYSTEM, trigger="card")

    def _consider(self, account: AccountId, *, trigger: str, told: bool = False) -> None:
        """Decide, and charge or write down why not. `told`: the ledger asked, whose job keeps others of its like out.

        Raises: StripeUnavailable, StripeRefused: the job comes again.
        """
        for _ in range(_TRIES_MAX):
            with self._database.read() as connection:
                busy = records.open_of(connection, account) is not None
                facts = self._facts(connection, account, busy=busy)
            verdict = decide(facts, self._policy)
            if verdict is not Verdict.CHARGE:
                self._rest(account, facts, verdict, told=told)
                return
            assert facts.setting is not None
            record = self._prepared(account, facts.setting)
            if record is None:
                return
            try:
                recorded = self._record(record, facts, trigger)
            except _Changed:
                continue
            crash.point("refills.recorded")
            self._machine.carry_on(recorded)
            return
        raise _Changed

    def _prepared(self, account: AccountId, setting: Setting) -> Record | None:
        """Return the purchase to record, with its tax as of now; None if there is nobody to charge: then it pauses."""
        try:
            return self._purchases.prepare_refill(account, setting.amount, refill=RefillId(self._ids.mint("refill")))
        except BillingIncomplete as error:
            reason = Pause.NO_CARD if error.fields.get("missing") == "card" else Pause.BILLING
            self._pause(account, setting, reason, error)
        except _UNSOLD as error:
            self._pause(account, setting, Pause.BILLING, error)
        return None

    def _record(self, record: Record, before: Facts, trigger: str) -> Record:
        """Take the account's place for a purchase, decide on what is so then, and record the attempt (F2).

        Locks: the purchase's place, the setting. Raises: _Changed if anything is not as it was before Stripe was asked.
        """
        account, refill_id = record.account_id, record.refill_id
        assert refill_id is not None and before.setting is not None
        with self._database.write() as connection:
            now = self._clock.now()
            key, fingerprint = f"refill:{refill_id}", refill_id.encode()
            if records.add(connection, record, key=key, fingerprint=fingerprint, now=now) is not record:
                raise _Changed
            setting = book.lock(connection, account)
            facts = self._facts(connection, account, busy=False)
            changed = setting is None or setting.version != before.setting.version
            if changed or decide(facts, self._policy) is not Verdict.CHARGE:
                raise _Changed
            assert setting is not None
            if setting.look_at is not None:
                book.put(connection, setting, at=now, look_at=None)
            attempt = Refill(
                id=refill_id,
                account_id=account,
                state=RefillState.OPEN,
                purchase_id=record.id,
                trigger=trigger,
                balance=facts.balance,
                threshold=setting.threshold,
                amount=record.net,
                created_at=now,
            )
            book.add(connection, attempt)
            self._note(connection, account, "refill.started", by=audit.SYSTEM, purchase=record.id, trigger=trigger)
        _log.info("refills.refill.started", refill=refill_id, purchase=record.id, account=account)
        return record

    def _facts(self, connection: Connection, account: AccountId, *, busy: bool) -> Facts:
        now = self._clock.now()
        hour, day = book.counted(connection, account, now=now)
        wallet = reads.wallet(connection, wallet_of(account))
        setting = book.setting_of(connection, account)
        return Facts(
            setting=setting,
            waits=setting is not None and setting.look_at is not None and setting.look_at > now,
            balance=wallet.settled,
            busy=busy,
            month=book.month_total(connection, account, now=now, zone=wallet.time_zone),
            hour=hour,
            day=day,
        )

    def _rest(self, account: AccountId, facts: Facts, verdict: Verdict, *, told: bool) -> None:
        """Write down when to look again, so that calls meanwhile need not ask; somebody's change meanwhile counts.

        A call that leaves the balance low while its like is being decided on adds no job of its own, and the wallet
        may then be too empty for a next call. So a job of a call that finds enough has the sweep look once more; and
        where that finds enough, the balance is read again behind the mark it sets.
        """
        _log.info("refills.refill.not_due", account=account, verdict=verdict.value)
        if verdict in {Verdict.OFF, Verdict.PAUSED, Verdict.WAITING}:
            return
        now = self._clock.now()
        look_at = now if told and verdict is Verdict.ABOVE else self._look_at(account, verdict, now)
        with self._database.write() as connection:
            setting = book.lock(connection, account)
            if setting is None or facts.setting is None or setting.version != facts.setting.version:
                return
            if setting.look_at != look_at:
                setting = book.put(connection, setting, at=now, look_at=look_at)
            if look_at is None and self._is_low(connection, setting):
                book.put(connection, setting, at=now, look_at=now)
            if verdict is Verdict.CAPPED and setting.cap is not None:
                data = {"cap": write_cents(setting.cap), "month": write_cents(facts.month)}
                key = f"refill.capped:{account}:{look_at}"  # the beginning of the next month: once in each
                self._tell_servers(connection, account=account, type_="refill.capped", data=data, key=key)
            if verdict is Verdict.TOO_OFTEN:
                summary = f"Auto-refill of account {account} has reached its limit"
                detail = f"{facts.hour} refills in the last hour, {facts.day} in the last day: it waits."
                self._alarm(connection, summary=summary, detail=detail, key=f"refills:{account}:{now // _DAY_US}")

    def _look_at(self, account: AccountId, verdict: Verdict, now: Instant) -> Instant | None:
        match verdict:
            case Verdict.BUSY:
                return Instant(now + self._policy.busy_us)
            case Verdict.CAPPED:
                return book.next_month_start(now, self._accounts.get(account).time_zone)
            case Verdict.TOO_OFTEN | Verdict.STOPPED:
                return Instant(now + self._policy.often_us)
            case _:
                return None

    def _pause(self, account: AccountId, before: Setting, reason: Pause, error: IleenError) -> None:
        _log.warning("refills.refill.paused", account=account, reason=reason.value, error=error.detail)
        now, email = self._clock.now(), self._accounts.get(account).email
        with self._database.write() as connection:
            setting = book.lock(connection, account)
            if setting is None or setting.version != before.version:
                return
            paused = book.put(connection, setting, at=now, paused=reason, paused_at=now, look_at=None)
            self._paused(connection, paused)
            if email:
                values = {"refill_pause": reason.value, "link": "/billing#refill"}
                key = f"refill_paused:{account}:{paused.version}"
                self._owe(connection, paused, "refill_paused", values, to=email, key=key)

    def _paused(self, connection: Connection, setting: Setting) -> None:
        """Keep on record that the rule rests now, and tell the account's servers."""
        account = setting.account_id
        assert setting.paused is not None
        reason = setting.paused.value
        self._note(connection, account, "refill.paused", by=audit.SYSTEM, reason=reason)
        key = f"refill.paused:{account}:{setting.version}"
        self._tell_servers(connection, account=account, type_="refill.paused", data={"reason": reason}, key=key)

    # Disputes, in the caller's transaction -------------------------------------------------------------------------

    def pause_disputed(self, connection: Connection, account: AccountId) -> None:
        """Have the rule rest while a payment of the account is disputed. Locks: its setting, its wallet."""
        setting, now = book.lock(connection, account), self._clock.now()
        if setting is not None and setting.enabled and setting.paused is None:
            paused = book.put(connection, setting, at=now, paused=Pause.DISPUTED, paused_at=now, look_at=None)
            self._paused(connection, paused)

    def resume_disputed(self, connection: Connection, account: AccountId) -> None:
        """End the rest that disputes brought; other pauses stay. Locks: the setting, the wallet."""
        setting = book.lock(connection, account)
        if setting is not None and setting.enabled and setting.paused is Pause.DISPUTED:
            now = self._clock.now()
            resumed = book.put(connection, setting, at=now, paused=None, paused_at=None, failures=0, look_at=None)
            self._note(connection, account, "refill.resumed", by=audit.SYSTEM)
            self._due(connection, resumed, trigger="resumed")

    # In the caller's transaction -----------------------------------------------------------------------------------

    def _is_low(self, connection: Connection, setting: Setting) -> bool:
        return reads.wallet(connection, wallet_of(setting.account_id)).settled <= credits_of(setting.threshold)

    def _resumed(self, connection: Connection, setting: Setting, *, by: str, trigger: str) -> Setting:
        now, account = self._clock.now(), setting.account_id
        resumed = book.put(connection, setting, at=now, paused=None, paused_at=None, failures=0, look_at=None)
        self._note(connection, account, "refill.resumed", by=by)
        return self._due(connection, resumed, trigger=trigger)

    def _due(self, connection: Connection, setting: Setting, *, trigger: str) -> Setting:
        """Have the rule decide: at once by a job, and by the sweep should such a job just be ending."""
        self._look(connection, setting.account_id, trigger=trigger)
        now = self._clock.now()
        return book.put(connection, setting, at=now, look_at=now)

    def _look(self, connection: Connection, account: AccountId, *, trigger: str) -> None:
        payload = {"account": account, "trigger": trigger}
        jobs.enqueue(connection, ids=self._ids, kind=LOOK, payload=payload, now=self._clock.now(), key=account)

    def _tell_saved(self, connection: Connection, saved: Setting) -> None:
        email = self._accounts.get(saved.account_id).email
        if not email:
            return
        values = {"link": "/billing#refill"}
        if saved.enabled:
            values |= {"threshold": write_cents(saved.threshold), "credits": write_cents(saved.amount)}
        kind = "refill_on" if saved.enabled else "refill_off"
        self._owe(connection, saved, kind, values, to=email, key=f"{kind}:{saved.account_id}:{saved.version}")

    def _owe(
        self, connection: Connection, setting: Setting, kind: str, values: Mapping[str, str], *, to: str, key: str
    ) -> None:
        account = setting.account_id
        self._notify(connection, kind=kind, account_id=account, to=to, locale=setting.locale, values=values, key=key)

    def _note(self, connection: Connection, account: AccountId, action: str, *, by: str, **detail: str) -> None:
        audit.note(
            connection,
            ids=self._ids,
            now=self._clock.now(),
            actor=by,
            action=action,
            subject=account,
            account_id=account,
            detail=detail,
        )


class _Changed(Exception):  # not for callers: it makes the decision, or the job, start again
    """Something was not as before when the attempt was to be recorded."""


def _check_chain(terms: Terms, *, accept_chain: bool) -> None:
    chain = chain_of(terms.threshold, terms.amount)
    if chain is None or terms.cap is not None or accept_chain:
        return
    enough = None if chain.enough is None else write_cents(chain.enough)
    amounts = {"amount": write_cents(terms.amount), "total": write_cents(chain.total), "enough": enough}
    raise RefillChains(refills=chain.refills, **amounts)


def _written(terms: Terms) -> dict[str, str]:
    cap = "" if terms.cap is None else write_cents(terms.cap)
    return {
        "enabled": str(terms.enabled).lower(),
        "threshold": write_cents(terms.threshold),
        "amount": write_cents(terms.amount),
        "cap": cap,
    }
