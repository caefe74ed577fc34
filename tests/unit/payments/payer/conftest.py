"""The payer's side: its fixtures are shared with other folders, so they live in `tests/paying.py`."""

from paying import paying
from stripe_sandbox import stripe_process, stripe_sandbox

__all__ = ["paying", "stripe_process", "stripe_sandbox"]
