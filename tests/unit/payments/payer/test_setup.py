"""Setting a Stripe account up changes what must change, once; checking changes nothing."""

from ileen.payments.setup import Report, check, set_up
from ileen.payments.stripe import API_VERSION
from ileen.payments.stripe.setting_up import EVENTS
from ileen.payments.tax import TaxPolicy
from paying import PUBLIC_URL, Paying

HOOK = f"{PUBLIC_URL}/hooks/stripe"


def setting_up(paying: Paying, *, secret_known: bool, policy: TaxPolicy | None = None) -> Report:
    return set_up(paying.stripe, public_url=PUBLIC_URL, policy=policy or TaxPolicy(), secret_known=secret_known)


def checked(paying: Paying, *, secret_known: bool = True, policy: TaxPolicy | None = None) -> Report:
    return check(paying.stripe, public_url=PUBLIC_URL, policy=policy or TaxPolicy(), secret_known=secret_known)


def test_a_bare_account_gets_what_is_needed(paying: Paying) -> None:
    report = setting_up(paying, secret_known=False)

    (endpoint,) = paying.sandbox.client.v1.webhook_endpoints.list().data
    assert (endpoint.url, endpoint.api_version) == (HOOK, API_VERSION)
    assert set(endpoint.enabled_events) == set(EVENTS)
    assert (report.endpoint, report.portal is not None, report.product is not None) == (endpoint.id, True, True)
    assert report.webhook_secret.startswith("whsec_")
    assert any("ILEEN_STRIPE_WEBHOOK_SECRET" in sentence for sentence in report.to_do)


def test_setting_up_again_changes_nothing(paying: Paying) -> None:
    first = setting_up(paying, secret_known=False)

    again = setting_up(paying, secret_known=True)

    assert again.done == ()
    assert again.webhook_secret is None
    assert (again.portal, again.product, again.endpoint) == (first.portal, first.product, first.endpoint)
    assert again.is_complete, again.to_do
    client = paying.sandbox.client.v1
    assert len(client.webhook_endpoints.list().data) == 1
    assert len(client.billing_portal.configurations.list().data) == 1
    assert len(client.products.list().data) == 1


def test_a_lost_secret_makes_a_new_endpoint_and_ends_the_old_one(paying: Paying) -> None:
    first = setting_up(paying, secret_known=False)

    again = setting_up(paying, secret_known=False)

    (endpoint,) = paying.sandbox.client.v1.webhook_endpoints.list().data
    assert endpoint.id == again.endpoint != first.endpoint
    assert again.webhook_secret != first.webhook_secret


def test_an_endpoint_of_another_version_is_replaced(paying: Paying) -> None:
    paying.sandbox.client.v1.webhook_endpoints.create(
        {"url": HOOK, "enabled_events": ["invoice.paid"], "api_version": "2025-03-31.basil"}
    )
    assert any("2025-03-31.basil" in sentence for sentence in checked(paying).to_do)

    setting_up(paying, secret_known=True)

    (endpoint,) = paying.sandbox.client.v1.webhook_endpoints.list().data
    assert endpoint.api_version == API_VERSION


def test_missing_events_are_added_and_the_secret_stays(paying: Paying) -> None:
    made = paying.sandbox.client.v1.webhook_endpoints.create(
        {"url": HOOK, "enabled_events": ["invoice.paid"], "api_version": API_VERSION}
    )

    report = setting_up(paying, secret_known=True)

    assert (report.endpoint, report.webhook_secret) == (made.id, None)
    assert set(paying.sandbox.client.v1.webhook_endpoints.list().data[0].enabled_events) == set(EVENTS)


def test_endpoints_of_others_are_left_alone(paying: Paying) -> None:
    paying.sandbox.client.v1.webhook_endpoints.create(
        {"url": "https://shop.example.com/hooks", "enabled_events": ["*"]}
    )

    setting_up(paying, secret_known=False)

    assert len(paying.sandbox.client.v1.webhook_endpoints.list().data) == 2


def test_a_check_of_a_bare_account_names_everything_and_changes_nothing(paying: Paying) -> None:
    report = checked(paying, secret_known=False)

    assert not report.is_complete
    assert [word for word in ("portal", "product", "endpoint", "SECRET") if word not in " ".join(report.to_do)] == []
    assert paying.sandbox.client.v1.webhook_endpoints.list().data == []


def test_a_check_after_setting_up_finds_nothing(paying: Paying) -> None:
    setting_up(paying, secret_known=False)

    assert checked(paying).to_do == ()


def test_tax_that_is_not_ready_is_told_to_a_person(paying: Paying) -> None:
    paying.sandbox.control("tax", status="pending", registrations=[{"country": "DE", "type": "standard"}])

    to_do = " ".join(setting_up(paying, secret_known=True).to_do)

    assert "Stripe Tax is not active" in to_do
    assert "head_office" in to_do
    assert "no tax in AT, BE" in to_do


def test_another_country_at_stripe_than_in_the_settings_is_told(paying: Paying) -> None:
    to_do = setting_up(paying, secret_known=True, policy=TaxPolicy(seller_country="FR")).to_do

    assert any("head office in DE" in sentence for sentence in to_do)
