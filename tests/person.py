"""A person who pays, with Payments and Billing put together as the application does, and Stripe within reach."""

from typing import Any

import httpx2

from ileen.base.ids import AccountId
from ileen.payments.billing import Billing
from ileen.payments.customers import BillingDetails
from ileen.payments.model import NextKind, Purchase, PurchaseState
from ileen.payments.stripe import Stripe
from ileen.payments.stripe.payer import Address
from ileen.payments.tax import TaxPolicy
from shop import Shop

HOME = "https://credits.example.com"
BERLIN = Address(line1="Torstr. 1", city="Berlin", postal_code="10119", country="DE")
PARIS = Address(line1="1 rue de Rivoli", city="Paris", postal_code="75001", country="FR")
ZURICH = Address(line1="Bahnhofstr. 1", city="Zürich", postal_code="8001", country="CH")
GOOD = "4242424242424242"
ASKS = "4000002760003184"
FAILS = "4000000000000341"
SET_UP = "4000002500003155"
"""A card that asks the payer only if it was not set up for later use."""


class Person:
    """Ada in Berlin, and how she and the operator's Stripe account come to each other."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.sandbox = shop, shop.sandbox
        self.account: AccountId = shop.accounts.create("Ada", email="ada@example.com").id
        self.billing = self.served_with(TaxPolicy())
        self.live_in(BERLIN)

    def served_with(self, policy: TaxPolicy) -> Billing:
        """Start the server anew with a policy about tax."""
        shop = self.shop
        self.billing = Billing(
            shop.database, shop.ledger, shop.accounts, stripe=self.stripe(), policy=policy, clock=shop.clock,
            ids=shop.ids, public_url=HOME,
        )  # fmt: skip
        shop.payers, shop.hooks = self.billing, self.billing.hooks()
        shop.payments = shop.server()
        return self.billing

    def stripe(self) -> Stripe:
        return Stripe(self.sandbox.secret_key, base_url=self.sandbox.url, retries=0)

    def live_in(self, address: Address) -> None:
        details = BillingDetails(name="Ada Lovelace", email="ada@example.com", language="de", address=address)
        self.billing.set_billing(self.account, details)

    @property
    def customer(self) -> str:
        return str(self.billing.customer(self.account).stripe_id)

    def saves(self, number: str = GOOD, *, default: bool = True) -> str:
        """Save a card on Stripe's page, come back, and be seen."""
        path = f"dashboard/customers/{self.customer}/cards"
        card = str(self.sandbox.control(path, number=number, default=default)["id"])
        self.billing.refreshed_cards(self.account)
        return card

    def at_stripe(self, path: str, **given: Any) -> int:
        """Do something on Stripe's pages or in its dashboard; return the status of the answer."""
        url = f"{self.sandbox.control_url}/dashboard/{path}"
        return httpx2.post(url, json=given, timeout=30, trust_env=False).status_code

    def buys(self, **given: Any) -> Purchase:
        return self.shop.buy(self.account, **given)

    def looks_at(self, bought: Purchase) -> Purchase:
        return self.shop.payments.purchase(self.account, bought.id)

    def default_at_stripe(self) -> str | None:
        settings = self.sandbox.client.v1.customers.retrieve(self.customer).invoice_settings
        return settings.default_payment_method if settings else None  # type: ignore[return-value]

    def hears_all(self) -> None:
        """Take every event of Stripe's, late and at once."""
        self.shop.deliver(*self.shop.events())
        self.shop.work()

    def is_settled(self, bought: Purchase, *, total: int = 5950) -> None:
        """The end of every purchase that went well: charged once as quoted, credited once, documented, mailed."""
        seen = self.looks_at(bought)
        assert (seen.state, seen.decline, seen.next.kind) == (PurchaseState.SETTLED, None, NextKind.NONE)
        assert (seen.net, seen.total) == (5000, total) and seen.number
        assert [(lot.reference, lot.amount) for lot in self.shop.lots(self.account)] == [(bought.id, 50 * 10**9)]
        assert self.billing.gate(self.account).open

    def is_charged_nothing(self) -> None:
        """The end of every purchase that did not come about: no money, no credits, free to buy."""
        assert self.shop.charges() == [] == self.shop.lots(self.account)
        assert all(each.status == "void" for each in self.shop.invoices())
