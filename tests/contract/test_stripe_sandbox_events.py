"""The offline Stripe's webhooks: signatures, retries by its clock, the ways deliveries go wrong, frozen snapshots."""

import itertools
import json
from typing import Any

import pytest
import stripe

from stripe_sandbox import API_VERSION, Receiver, StripeSandbox, receiver, receiving, stripe_process, stripe_sandbox

__all__ = ["receiver", "stripe_process", "stripe_sandbox"]


def bought(sandbox: StripeSandbox, **pay: Any) -> Any:
    invoice = sandbox.open_invoice(sandbox.customer().id)
    return sandbox.client.v1.invoices.pay(invoice.id, pay)


def signatures(header: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in header.split(","):
        name, _, value = part.partition("=")
        found.setdefault(name, []).append(value)
    return found


def test_deliveries_are_signed_over_the_raw_bytes(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    stripe_sandbox.deliver()

    [(body, header)] = receiver.taken

    event = stripe.Webhook.construct_event(body, header, receiver.secret)
    assert (event.type, event.api_version, event.livemode) == ("customer.created", API_VERSION, False)
    parts = signatures(header)
    assert (len(parts["v1"]), len(parts["v0"])) == (1, 1)
    for tampered in (json.dumps(json.loads(body)).encode(), body + b" "):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(tampered, header, receiver.secret)


def test_while_a_secret_is_rolled_both_sign(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    new = stripe_sandbox.control(f"webhook_endpoints/{receiver.endpoint}/roll", overlap_s=3600)["secret"]
    stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    stripe_sandbox.deliver()
    stripe_sandbox.advance(3601)
    stripe_sandbox.client.v1.customers.create({"name": "Eve"})
    stripe_sandbox.deliver()

    (first, both), (second, one) = receiver.taken

    assert (len(signatures(both)["v1"]), len(signatures(one)["v1"])) == (2, 1)
    for secret in (receiver.secret, new):
        stripe.Webhook.construct_event(first, both, secret)
    stripe.WebhookSignature.verify_header(second.decode(), one, new, tolerance=None)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(second.decode(), one, receiver.secret, tolerance=None)


def test_a_failed_delivery_is_tried_again_with_backoff_and_given_up(
    stripe_sandbox: StripeSandbox, receiver: Receiver
) -> None:
    receiver.status = 500
    stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    stripe_sandbox.deliver()
    assert len(receiver.taken) == 1

    stripe_sandbox.advance(601)
    assert len(receiver.taken) == 2
    stripe_sandbox.advance(86_400)

    assert len(receiver.taken) == 4
    assert len({body for body, _ in receiver.taken}) == 1
    times = [int(signatures(header)["t"][0]) for _, header in receiver.taken]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [
        pytest.approx(gap, abs=5) for gap in (600, 3600, 10_800)
    ]
    assert len({header for _, header in receiver.taken}) == 4, "each try has a signature of its own"
    [delivery] = stripe_sandbox.deliveries()
    assert (delivery["state"], delivery["tries"]) == ("failed", 4)
    failed = stripe_sandbox.client.v1.events.list({"delivery_success": False, "types": ["customer.created"]}).data
    assert [event.type for event in failed] == ["customer.created"]


def test_a_retry_that_succeeds_is_the_last(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    receiver.statuses = [503]
    stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    stripe_sandbox.deliver()

    stripe_sandbox.advance(86_400)

    assert len(receiver.taken) == 2
    assert stripe_sandbox.client.v1.events.list({"delivery_success": False}).data == []


def test_an_endpoint_that_is_down_is_tried_again(stripe_sandbox: StripeSandbox) -> None:
    with receiving() as gone:
        pass
    stripe_sandbox.client.v1.webhook_endpoints.create({"url": gone.url, "enabled_events": ["customer.created"]})
    stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    stripe_sandbox.deliver()

    [delivery] = stripe_sandbox.deliveries()

    assert (delivery["state"], delivery["tries"], delivery["note"]) == ("pending", 1, "ConnectError")


def test_sending_by_hand_does_not_cancel_the_retries(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    receiver.statuses = [500]
    stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    stripe_sandbox.deliver()
    event = receiver.events()[0]["id"]

    sent = stripe_sandbox.control(f"events/{event}/resend")
    stripe_sandbox.advance(86_400)

    assert sent["statuses"] == [200]
    assert [one["id"] for one in receiver.events()] == [event] * 3


def test_an_event_may_come_twice_under_one_id(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    stripe_sandbox.control("webhooks", mode="duplicated", types=["invoice.paid"])
    bought(stripe_sandbox)
    stripe_sandbox.deliver()

    first, second = receiver.of("invoice.paid")

    assert (first["id"], first["data"]) == (second["id"], second["data"])
    assert len(receiver.of("charge.succeeded")) == 1


def test_a_change_may_come_twice_under_two_ids(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    stripe_sandbox.control("webhooks", mode="duplicated_new_id", types=["invoice.paid"])
    bought(stripe_sandbox)
    stripe_sandbox.deliver()

    first, second = receiver.of("invoice.paid")

    assert first["id"] != second["id"] and first["data"] == second["data"]


@pytest.mark.parametrize(("mode", "backwards"), [("in_order", False), ("reversed", True)])
def test_events_may_come_in_order_or_backwards(
    stripe_sandbox: StripeSandbox, receiver: Receiver, mode: str, backwards: bool
) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    stripe_sandbox.deliver()
    stripe_sandbox.control("webhooks", mode=mode)
    receiver.taken.clear()

    stripe_sandbox.client.v1.invoices.pay(invoice.id)
    stripe_sandbox.deliver()

    expected = [
        "charge.succeeded", "payment_intent.succeeded", "invoice_payment.paid", "invoice.paid",
        "invoice.payment_succeeded",
    ]  # fmt: skip
    assert receiver.types() == (expected[::-1] if backwards else expected)


def test_events_may_be_delayed_dropped_or_held(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    client = stripe_sandbox.client.v1.customers
    stripe_sandbox.control("webhooks", mode="delayed", delay_s=300)
    delayed = client.create({"name": "late"}).id
    stripe_sandbox.control("webhooks", mode="dropped")
    client.create({"name": "lost"})
    stripe_sandbox.control("webhooks", mode="held")
    held = client.create({"name": "held"}).id
    stripe_sandbox.deliver()
    assert receiver.taken == []

    stripe_sandbox.advance(301)
    assert [event["data"]["object"]["id"] for event in receiver.events()] == [delayed]
    stripe_sandbox.control("webhooks/release")

    assert [event["data"]["object"]["id"] for event in receiver.events()] == [delayed, held]
    lost = stripe_sandbox.client.v1.events.list({"delivery_success": False}).data
    assert [event.data.object["name"] for event in lost] == ["lost"]


def test_a_webhook_may_come_before_the_answer(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    stripe_sandbox.control("webhooks", mode="before_response", types=["invoice.paid"])

    bought(stripe_sandbox)

    assert len(receiver.of("invoice.paid")) == 1, "no waiting: it was there when pay returned"


def test_events_say_which_request_caused_them(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    made = stripe_sandbox.client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "customer:1"})
    stripe_sandbox.control(f"dashboard/customers/{made.id}", name="Eve")
    stripe_sandbox.deliver()

    [created], [updated] = receiver.of("customer.created"), receiver.of("customer.updated")

    assert created["request"] == {"id": made.last_response.request_id, "idempotency_key": "customer:1"}
    assert updated["request"] == {"id": None, "idempotency_key": None}
    assert updated["data"]["previous_attributes"] == {"name": "Ada"}
    assert "previous_attributes" not in created["data"]


def test_the_payload_has_the_endpoints_version(stripe_sandbox: StripeSandbox) -> None:
    with receiving() as old:
        stripe_sandbox.client.v1.webhook_endpoints.create(
            {"url": old.url, "enabled_events": ["customer.created"], "api_version": "2025-03-31.basil"}
        )
        stripe_sandbox.client.v1.customers.create({"name": "Ada"})
        stripe_sandbox.deliver()

        assert [event["api_version"] for event in old.events()] == ["2025-03-31.basil"]


def test_a_snapshot_is_frozen(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    made = stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    stripe_sandbox.client.v1.customers.update(made.id, {"name": "Eve"})
    stripe_sandbox.deliver()
    [sent] = receiver.of("customer.created")

    stripe_sandbox.client.v1.customers.delete(made.id)
    kept = stripe_sandbox.raw("GET", f"/v1/events/{sent['id']}").json()

    assert sent["data"]["object"]["name"] == "Ada"
    assert {**kept, "pending_webhooks": 1} == sent
    assert kept["pending_webhooks"] == 0


def test_an_endpoint_gets_only_what_it_asked_for_and_its_secret_is_told_once(stripe_sandbox: StripeSandbox) -> None:
    client = stripe_sandbox.client.v1.webhook_endpoints
    with receiving() as picky:
        endpoint = client.create({"url": picky.url, "enabled_events": ["invoice.paid"], "api_version": API_VERSION})
        bought(stripe_sandbox)
        stripe_sandbox.deliver()
        client.update(endpoint.id, {"disabled": True})
        bought(stripe_sandbox)
        stripe_sandbox.deliver()

        assert picky.types() == ["invoice.paid"]
    assert endpoint.secret is not None and endpoint.secret.startswith("whsec_")
    assert "secret" not in client.retrieve(endpoint.id)
    client.delete(endpoint.id)
    assert client.list().data == []


def test_the_handler_may_call_back_while_the_answer_waits(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    """A product re-reads the invoice from inside its webhook; the sandbox must not be stuck in its own delivery."""
    stripe_sandbox.control("webhooks", mode="before_response")
    statuses: list[str] = []

    def handle(event: dict[str, Any]) -> None:
        if event["type"] == "invoice.paid":
            statuses.append(stripe_sandbox.read(event["data"]["object"]["id"]).status)

    receiver.handle = handle
    bought(stripe_sandbox)

    assert statuses == ["paid"]
