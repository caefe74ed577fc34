"""Tables of `payments` about purchases and what Stripe told us."""
