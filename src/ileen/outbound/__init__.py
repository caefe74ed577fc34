"""Outbound: events told to servers of an account's own, signed, and tried again until they have been taken.

Owns: the tables `outbound_…`, the signature, which addresses may be called, when a delivery is tried again.
Refuses to know: why something happened. Callers give facts in their own transaction (`tell`).
O1  an event exists if and only if what it tells was committed; the same key is told once.
O2  a delivery is tried until an answer of 2xx, for two days, then it has failed, visibly. A crash may send it twice,
    under the same `webhook-id`.
O3  what is sent is word for word what was kept and signed (Standard Webhooks: github.com/standard-webhooks).
O4  an account's address is a stranger's: only https, only to public addresses that were looked up for this very call,
    redirects are not followed, answers are not read beyond their status. The operator may allow more.
"""

from ileen.outbound.book import Delivery, Endpoint, Tell, silent, tell
from ileen.outbound.door import EVENTS, Outbound
from ileen.outbound.target import Reach

__all__ = ["EVENTS", "Delivery", "Endpoint", "Outbound", "Reach", "Tell", "silent", "tell"]
