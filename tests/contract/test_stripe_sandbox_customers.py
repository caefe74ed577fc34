"""The offline Stripe's customers: where they are for tax, their tax ids, their cards, their portal visits."""

from typing import Any

import pytest
import stripe

from stripe_sandbox import GERMAN, Receiver, StripeSandbox, receiver, stripe_process, stripe_sandbox

__all__ = ["receiver", "stripe_process", "stripe_sandbox"]


def preview(sandbox: StripeSandbox, customer: str | None = None, **details: Any) -> Any:
    """What 50.00 net would come to."""
    whom = {"customer": customer} if customer else {"customer_details": details}
    item = {"amount": 5000, "currency": "eur", "tax_behavior": "exclusive"}
    return sandbox.client.v1.invoices.create_preview(
        {**whom, "automatic_tax": {"enabled": True}, "invoice_items": [item], "currency": "eur"}
    )


def taxed(invoice: Any) -> tuple[int, str]:
    [tax] = invoice.total_taxes
    return tax.amount, tax.taxability_reason


@pytest.mark.parametrize("address", [{}, {"line1": "Nowhere 1"}, {"country": "XX"}, {"country": "US"}])
def test_an_unusable_place_is_refused_when_validated_at_once(
    stripe_sandbox: StripeSandbox, address: dict[str, str]
) -> None:
    client = stripe_sandbox.client.v1.customers
    given = {"address": address} if address else {}

    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.create({**given, "tax": {"validate_location": "immediately"}})

    assert (caught.value.http_status, caught.value.code) == (400, "customer_tax_location_invalid")
    assert client.list().data == []
    deferred = client.create({**given, "expand": ["tax"]})
    assert deferred.tax is not None and deferred.tax.automatic_tax == "unrecognized_location"


def test_the_tax_status_follows_the_address(stripe_sandbox: StripeSandbox) -> None:
    client = stripe_sandbox.client.v1.customers
    made = client.create({"address": GERMAN, "tax": {"validate_location": "immediately"}, "expand": ["tax"]})

    moved = client.update(made.id, {"address": {"country": "US", "postal_code": "10001"}, "expand": ["tax"]})

    assert made.tax is not None and (made.tax.automatic_tax, made.tax.location.country) == ("supported", "DE")
    assert moved.tax is not None and moved.tax.automatic_tax == "not_collecting"
    assert moved.tax.location.source == "billing_address"


def test_shipping_comes_before_the_address_and_the_card_after_it(stripe_sandbox: StripeSandbox) -> None:
    client = stripe_sandbox.client.v1.customers
    shipped = client.create(
        {"address": GERMAN, "shipping": {"name": "A", "address": {"country": "FR"}}, "expand": ["tax"]}
    )
    carded = stripe_sandbox.customer("pm_card_fr", address={})

    assert shipped.tax.location.country == "FR"
    place = client.retrieve(carded.id, {"expand": ["tax"]}).tax.location
    assert (place.country, place.source) == ("FR", "payment_method")


@pytest.mark.parametrize(
    ("value", "status"), [("000000000", "verified"), ("111111111", "unverified"), ("222222222", "pending")]
)
def test_a_tax_id_is_pending_first_and_its_verdict_comes_later(
    stripe_sandbox: StripeSandbox, receiver: Receiver, value: str, status: str
) -> None:
    customer = stripe_sandbox.customer(card=None)

    made = stripe_sandbox.client.v1.customers.tax_ids.create(customer.id, {"type": "eu_vat", "value": value})
    stripe_sandbox.advance(120)

    assert made.verification is not None and made.verification.status == "pending"
    after = stripe_sandbox.client.v1.customers.tax_ids.retrieve(customer.id, made.id)
    assert after.verification is not None and after.verification.status == status
    told = receiver.of("customer.tax_id.updated")
    assert [event["data"]["previous_attributes"]["verification"]["status"] for event in told] == (
        [] if status == "pending" else ["pending"]
    )


