"""Every endpoint, hosted page and control action of the sandbox, put together.

Owns: the lists and their order (the first match serves). A new module is added here and nowhere else.
"""

from typing import Final

from ileen.sandbox.stripe import (
    balance,
    corrections,
    credit_notes,
    customers,
    dashboard,
    disputes,
    invoice_actions,
    invoices,
    items,
    payment_methods,
    portal,
    products,
    reading,
    refunds,
    setups,
    tax,
    tax_ids,
    webhooks,
)
from ileen.sandbox.stripe.api import Page, Route
from ileen.sandbox.stripe.pages import challenge, frame, invoice, levers
from ileen.sandbox.stripe.pages import portal as portal_pages

ROUTES: Final[list[Route]] = [
    *customers.ROUTES,
    *tax_ids.ROUTES,
    *payment_methods.ROUTES,
    *portal.ROUTES,
    *invoices.ROUTES,
    *invoice_actions.ROUTES,
    *items.ROUTES,
    *products.ROUTES,
    *reading.ROUTES,
    *balance.ROUTES,
    *webhooks.ROUTES,
    *credit_notes.ROUTES,
    *refunds.ROUTES,
    *disputes.ROUTES,
    *setups.ROUTES,
    *tax.ROUTES,
]
"""The API under /v1."""

PAGES: Final[list[Page]] = [
    *portal_pages.PAGES,
    *challenge.PAGES,
    *invoice.PAGES,
    *levers.PAGES,
    Page("GET", "/style.css", frame.stylesheet),
]
"""What browsers open: hosted invoices, the portal, the bank's page, documents."""

CONTROLS: Final[list[Route]] = [*dashboard.ROUTES, *corrections.CONTROLS, *levers.CONTROLS]
"""Actions under /_control that run in one transaction; those that wait for deliveries are in `control`."""
