"""The offline Stripe on the wire: keys, parameters, lists, expansion, idempotency, faults, restarts."""

import threading
import time
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest
import stripe

from stripe_sandbox import StripeSandbox, running, stripe_process, stripe_sandbox

__all__ = ["stripe_process", "stripe_sandbox"]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def post(sandbox: StripeSandbox, path: str, body: str, *, key: str | None = None, idempotency: str | None = None):
    headers = {**FORM, **({"Idempotency-Key": idempotency} if idempotency else {})}
    return sandbox.raw("POST", path, key=key, headers=headers, content=body)


def count(sandbox: StripeSandbox) -> int:
    return len(sandbox.client.v1.customers.list({"limit": 100}).data)


@pytest.mark.parametrize("key", ["none", "sk_test_wrong", "sk_live_0123456789"])
def test_a_wrong_missing_or_live_key_is_refused_with_a_request_id(stripe_sandbox: StripeSandbox, key: str) -> None:
    none = httpx2.get(f"{stripe_sandbox.url}/v1/customers", trust_env=False)
    answer = none if key == "none" else stripe_sandbox.raw("GET", "/v1/customers", key=key)

    assert answer.status_code == 401
    assert answer.headers["request-id"].startswith("req_")
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_every_answer_names_its_request(stripe_sandbox: StripeSandbox) -> None:
    good = stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        stripe_sandbox.client.v1.customers.retrieve("cus_none")

    assert good.last_response is not None and good.last_response.request_id.startswith("req_")
    assert caught.value.request_id is not None and caught.value.request_id.startswith("req_")


def test_brackets_may_be_literal_or_percent_encoded_and_arrays_indexed_or_not(stripe_sandbox: StripeSandbox) -> None:
    literal = "address[country]=DE&preferred_locales[0]=de&preferred_locales[1]=en&metadata[a]=1"
    encoded = "address%5Bcountry%5D=DE&preferred_locales%5B%5D=de&preferred_locales%5B%5D=en&metadata%5Ba%5D=1"

    made = [post(stripe_sandbox, "/v1/customers", body).json() for body in (literal, encoded)]

    for customer in made:
        assert customer["address"]["country"] == "DE"
        assert customer["preferred_locales"] == ["de", "en"]
        assert customer["metadata"] == {"a": "1"}


def test_an_empty_string_unsets_and_metadata_merges_by_key(stripe_sandbox: StripeSandbox) -> None:
    client = stripe_sandbox.client.v1.customers
    made = client.create({"name": "Ada", "phone": "1", "metadata": {"a": "1", "b": "2"}})

    merged = client.update(made.id, {"phone": "", "metadata": {"b": "", "c": "3"}})
    emptied = client.update(made.id, {"metadata": ""})

    assert merged.phone is None and merged.name == "Ada"
    assert merged.metadata is not None and merged.metadata.to_dict() == {"a": "1", "c": "3"}
    assert emptied.metadata is not None and emptied.metadata.to_dict() == {}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"),
    [
        ("/v1/customers", "nme=Ada", 400, "parameter_unknown", "nme"),
        ("/v1/customers", "address[planet]=Mars", 400, "parameter_unknown", "address[planet]"),
        ("/v1/invoices", "currency=eur", 400, "parameter_missing", "customer"),
        ("/v1/invoices", "customer=cus_none", 400, "resource_missing", "customer"),
        ("/v1/invoices/in_none/pay", "", 404, "resource_missing", "id"),
        ("/v1/invoices", "customer=", 400, "parameter_invalid_empty", "customer"),
        ("/v1/customers", "balance=1.5", 400, "parameter_invalid_integer", "balance"),
        ("/v1/nothing", "", 404, None, None),
    ],
)
def test_a_bad_request_is_refused_by_code_and_param(
    stripe_sandbox: StripeSandbox, path: str, body: str, status: int, code: str | None, param: str | None
) -> None:
    answer = post(stripe_sandbox, path, body)

    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error.get("param")) == (status, code, param)


def test_lists_are_newest_first_paged_and_page_by_themselves(stripe_sandbox: StripeSandbox) -> None:
    client = stripe_sandbox.client.v1.customers
    made = [client.create({"name": str(number)}).id for number in range(12)]

    first = client.list()
    after = client.list({"limit": 3, "starting_after": first.data[-1].id})
    before = client.list({"limit": 3, "ending_before": made[5]})

    assert [one.id for one in first.data] == made[:1:-1] and first.has_more
    assert (first.object, first.url) == ("list", "/v1/customers")
    assert [one.id for one in after.data] == made[1::-1] and not after.has_more
    assert [one.id for one in before.data] == [made[8], made[7], made[6]] and before.has_more
    assert [one.id for one in client.list({"limit": 5}).auto_paging_iter()] == made[::-1]
    for limit in (0, 101):
        with pytest.raises(stripe.InvalidRequestError):
            client.list({"limit": limit})


