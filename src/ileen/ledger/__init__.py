"""The ledger: the one writer of credits.

Owns: wallets, lots, holds, spenders, the journal, usage records. Refuses to know: prices, HTTP, Stripe.
Its door is `Ledger`; its words are in `model`, its rules in `rules` (pure), its queue in `lanes`.
"""
