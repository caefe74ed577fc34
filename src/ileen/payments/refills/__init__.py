"""Auto-refill: the wallet tops itself up when it runs low, by a rule its account has agreed to.

Owns: the rule of each account with every consent to it, and the attempts to refill. Refuses to know: how a purchase is
paid (`machine`) and how credits are booked (`ledger`).
A completed call that leaves the balance at the low mark or below leaves a job in the same transaction (`ledger.low`).
The job decides afresh, under lock, records the attempt with its purchase, and only then is Stripe asked.

F1  an attempt is a purchase like any other, named by its refill: one of either is open per account, by unique index.
F2  the decision to charge is made in the transaction that records the attempt, having taken the account's one place
    for a purchase first: whatever was on its way before has arrived in the balance that is read then.
F3  each attempt has keys of its own at Stripe; one whose outcome is unknown is read again, never ordered anew.
F4  a wallet has a low mark exactly while the rule is on, not paused and not told to wait (`look_at`).
"""