def test_fields_that_are_only_expanded_are_absent_otherwise(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer()
    invoice = stripe_sandbox.open_invoice(customer.id)
    client = stripe_sandbox.client.v1

    assert "tax" not in customer and "tax_ids" not in customer
    assert "payments" not in invoice and "confirmation_secret" not in invoice
    whole = client.customers.retrieve(customer.id, {"expand": ["tax", "tax_ids"]})
    assert whole.tax is not None and whole.tax.automatic_tax == "supported"
    assert whole.tax_ids is not None and whole.tax_ids.data == []
    [listed] = client.invoices.list({"expand": ["data.customer", "data.confirmation_secret"]}).data
    found = client.invoices.retrieve(invoice.id, {"expand": ["payments.data.payment.payment_intent"]})
    intent = found.payments.data[0].payment.payment_intent
    assert (listed.customer.name, intent.amount) == ("Ada", 5950)
    assert listed.confirmation_secret.client_secret == intent.client_secret
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        client.invoices.list({"expand": ["data.payments.data.payment.payment_intent"]})
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.invoices.retrieve(invoice.id, {"expand": ["charge"]})


def test_no_field_that_basil_removed_is_anywhere(stripe_sandbox: StripeSandbox) -> None:
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer().id)
    stripe_sandbox.client.v1.invoices.pay(invoice.id)

    paid = stripe_sandbox.read(invoice.id)
    [item] = stripe_sandbox.client.v1.invoice_items.list({"invoice": invoice.id}).data
    [charge] = stripe_sandbox.client.v1.charges.list().data
    intent = stripe_sandbox.client.v1.payment_intents.retrieve(charge.payment_intent)

    gone = {
        "payment_intent",
        "charge",
        "paid",
        "paid_out_of_band",
        "tax",
        "total_tax_amounts",
        "subscription",
        "discount",
    }
    assert not gone & set(paid.to_dict())
    assert not {"price", "plan", "type", "proration", "tax_rates", "invoice_item"} & set(paid.lines.data[0].to_dict())
    assert not {"price", "plan", "unit_amount"} & set(item.to_dict())
    assert "invoice" not in charge and "invoice" not in intent


