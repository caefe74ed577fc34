"""Until when credits can be given back: days of the calendar, where the payer's clocks are."""

from datetime import datetime

import pytest
from sqlalchemy import update

from ileen.base.clock import to_instant, to_text
from ileen.payments.settle import refund_deadline
from ileen.store import schema
from shop import Shop

DEADLINES = """
    zone                | paid                 | until                | why
    UTC                 | 2026-11-24T00:00:00Z | 2026-12-08T23:59:59Z | the day of the purchase does not count
    UTC                 | 2026-11-24T23:59:59Z | 2026-12-08T23:59:59Z | however late it was
    Europe/Berlin       | 2026-11-24T22:59:59Z | 2026-12-08T22:59:59Z | 23:59:59 there, and there as well
    Europe/Berlin       | 2026-11-24T23:00:00Z | 2026-12-09T22:59:59Z | already the next day there
    Europe/Berlin       | 2026-10-20T10:00:00Z | 2026-11-03T22:59:59Z | over the end of summer time: UTC+2, then +1
    Europe/Berlin       | 2026-03-20T10:00:00Z | 2026-04-03T21:59:59Z | over its start: UTC+1, then +2
    Europe/Berlin       | 2026-10-11T21:59:59Z | 2026-10-25T22:59:59Z | the last day has 25 hours
    Europe/Berlin       | 2026-03-15T22:59:59Z | 2026-03-29T21:59:59Z | the last day has 23 hours
    America/Los_Angeles | 2026-11-25T07:00:00Z | 2026-12-09T07:59:59Z | still the day before there
    Pacific/Kiritimati  | 2026-11-24T12:00:00Z | 2026-12-09T09:59:59Z | already the day after there
    Asia/Kathmandu      | 2026-02-14T18:14:59Z | 2026-02-28T18:14:59Z | off by quarters of an hour, to a month's end
    Atlantic/Azores     | 2026-10-11T12:00:00Z | 2026-10-26T00:59:59Z | clocks went back on the last day
    America/Asuncion    | 2024-03-09T12:00:00Z | 2024-03-24T03:59:59Z | 23:59:59 comes twice: the later one
"""


@pytest.mark.parametrize(
    ("zone", "paid", "until"),
    [[cell.strip() for cell in row.split("|")][:3] for row in DEADLINES.strip().splitlines()[1:]],
)
def test_the_refund_deadline_is_the_end_of_the_fourteenth_day_where_the_payer_is(
    zone: str, paid: str, until: str
) -> None:
    moment = to_instant(datetime.fromisoformat(paid))

    assert to_text(refund_deadline(moment, zone)) == until.replace("Z", ".000000Z")


def test_the_receipt_counts_days_in_the_time_zone_of_the_account(shop: Shop) -> None:
    account = shop.account()
    with shop.database.write() as connection:
        connection.execute(update(schema.account).where(schema.account.c.id == account).values(time_zone="Asia/Tokyo"))

    bought = shop.buy(account)

    (receipt,) = shop.told
    assert bought.paid_at is not None and receipt["values"]["time_zone"] == "Asia/Tokyo"
    assert receipt["values"]["refundable_until"] == to_text(refund_deadline(bought.paid_at, "Asia/Tokyo"))
    assert receipt["values"]["refundable_until"].endswith("T14:59:59.000000Z")
