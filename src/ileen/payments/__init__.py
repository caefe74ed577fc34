"""Payments: from the card to the lot. Customers, cards, purchases and everything said to Stripe and by it."""
