"""The control API: the sandbox's levers, as private JSON under /_control.

Owns: clock, faults, delivery modes, doubts, settings, reset. It never speaks Stripe's protocol, and what it does has
no API request behind it. Every action returns after the deliveries it caused were tried.
"""

import json

from ileen.sandbox.stripe import delivery, doubts, events, faults, tax
from ileen.sandbox.stripe.api import Call
from ileen.sandbox.stripe.delivery import Deliverer
from ileen.sandbox.stripe.due import advance, settle
from ileen.sandbox.stripe.errors import ApiError, Json, invalid
from ileen.sandbox.stripe.form import many
from ileen.sandbox.stripe.routes import CONTROLS
from ileen.sandbox.stripe.store import State, Tx

_SETTINGS = ("numbering", "account_name", "processing_s")


class Control:
    """Serves control requests."""

    def __init__(self, state: State, deliverer: Deliverer) -> None:
        self._state = state
        self._deliverer = deliverer

    async def serve(self, method: str, path: str, given: Json) -> tuple[int, Json]:
        """Serve one request; a refusal is returned in Stripe's envelope."""
        try:
            answer = await self._waiting(method, path, given)
            if answer is None:
                answer = self._transacted(method, path, given)
                await settle(self._state, self._deliverer)
        except ApiError as error:
            return error.status, error.body
        return 200, answer

    async def _waiting(self, method: str, path: str, given: Json) -> Json | None:
        """Serve the actions that wait for the outside; None if this is none of them."""
        match method, path.removeprefix("/_control").strip("/").split("/"):
            case "POST", ["clock"]:
                to = given.get("to")
                await advance(
                    self._state, self._deliverer, to=self._state.now() + int(given["advance_s"]) if to is None else to
                )
                return {"now": self._state.now()}
            case "POST", ["deliver"]:
                await settle(self._state, self._deliverer)
                return {"now": self._state.now()}
            case "POST", ["events", event, "resend"]:
                with self._state.transaction() as tx:
                    made = delivery.resend(tx, event)
                return {"statuses": [await self._deliverer.deliver(one, by_hand=True) for one in made]}
            case "POST", ["reset"]:
                self._state.reset(to=given.get("now"))
                return {"now": self._state.now()}
            case _:
                return None

    def _transacted(self, method: str, path: str, given: Json) -> Json:
        kept: ApiError | None = None
        with self._state.transaction() as tx:
            for route in CONTROLS:
                ids = route.match(path)
                if route.method == method and ids is not None:
                    try:
                        return route.serve(tx, Call(path, ids, given))
                    except ApiError as error:
                        if not error.keep:
                            raise
                        kept = error
                        break
            else:
                return _lever(tx, method, path.removeprefix("/_control").strip("/"), given)
        assert kept is not None, "the loop returns, raises or keeps"
        raise kept


def _lever(tx: Tx, method: str, name: str, given: Json) -> Json:
    match method, name.split("/"):
        case "GET", [""]:
            return overview(tx)
        case "POST", ["faults"]:
            return faults.arm(tx, given)
        case "DELETE", ["faults"]:
            faults.disarm(tx)
        case "POST", ["webhooks"]:
            types = [str(one) for one in many(given, "types")]
            events.choose_mode(tx, str(given.get("mode")), types=types, delay_s=int(given.get("delay_s", 0)))
        case "POST", ["webhooks", "release"]:
            delivery.release(tx)
        case "GET", ["deliveries"]:
            return {"deliveries": delivery.deliveries(tx)}
        case "POST", ["webhook_endpoints", endpoint, "roll"]:
            return {"secret": delivery.roll(tx, endpoint, overlap_s=int(given.get("overlap_s", 86_400)))}
        case "POST", ["doubts"]:
            doubts.choose(tx, given)
        case "POST", ["tax"]:
            tax.set_seller(tx, given)
        case "POST", ["settings"]:
            _set(tx, given)
        case _:
            raise ApiError(404, f"There is no control action {method} /_control/{name}.")
    return overview(tx)


def overview(tx: Tx) -> Json:
    """Return the position of every lever."""
    states = tx.connection.execute("SELECT state, count(*) FROM delivery GROUP BY state").fetchall()
    return {
        "now": tx.now,
        "faults": faults.all_armed(tx),
        "webhooks": json.loads(tx.setting("webhook_mode") or '{"mode": "normal", "types": [], "delay_s": 0}'),
        "deliveries": dict(states),
        "doubts": doubts.chosen(tx),
        "doubts_known": {name: list(variants) for name, variants in doubts.DOUBTS.items()},
        "tax": tax.seller(tx),
        "settings": {name: tx.setting(name) for name in _SETTINGS},
    }


def _set(tx: Tx, given: Json) -> None:
    if set(given) - set(_SETTINGS) or given.get("numbering") not in {None, "customer", "account"}:
        raise invalid('Settings are: numbering ("customer" or "account"), account_name, processing_s (seconds).')
    for name, value in given.items():
        tx.set(name, None if value is None else str(value))