def test_amounts_are_integers_and_decimals_are_strings(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer()
    draft = stripe_sandbox.client.v1.invoices.create({"customer": customer.id, "currency": "eur"})
    product = stripe_sandbox.client.v1.products.create({"name": "Credits"})
    price = {"currency": "eur", "product": product.id, "unit_amount_decimal": Decimal(100), "tax_behavior": "exclusive"}

    item = stripe_sandbox.client.v1.invoice_items.create(
        {"customer": customer.id, "invoice": draft.id, "quantity": 50, "price_data": price}
    )

    assert (item.amount, item.quantity, item.quantity_decimal) == (5000, 50, Decimal(50))
    wire = stripe_sandbox.raw("GET", f"/v1/invoiceitems/{item.id}").json()
    assert (wire["amount"], wire["quantity_decimal"], wire["pricing"]["unit_amount_decimal"]) == (5000, "50", "100")


def test_a_key_replays_success_decline_and_crash_byte_for_byte(stripe_sandbox: StripeSandbox) -> None:
    """A 500 made after execution began is replayed too: only a new key gets through."""
    invoice = stripe_sandbox.open_invoice(stripe_sandbox.customer("pm_card_chargeCustomerFail").id)
    stripe_sandbox.control("faults", kind="error_after", path="/v1/customers", skip=2)

    for path, body, status in (
        ("/v1/customers", "name=Ada", 200),
        (f"/v1/invoices/{invoice.id}/pay", "off_session=true", 402),
        ("/v1/customers", "name=Eve", 500),
    ):
        first, again = (post(stripe_sandbox, path, body, idempotency=f"key {body}") for _ in range(2))
        assert (first.status_code, again.status_code) == (status, status)
        assert first.content == again.content
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["original-request"] == first.headers["request-id"]
    charges = stripe_sandbox.client.v1.charges.list().data
    assert (count(stripe_sandbox), len(charges)) == (3, 1)


def test_parameters_in_another_order_are_the_same_request(stripe_sandbox: StripeSandbox) -> None:
    first = post(stripe_sandbox, "/v1/customers", "name=Ada&email=a@b.c", idempotency="k")
    again = post(stripe_sandbox, "/v1/customers", "email=a@b.c&name=Ada", idempotency="k")

    assert first.content == again.content


@pytest.mark.parametrize(("path", "body"), [("/v1/customers", "name=Eve"), ("/v1/products", "name=Ada")])
def test_a_key_used_for_something_else_is_refused(stripe_sandbox: StripeSandbox, path: str, body: str) -> None:
    post(stripe_sandbox, "/v1/customers", "name=Ada", idempotency="k")

    answer = post(stripe_sandbox, path, body, idempotency="k")

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
    with pytest.raises(stripe.IdempotencyError):
        stripe_sandbox.client.v1.customers.create({"name": "Max"}, {"idempotency_key": "k"})


def test_a_key_in_use_is_refused_with_409(stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("faults", kind="slow", hold_s="0.7", path="/v1/customers")
    slow = threading.Thread(
        target=post, args=(stripe_sandbox, "/v1/customers", "name=Ada"), kwargs={"idempotency": "k"}
    )
    slow.start()
    time.sleep(0.3)

    answer = post(stripe_sandbox, "/v1/customers", "name=Ada", idempotency="k")
    slow.join()

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert post(stripe_sandbox, "/v1/customers", "name=Ada", idempotency="k").headers["idempotent-replayed"] == "true"
    assert count(stripe_sandbox) == 1


@pytest.mark.parametrize("kind", ["rate_limit", "key_in_use", "error_before", "bad_gateway", "lock_timeout"])
def test_what_is_refused_before_execution_is_not_remembered(stripe_sandbox: StripeSandbox, kind: str) -> None:
    stripe_sandbox.control("faults", kind=kind, path="/v1/customers")

    refused = post(stripe_sandbox, "/v1/customers", "name=Ada", idempotency="k")
    served = post(stripe_sandbox, "/v1/customers", "name=Ada", idempotency="k")

    assert refused.status_code >= 409
    assert served.status_code == 200 and "idempotent-replayed" not in served.headers


def test_a_malformed_request_and_a_wrong_key_are_not_remembered(stripe_sandbox: StripeSandbox) -> None:
    assert post(stripe_sandbox, "/v1/customers", "nme=Ada", idempotency="k").status_code == 400
    assert post(stripe_sandbox, "/v1/customers", "name=Ada", key="sk_test_no", idempotency="k").status_code == 401

    assert post(stripe_sandbox, "/v1/customers", "name=Ada", idempotency="k").status_code == 200


def test_a_refusal_after_execution_began_is_replayed_though_the_reason_is_gone(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer(card=None)
    invoice = stripe_sandbox.open_invoice(customer.id)
    path = f"/v1/invoices/{invoice.id}/pay"
    refused = post(stripe_sandbox, path, "", idempotency="k")
    stripe_sandbox.control(f"dashboard/customers/{customer.id}/cards", number="4242424242424242")

    again = post(stripe_sandbox, path, "", idempotency="k")

    assert refused.status_code == 400 and again.content == refused.content
    assert post(stripe_sandbox, path, "", idempotency="k2").json()["status"] == "paid"


def test_a_key_is_forgotten_after_a_day_and_then_charges_again(stripe_sandbox: StripeSandbox) -> None:
    first = post(stripe_sandbox, "/v1/customers", "name=Ada", idempotency="k")
    stripe_sandbox.advance(24 * 3600 - 60)
    kept = post(stripe_sandbox, "/v1/customers", "name=Ada", idempotency="k")
    stripe_sandbox.advance(61)

    forgotten = post(stripe_sandbox, "/v1/customers", "name=Ada", idempotency="k")

    assert kept.json()["id"] == first.json()["id"] != forgotten.json()["id"]


def test_a_key_means_nothing_on_get_and_delete(stripe_sandbox: StripeSandbox) -> None:
    made = stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    headers = {"Idempotency-Key": "k"}

    before = stripe_sandbox.raw("GET", f"/v1/customers/{made.id}", headers=headers)
    stripe_sandbox.client.v1.customers.update(made.id, {"name": "Eve"})
    after = stripe_sandbox.raw("GET", f"/v1/customers/{made.id}", headers=headers)
    deleted = stripe_sandbox.raw("DELETE", f"/v1/customers/{made.id}", headers=headers)

    assert (before.json()["name"], after.json()["name"], deleted.json()["deleted"]) == ("Ada", "Eve", True)


@pytest.mark.parametrize(("kind", "made"), [("error_before", 0), ("error_during", 0), ("error_after", 1)])
def test_a_server_error_may_come_before_or_after_the_deed(stripe_sandbox: StripeSandbox, kind: str, made: int) -> None:
    stripe_sandbox.control("faults", kind=kind, method="POST", path="/v1/customers")

    with pytest.raises(stripe.APIError) as caught:
        stripe_sandbox.client.v1.customers.create({"name": "Ada"})

    assert (caught.value.http_status, count(stripe_sandbox)) == (500, made)


@pytest.mark.parametrize(("kind", "made"), [("timeout_before", 0), ("timeout_after", 1)])
def test_a_connection_may_break_before_or_after_the_deed(stripe_sandbox: StripeSandbox, kind: str, made: int) -> None:
    stripe_sandbox.control("faults", kind=kind, path="/v1/customers")

    with pytest.raises(stripe.APIConnectionError):
        stripe_sandbox.client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})

    assert count(stripe_sandbox) == made
    stripe_sandbox.client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert count(stripe_sandbox) == 1


def test_the_sdk_repeats_a_lost_answer_under_one_key(stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("faults", kind="timeout_after", path="/v1/customers", count=2)

    stripe_sandbox.client_that_retries(2).v1.customers.create({"name": "Ada"})

    assert count(stripe_sandbox) == 1


def test_429_is_retried_only_when_the_header_says_so(stripe_sandbox: StripeSandbox) -> None:
    client = stripe_sandbox.client_that_retries(1).v1.customers
    stripe_sandbox.control("faults", kind="rate_limit", path="/v1/customers")
    with pytest.raises(stripe.RateLimitError):
        client.create({"name": "Ada"})
    stripe_sandbox.control("faults", kind="rate_limit", path="/v1/customers", should_retry=True)
    client.create({"name": "Ada"})

    stripe_sandbox.control("faults", kind="error_before", path="/v1/customers", should_retry=False)
    with pytest.raises(stripe.APIError):
        client.create({"name": "Eve"})

    assert count(stripe_sandbox) == 1


def test_a_page_that_is_no_json_is_an_api_error(stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("faults", kind="bad_gateway", path="/v1/customers")

    with pytest.raises(stripe.APIError) as caught:
        stripe_sandbox.client.v1.customers.create({"name": "Ada"})

    assert caught.value.http_status == 502


def test_a_fault_meets_only_its_requests_and_only_so_often(stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("faults", kind="error_before", method="POST", path="/v1/invoices/*/pay", count=2)

    customer = stripe_sandbox.customer()
    invoice = stripe_sandbox.open_invoice(customer.id)

    for _ in range(2):
        with pytest.raises(stripe.APIError):
            stripe_sandbox.client.v1.invoices.pay(invoice.id)
    assert stripe_sandbox.client.v1.invoices.pay(invoice.id).status == "paid"


def test_everything_outlives_a_restart_and_a_kill(tmp_path: Path) -> None:
    with running(tmp_path / "stripe.sqlite3") as sandbox:
        made = sandbox.client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
        sandbox.advance(3600)
        now, key = sandbox.levers()["now"], sandbox.secret_key
        sandbox.restart()
        after_stop = sandbox.client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
        port = int(sandbox.url.rsplit(":", 1)[1])
        sandbox.kill()
        sandbox._start(port)

        assert (after_stop.id, sandbox.secret_key) == (made.id, key)
        assert sandbox.client.v1.customers.retrieve(made.id).name == "Ada"
        assert sandbox.levers()["now"] >= now


def test_a_reset_forgets_all_but_the_key(stripe_sandbox: StripeSandbox) -> None:
    key = stripe_sandbox.secret_key
    stripe_sandbox.client.v1.customers.create({"name": "Ada"})
    stripe_sandbox.advance(10**6)

    stripe_sandbox.reset()

    assert count(stripe_sandbox) == 0 and stripe_sandbox.secret_key == key
    assert abs(stripe_sandbox.levers()["now"] - time.time()) < 30


def test_only_loopback_and_no_form_reach_the_levers(stripe_sandbox: StripeSandbox) -> None:
    foreign = stripe_sandbox.raw("GET", "/_control", headers={"Host": "stripe.example.com"})
    form = stripe_sandbox.raw("POST", "/_control/reset", headers=FORM, content="")

    assert (foreign.status_code, form.status_code) == (403, 415)


def test_another_api_version_is_refused(stripe_sandbox: StripeSandbox) -> None:
    answer = stripe_sandbox.raw("GET", "/v1/customers", headers={"Stripe-Version": "2024-06-20"})

    assert answer.status_code == 400
