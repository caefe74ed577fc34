"""Refunds: credits that were not used become money again, with VAT, credit note and ledger in agreement.

Owns: the tables `refund` and `refund_step`; what can go back and until when; the way from a request, or from a refund
somebody made at Stripe, to money and credits that have both gone or both stayed. Refuses to know: HTTP.
"""
