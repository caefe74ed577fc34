"""The HTTP house: `/v1/*` for applications, `/healthz`, `/openapi.json`, and the way through to the gateway.

Owns: the form of requests and answers, who may ask what, pagination, idempotency keys, problem documents.
Refuses to know: how credits are decided (`ledger`), what a call costs (`pricing`), how a call is proxied (`gateway`).
W1  every answer carries `Ileen-Request-Id`; every error is a problem document with a stable code (RFC 9457).
W2  no input, however broken, is answered with a 5xx, and a refused request has written nothing.
W3  an account sees its own things only; another account's ids answer exactly as unknown ones.
"""

from ileen.web.api import build_api
from ileen.web.front import Front, build
from ileen.web.reception import Reception

__all__ = ["Front", "Reception", "build", "build_api"]
