"""The composition root: settings in, a whole Ileen out. The only place that knows all rooms.

Owns: the order in which things start and stop, the sweeper that frees overdue holds, and the one worker that runs
the jobs of all rooms.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import structlog
import uvicorn

from ileen import web
from ileen.accounts import Accounts
from ileen.accounts.alerts import Alerts, nothing_expected
from ileen.accounts.people import People
from ileen.accounts.provider import Provider
from ileen.base.clock import SECOND, Clock, SystemClock
from ileen.base.errors import IleenError, InsufficientCredits
from ileen.base.ids import AccountId, Ids, RandomIds
from ileen.base.money import parse
from ileen.gateway import Gateway
from ileen.jobs import Worker
from ileen.ledger import Ledger
from ileen.notices import House, Mailer, Notices
from ileen.outbound import Outbound, Reach
from ileen.payments import Payments, Policy
from ileen.payments.billing import Billing
from ileen.payments.gate import GateRule
from ileen.payments.refills.model import RefillPolicy
from ileen.payments.refunds.model import RefundPolicy
from ileen.payments.stripe import Stripe, check_key
from ileen.payments.tax import ReverseCharge, Sell, TaxPolicy
from ileen.payments.territories import EU
from ileen.pricing import Prices
from ileen.settings import Settings
from ileen.store.engine import Database
from ileen.web.front import Asgi

if TYPE_CHECKING:
    from ileen.studio import Studio

_SWEEP_EVERY_S = 1
_STRIPE_ASKED_S = 5
"""How long the start waits for Stripe at most: agents spend what was bought before, whether Stripe answers or not."""
_log = structlog.get_logger()


class App:
    """The rooms of one process, started together. `open` it, use it, `close` it.

    `inbox_url` is the offline inbox, where one takes the place of a mail server.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        inbox_url: str | None = None,
    ) -> None:
        self.settings = settings
        self.inbox_url = inbox_url
        self.clock: Clock = clock or SystemClock()
        self.ids: Ids = ids or RandomIds(self.clock)
        self.prices = Prices.load(
            rate_card=settings.rate_card,
            price_file=settings.price_file,
            fx_rate=settings.fx_rate,
            fx_file=settings.rates_file if settings.rates_file.is_file() else None,
        )
        self.database = Database.open(settings.database_url)
        self.ledger = Ledger(self.database, clock=self.clock)
        self.accounts = Accounts(self.database, self.ledger, clock=self.clock, ids=self.ids)
        self.people = People(self.database, self.accounts, clock=self.clock, ids=self.ids, provider=_provider(settings))
        self.notices = Notices(
            self.database,
            mailer=_mailer(settings),
            operator=settings.operator_email,
            clock=self.clock,
            ids=self.ids,
        )
        self.outbound = Outbound(self.database, reach=_reach(settings), clock=self.clock, ids=self.ids)
        self.billing: Billing | None = None
        self.payments: Payments | None = None
        if settings.stripe_secret_key is not None:
            self.billing, self.payments = self._open_payments(settings.stripe_secret_key)
        self.alerts = Alerts(
            self.database,
            self.accounts,
            clock=self.clock,
            ids=self.ids,
            expects=nothing_expected if self.payments is None else self.payments.refills.is_expected,
            tell=self.outbound.tell,
        )
        handlers = {
            **self.alerts.handlers(),
            **self.outbound.handlers(),
            **self.notices.handlers(),
            **self.accounts.handlers(),
            **self.people.handlers(),
        }
        if self.billing is not None and self.payments is not None:
            handlers |= {**self.billing.handlers(), **self.payments.handlers()}
        recurring = [*self.people.recurring(), *(Payments.recurring() if self.payments else ())]
        self.studio: Studio | None = None
        self.worker = Worker(self.database, handlers, clock=self.clock, ids=self.ids, recurring=recurring)

    def _open_payments(self, secret_key: str) -> tuple[Billing, Payments]:
        settings = self.settings
        stripe = Stripe(secret_key, base_url=settings.stripe_base_url)
        billing = Billing(
            self.database,
            self.ledger,
            self.accounts,
            stripe=stripe,
            policy=tax_policy(settings),
            clock=self.clock,
            ids=self.ids,
            public_url=settings.public_url,
        )
        payments = Payments(
            self.database,
            self.ledger,
            self.accounts,
            stripe=stripe,
            payers=billing,
            policy=Policy(
                tax_code=settings.tax_code,
                footer=settings.invoice_footer or None,
                action_us=settings.confirm_timeout_s * SECOND,
                away_us=settings.refill_confirm_timeout_s * SECOND,
            ),
            clock=self.clock,
            ids=self.ids,
            notify=self.notices.owe,
            alarm=self.notices.alarm,
            tell=self.outbound.tell,
            webhook_secrets=settings.stripe_webhook_secret,
            hooks=billing.hooks(),
            refills=RefillPolicy(
                stopped=settings.refills == "stopped",
                hour_max=settings.refill_hour_max,
                day_max=settings.refill_day_max,
            ),
            refunds=RefundPolicy(
                automatic=settings.refunds == "automatic",
                four_eyes_above=settings.refund_four_eyes_above * 100 or None,
                by_payer=settings.withdrawal != "off",
                withdrawal=settings.withdrawal == "on",
                debt=settings.dispute_debt == "on",
                refund_warned=settings.fraud_warnings == "refund",
            ),
        )
        return billing, payments

    @classmethod
    @contextlib.contextmanager
    def open(cls, settings: Settings, *, inbox_url: str | None = None) -> Generator[Self]:
        """Open a migrated, started application for a block, and close it after."""
        app = cls(settings, inbox_url=inbox_url)
        app.database.migrate()
        app.ledger.start()
        try:
            yield app
        finally:
            app.accounts.close()
            app.ledger.stop()
            app.database.close()

    def check_stripe(self) -> None:
        """Ask Stripe whether it takes the key, in the mode its name says; warn if Stripe cannot tell now.

        Raises: SettingInvalid.
        """
        key = self.settings.stripe_secret_key
        if key is None:
            return
        once = Stripe(key, base_url=self.settings.stripe_base_url, retries=0, timeout_s=_STRIPE_ASKED_S)
        if warning := check_key(once):
            _log.warning("payments.key.unchecked", sentence=warning)

    def build(self, *, origin: str = "") -> tuple[web.Front, Gateway]:
        """Return the HTTP side: what serves, and the gateway in it, which is started and stopped by the caller.

        So is the studio, which is there if it is wanted and `origin` says where it reaches us.
        """
        gate = None
        if self.billing is not None and self.payments is not None:
            rule = GateRule(self.settings.gate)
            gate = self.billing.spending_gate(rule, explain=self._explain)
        gateway = Gateway(
            ledger=self.ledger,
            accounts=self.accounts,
            prices=self.prices,
            settings=self.settings,
            clock=self.clock,
            ids=self.ids,
            gate=gate,
        )
        front = web.build(
            ledger=self.ledger,
            accounts=self.accounts,
            people=self.people,
            prices=self.prices,
            gateway=gateway,
            settings=self.settings,
            clock=self.clock,
            ids=self.ids,
            database=self.database,
            billing=self.billing,
            payments=self.payments,
            alerts=self.alerts,
            outbound=self.outbound,
            gate=gate,
            country_header=self.settings.country_header,
            inbox_url=self.inbox_url,
            lodger=self._lodge(origin) if origin and self.settings.studio == "on" else None,
        )
        return front, gateway

    def _explain(self, account: AccountId, error: InsufficientCredits) -> None:
        """Add to a refusal what is on its way, and have the account told that its credits have run out."""
        assert self.payments is not None
        self.payments.refills.hints.explain(account, error)
        self.alerts.short(account, parse(error.fields["needed"]))

    def _lodge(self, origin: str) -> Callable[[web.Reception], Asgi]:
        from ileen.studio import Studio  # noqa: PLC0415  # most commands, and servers without a studio, need none of it
        from ileen.studio.studio import StudioSettings  # noqa: PLC0415

        settings = StudioSettings(
            origin=origin,
            file=self.settings.data_dir / "studio.sqlite3",
            models=tuple(self.settings.studio_models.split(",")),
            embedder=self.settings.studio_embedding_model,
        )

        def lodge(reception: web.Reception) -> Asgi:
            self.studio = Studio(settings, reception=reception, clock=self.clock, ids=self.ids)
            return self.studio.site

        return lodge

    async def serve(self, listener: socket.socket, *, ready: Callable[[], None]) -> None:
        """Serve HTTP on a bound socket until SIGINT or SIGTERM; call `ready` once requests are answered.

        Raises: SettingInvalid (Stripe refuses the key).
        """
        await asyncio.to_thread(self.check_stripe)
        front, gateway = self.build(origin=origin_of(listener))
        for warning in self.prices.warnings(self.clock.now()):
            _log.warning("pricing.rate.stale", sentence=warning)
        if self.settings.smtp_url is None:
            _log.warning("notices.server.missing", sentence="Mails are owed but not sent: set ILEEN_SMTP_URL.")
        await gateway.start()
        sweeper = _Sweeper(self.ledger)
        sweeper.start()
        self.worker.start()
        if self.studio is not None:
            await self.studio.start()
        try:
            await _run(front, listener, ready)
        finally:
            if self.studio is not None:
                await self.studio.stop()
            await asyncio.to_thread(self.worker.stop)
            await asyncio.to_thread(sweeper.stop)
            await gateway.stop()


