"""A simulated world: one seed drives buyers, agents, cards, banks, Stripe's faults, crashes and the clock.

rig       one offline Stripe and one receiver of webhooks in this process, for as many worlds as follow each other
world     one world: its database, its server processes, its clock, its chance
acts      what can happen, drawn by chance
model     what must have come of it, computed without our own rules
judge     what must hold at the end, and at every step
run       many seeds; `python -m simulation --seeds 5000`
"""
