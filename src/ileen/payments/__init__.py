"""Payments: from the card to the lot. Customers, cards, purchases and everything said to Stripe and by it.

Owns: what Stripe is told and what it tells us; the tables of purchases, customers and the inbox.
Refuses to know: HTTP, and how credits are booked (`ledger`).
Its door is `Payments`; its words are in `model`, the rules of a purchase in `rules` (pure), its steps in `machine`.
"""

from ileen.payments.door import Payments
from ileen.payments.model import Evidence, Next, NextKind, Policy, Purchase, PurchaseState, Quote

__all__ = ["Evidence", "Next", "NextKind", "Payments", "Policy", "Purchase", "PurchaseState", "Quote"]
