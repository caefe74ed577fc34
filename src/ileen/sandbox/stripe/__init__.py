"""The offline Stripe: a stateful stand-in for the API, the hosted pages and the documents, spoken to over HTTP only.

It is made for API version 2026-10-28.endive as the official SDK speaks it, keeps its world in one SQLite file, and has
levers for everything that goes wrong with payments. It takes no live key and binds to loopback only.

The rooms inside, outermost first:
    server        HTTP: keys, request ids, idempotency around execution, faults, the run of what is due
    control       levers under /_control; `dashboard` has what a person would do at Stripe
    routes        every endpoint, page and action, in one list; a new module is added there and nowhere else
    customers  tax_ids  payment_methods  setups  portal  products      endpoints by object
    invoices  items  invoice_actions  reading  webhooks                endpoints by object
    credit_notes  refunds  disputes  corrections                       what is given or taken back; `crediting` sums it
    payments      paying: declines, authentication, settling; `charges` moves the money, `closing` finalizes and voids
    lines  tax  vat  cards                what is billed, where it is taxed, at what rate; what test cards do
    events  delivery  due                 snapshots, signed deliveries with retries, what happens by the clock
    doubts        what is unknown about Stripe, each with variants to choose from
    api  form  views  errors  idempotency  faults  store      declaring, reading and showing; the state file

How to add an endpoint: a function `(Tx, Call) -> Json`, a `Route` with a reader from `form`, its list in `routes`.
How to add a page: a function `(Tx, PageCall) -> PageAnswer`, a `Page`, its list in `routes.PAGES`.
How to have something done later: `tx.schedule(at, "name", ...)` and `due.ACTIONS["name"]`.
"""

from ileen.sandbox.stripe.server import Server
from ileen.sandbox.stripe.store import State

__all__ = ["Server", "State"]