def origin_of(listener: socket.socket) -> str:
    """Return the address a server on this socket is reached at from this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104  # a comparison


def _provider(settings: Settings) -> Provider | None:
    if not settings.oidc_issuer:
        return None
    return Provider(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        name=settings.oidc_name,
    )


def _reach(settings: Settings) -> Reach:
    """Return how far events are sent: on a machine of one's own, also to that machine."""
    loopback = urlsplit(settings.public_url).hostname in {"localhost", "127.0.0.1", "::1"}
    return Reach(private=settings.webhook_targets == "any", loopback=loopback)


def tax_policy(settings: Settings) -> TaxPolicy:
    """Return the operator's policy about tax; the seller's own country always counts as registered."""
    named = {each.strip() for each in settings.tax_registrations.split(",")}
    union: frozenset[str] = EU if "EU" in named else frozenset()
    return TaxPolicy(
        seller_country=settings.seller_country,
        registered=union | (named - {"EU"}) | {settings.seller_country},
        unregistered=Sell(settings.unregistered_countries),
        territories=Sell(settings.tax_territories),
        reverse_charge=ReverseCharge(settings.reverse_charge),
        tax_code=settings.tax_code,
    )


def _mailer(settings: Settings) -> Mailer:
    return Mailer.of(
        smtp_url=settings.smtp_url,
        mail_from=settings.mail_from,
        support_email=settings.support_email,
        house=House(brand=settings.brand, seller=settings.seller, public_url=settings.public_url),
    )


class _Sweeper:
    """Frees overdue holds every second, in a thread of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ileen-sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopping.wait(_SWEEP_EVERY_S):
            try:
                freed = self._ledger.sweep()
            except (IleenError, OSError, RuntimeError) as error:
                _log.warning("ledger.sweep.failed", error=str(error))
                continue
            if freed:
                _log.info("ledger.holds.expired", holds=freed)


class _Server(uvicorn.Server):
    """A server whose signals are ours, and that says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


async def _run(asgi: web.Front, listener: socket.socket, ready: Callable[[], None]) -> None:
    config = uvicorn.Config(
        asgi,
        loop="none",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
        ws="none",
        backlog=2048,
        timeout_graceful_shutdown=20,
        server_header=False,
        date_header=False,
    )
    server = _Server(config, ready)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        asgi.stop_streams()
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await server.serve(sockets=[listener])
