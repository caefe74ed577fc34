"""Disputes: the payer's bank takes a payment back, asks about it, or warns; and how it ends.

Owns: the table `dispute`, what each of its states does to the credits, the account's lock. Refuses to know: HTTP, and
the evidence an operator sends to the bank.
"""
