"""A client for applications that call models themselves: hold credits, call the model, capture the exact charge.

Owns: `Client` and `AsyncClient`, which differ in `await` only, and the types they answer with.
Refuses to know: anything of the server but its HTTP interface. Imports nothing else of Ileen.
C1  a hold's block that fails voids the hold; one that ends without a capture does too.
C2  a request that may be repeated is repeated under the same idempotency key, so nothing is booked twice.
C3  amounts are `decimal.Decimal` of credits; floats are refused.
"""

from ileen.client.asynchronous import AsyncClient, AsyncHold
from ileen.client.gate import GateClosed, GateMiddleware, requires_open_gate
from ileen.client.synchronous import Client, Hold
from ileen.client.types import Attribution, Call, CallPage, Charged, Gate, IleenApiError, UsageRow, Wallet

__all__ = [
    "AsyncClient",
    "AsyncHold",
    "Attribution",
    "Call",
    "CallPage",
    "Charged",
    "Client",
    "Gate",
    "GateClosed",
    "GateMiddleware",
    "Hold",
    "IleenApiError",
    "UsageRow",
    "Wallet",
    "requires_open_gate",
]
