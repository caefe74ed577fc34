"""Money that goes back: what is heard of refunds, credit notes and disputes at Stripe, and what follows.

Owns: the way from such an event to the purchase it concerns. Refuses to know: HTTP, and what an event's body claims
beyond ids.
"""
