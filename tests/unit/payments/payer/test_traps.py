"""Traps of other shops that concern VAT ids and cards; the rest are in `tests/unit/payments/test_traps.py`."""

import pytest

from ileen.base.errors import BillingIncomplete, TaxIdInvalid
from paying import PARIS, Paying


def test_trap_19_an_unverified_id_takes_no_vat_off_and_a_british_one_is_no_id_of_the_union(paying: Paying) -> None:
    """Stripe takes VAT off for any well-formed id; we let it only once it is verified."""
    paying.billing.set_billing(paying.account.id, paying.details(PARIS, business=True))
    with pytest.raises(TaxIdInvalid):
        paying.billing.add_tax_id(paying.account.id, "GB123456789")
    paying.billing.add_tax_id(paying.account.id, "FR111111111")

    paying.pass_time(120)
    paying.work()

    assert paying.tax(2500) == (500, "standard_rated")


def test_trap_24_after_the_default_card_is_gone_nothing_is_charged_to_it(paying: Paying) -> None:
    paying.billing.set_billing(paying.account.id, paying.details())
    card = paying.add_card()
    paying.sandbox.control(f"dashboard/payment_methods/{card}/detach")
    paying.pass_time(61)

    with pytest.raises(BillingIncomplete):
        paying.billing.payer(paying.account.id, card=None)