def test_tax_ids_are_immutable_unique_and_well_formed(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer(card=None)
    client = stripe_sandbox.client.v1.customers.tax_ids
    made = client.create(customer.id, {"type": "eu_vat", "value": "DE136695976"})

    changed = stripe_sandbox.raw("POST", f"/v1/customers/{customer.id}/tax_ids/{made.id}", content="value=DE1")
    with pytest.raises(stripe.InvalidRequestError) as twice:
        client.create(customer.id, {"type": "eu_vat", "value": "DE136695976"})
    with pytest.raises(stripe.InvalidRequestError) as wrong:
        client.create(customer.id, {"type": "eu_vat", "value": "DE12"})
    client.delete(customer.id, made.id)

    assert changed.status_code == 404
    assert (twice.value.code, wrong.value.code) == ("resource_already_exists", "tax_id_invalid")
    assert client.list(customer.id).data == []


@pytest.mark.parametrize(
    ("country", "type_", "value", "expected"),
    [
        ("AT", "eu_vat", "ATU13585627", (0, "reverse_charge")),
        ("AT", "eu_vat", "111111111", (0, "reverse_charge")),
        ("DE", "eu_vat", "DE136695976", (950, "standard_rated")),
        ("FR", None, None, (1000, "standard_rated")),
        ("FI", None, None, (1275, "standard_rated")),
        ("GB", "eu_vat", "GB123456789", (0, "not_collecting")),
        ("AT", "eu_vat", "GB123456789", (1000, "standard_rated")),
        ("US", None, None, (0, "not_collecting")),
        ("MC", None, None, (0, "not_supported")),
    ],
)
def test_the_place_and_the_tax_id_decide_the_tax(
    stripe_sandbox: StripeSandbox, country: str, type_: str | None, value: str | None, expected: tuple[int, str]
) -> None:
    """A tax id moves the tax whether it is verified or not; a UK number typed eu_vat moves nothing."""
    address = {"country": country, "postal_code": "10001"}
    customer = stripe_sandbox.customer(card=None, address=address)
    ids = [{"type": type_, "value": value}] if type_ else []
    if ids:
        stripe_sandbox.client.v1.customers.tax_ids.create(customer.id, ids[0])

    finalized = stripe_sandbox.open_invoice(customer.id)

    assert taxed(finalized) == expected
    assert finalized.total == 5000 + expected[0]
    assert taxed(preview(stripe_sandbox, customer.id)) == expected
    assert taxed(preview(stripe_sandbox, address=address, tax_ids=ids)) == expected


def test_without_registrations_nothing_is_collected_and_nothing_fails(stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("tax", registrations=[{"country": "DE", "type": "standard"}])

    abroad = stripe_sandbox.open_invoice(stripe_sandbox.customer(card=None, address={"country": "FR"}).id)
    home = stripe_sandbox.open_invoice(stripe_sandbox.customer(card=None).id)

    assert (taxed(abroad), taxed(home)) == ((0, "not_collecting"), (950, "standard_rated"))
    assert abroad.automatic_tax.status == "complete"
    assert [one.country for one in stripe_sandbox.client.v1.tax.registrations.list().data] == ["DE"]
    assert stripe_sandbox.client.v1.tax.settings.retrieve().status == "active"


def test_a_tax_behavior_left_out_makes_euros_inclusive(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer(card=None)
    draft = stripe_sandbox.client.v1.invoices.create(
        {"customer": customer.id, "currency": "eur", "automatic_tax": {"enabled": True}}
    )

    stripe_sandbox.client.v1.invoice_items.create({"customer": customer.id, "invoice": draft.id, "amount": 5000})

    after = stripe_sandbox.client.v1.invoices.retrieve(draft.id)
    assert (after.subtotal, after.total, after.total_excluding_tax) == (5000, 5000, 4202)
    assert after.total_taxes[0].tax_behavior == "inclusive"


def test_a_preview_changes_nothing(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer(card=None)

    shown = preview(stripe_sandbox, customer.id)

    assert (shown.subtotal, shown.total, shown.amount_due, shown.status) == (5000, 5950, 5950, "draft")
    assert stripe_sandbox.client.v1.invoices.list().data == []
    assert stripe_sandbox.client.v1.invoice_items.list().data == []
    [tax] = shown.total_taxes
    rate = stripe_sandbox.raw("GET", f"/v1/tax_rates/{tax.tax_rate_details.tax_rate}").json()
    assert (rate["percentage"], rate["country"]) == (19, "DE")


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ],
)
def test_a_card_its_bank_refuses_cannot_be_attached(
    stripe_sandbox: StripeSandbox, card: str, code: str, decline: str
) -> None:
    customer = stripe_sandbox.customer(card=None)

    with pytest.raises(stripe.CardError) as caught:
        stripe_sandbox.client.v1.payment_methods.attach(card, {"customer": customer.id})

    assert (caught.value.http_status, caught.value.code) == (402, code)
    assert caught.value.error.decline_code == decline
    assert stripe_sandbox.client.v1.customers.payment_methods.list(customer.id).data == []


def test_each_attachment_of_a_template_is_a_card_of_its_own(stripe_sandbox: StripeSandbox) -> None:
    customer = stripe_sandbox.customer(card=None)
    client = stripe_sandbox.client.v1

    first, second = (client.payment_methods.attach("pm_card_visa", {"customer": customer.id}) for _ in range(2))

    assert first.id != second.id and first.customer == customer.id
    assert (first.card.brand, first.card.last4, first.card.country) == ("visa", "4242", "US")
    assert first.card.fingerprint == second.card.fingerprint
    listed = client.customers.payment_methods.list(customer.id, {"type": "card"}).data
    assert [one.id for one in listed] == [second.id, first.id]


@pytest.mark.parametrize("variant", ["cleared", "stale"])
def test_a_detached_card_is_gone_for_good_and_the_default_may_be_stale(
    stripe_sandbox: StripeSandbox, receiver: Receiver, variant: str
) -> None:
    stripe_sandbox.control("doubts", detach_default=variant)
    customer = stripe_sandbox.customer()
    client = stripe_sandbox.client.v1
    invoice = stripe_sandbox.open_invoice(customer.id)
    [card] = client.customers.payment_methods.list(customer.id).data

    client.payment_methods.detach(card.id)

    stripe_sandbox.deliver()
    [told] = receiver.of("payment_method.detached")
    assert told["data"]["object"]["customer"] is None
    assert told["data"]["previous_attributes"] == {"customer": customer.id}
    default = client.customers.retrieve(customer.id).invoice_settings.default_payment_method
    assert default == (None if variant == "cleared" else card.id)
    for given in ({}, {"payment_method": card.id}):
        with pytest.raises(stripe.InvalidRequestError):
            client.invoices.pay(invoice.id, given)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        client.payment_methods.attach(card.id, {"customer": customer.id})


def test_another_customers_card_pays_nothing(stripe_sandbox: StripeSandbox) -> None:
    mine, theirs = stripe_sandbox.customer(card=None), stripe_sandbox.customer()
    [card] = stripe_sandbox.client.v1.customers.payment_methods.list(theirs.id).data
    invoice = stripe_sandbox.open_invoice(mine.id)

    with pytest.raises(stripe.InvalidRequestError) as caught:
        stripe_sandbox.client.v1.invoices.pay(invoice.id, {"payment_method": card.id})
    with pytest.raises(stripe.InvalidRequestError):
        stripe_sandbox.client.v1.customers.update(mine.id, {"invoice_settings": {"default_payment_method": card.id}})

    assert caught.value.http_status == 400
    assert stripe_sandbox.read(invoice.id).status == "open"


def test_a_portal_visit_needs_a_customer_and_a_configuration_and_is_never_read_back(
    stripe_sandbox: StripeSandbox,
) -> None:
    client = stripe_sandbox.client.v1.billing_portal
    customer = stripe_sandbox.customer()
    with pytest.raises(stripe.InvalidRequestError, match="configuration"):
        client.sessions.create({"customer": customer.id})
    configuration = client.configurations.create(
        {
            "features": {
                "customer_update": {"enabled": True, "allowed_updates": ["address", "tax_id"]},
                "invoice_history": {"enabled": True},
                "payment_method_update": {"enabled": True},
            },
            "default_return_url": "https://example.com/billing",
        }
    )
    with pytest.raises(stripe.InvalidRequestError):
        client.sessions.create({"customer": "cus_none", "configuration": configuration.id})

    visit = client.sessions.create(
        {
            "customer": customer.id,
            "configuration": configuration.id,
            "flow_data": {
                "type": "payment_method_update",
                "after_completion": {"type": "redirect", "redirect": {"return_url": "https://example.com/back"}},
            },
        }
    )

    assert configuration.is_default and configuration.features.customer_update.allowed_updates == ["address", "tax_id"]
    assert visit.url.startswith(stripe_sandbox.url) and visit.return_url == "https://example.com/billing"
    assert visit.flow.after_completion.redirect.return_url == "https://example.com/back"
    for path in ("/v1/billing_portal/sessions", f"/v1/billing_portal/sessions/{visit.id}"):
        assert stripe_sandbox.raw("GET", path).status_code == 404


def test_a_missing_portal_configuration_may_also_be_made_by_itself(stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("doubts", portal_without_configuration="default_made")

    visit = stripe_sandbox.client.v1.billing_portal.sessions.create({"customer": stripe_sandbox.customer().id})

    [made] = stripe_sandbox.client.v1.billing_portal.configurations.list({"is_default": True}).data
    assert visit.configuration == made.id


def test_a_deleted_customer_leaves_a_stub(stripe_sandbox: StripeSandbox, receiver: Receiver) -> None:
    customer = stripe_sandbox.customer()
    client = stripe_sandbox.client.v1.customers

    client.delete(customer.id)

    assert client.retrieve(customer.id).to_dict() == {"id": customer.id, "object": "customer", "deleted": True}
    assert client.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        stripe_sandbox.client.v1.invoices.create({"customer": customer.id})
    stripe_sandbox.deliver()
    assert receiver.of("customer.deleted") and receiver.of("payment_method.detached")


def test_what_a_person_does_at_stripe_is_told_with_no_request(
    stripe_sandbox: StripeSandbox, receiver: Receiver
) -> None:
    customer = stripe_sandbox.customer(card=None)

    stripe_sandbox.control(f"dashboard/customers/{customer.id}", address={"country": "AT"})
    stripe_sandbox.control(f"dashboard/customers/{customer.id}/cards", number="4000 0025 0000 3155")

    moved = next(e for e in receiver.of("customer.updated") if "address" in e["data"]["previous_attributes"])
    assert moved["request"] == {"id": None, "idempotency_key": None}
    assert moved["data"]["object"]["address"]["country"] == "AT"
    invoice = stripe_sandbox.open_invoice(customer.id)
    assert stripe_sandbox.client.v1.invoices.pay(invoice.id).status == "paid", (
        "set up in the portal: no bank asks again"
    )


@pytest.mark.parametrize(("variant", "is_default"), [("no", False), ("yes", True)])
def test_whether_the_first_card_becomes_the_default_is_a_doubt(
    stripe_sandbox: StripeSandbox, variant: str, is_default: bool
) -> None:
    stripe_sandbox.control("doubts", first_card_default=variant)
    client = stripe_sandbox.client.v1
    made = client.customers.create({"payment_method": "pm_card_visa"})
    later = client.customers.create({"name": "Ada"})
    client.payment_methods.attach("pm_card_visa", {"customer": later.id})

    for customer in (made, later):
        default = client.customers.retrieve(customer.id).invoice_settings.default_payment_method
        assert (default is not None) == is_default


def test_what_an_unregistered_place_is_called_is_a_doubt(stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.control("doubts", unregistered_reason="not_subject_to_tax")

    assert taxed(preview(stripe_sandbox, address={"country": "JP"})) == (0, "not_subject_to_tax")


def test_an_unknown_lever_position_is_refused(stripe_sandbox: StripeSandbox) -> None:
    for lever, given in (
        ("doubts", {"detach_default": "maybe"}), ("webhooks", {"mode": "carrier pigeon"}),
        ("faults", {"kind": "flood"}), ("settings", {"colour": "red"}), ("nothing", {}),
    ):  # fmt: skip
        with pytest.raises(AssertionError):
            stripe_sandbox.control(lever, **given)


def test_an_open_invoice_of_a_deleted_customer_can_be_voided(stripe_sandbox: StripeSandbox) -> None:
    """Found by the simulated world, seed 29: a purchase could never end."""
    customer = stripe_sandbox.customer()
    invoice = stripe_sandbox.open_invoice(customer.id)
    stripe_sandbox.client.v1.customers.delete(customer.id)

    assert stripe_sandbox.client.v1.invoices.void_invoice(invoice.id).status == "void"
