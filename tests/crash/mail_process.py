"""A server that sends what mails it owes, once, for test_mail_crash."""

import sys

from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds
from ileen.jobs import Worker
from ileen.notices import House, Mailer, Notices
from ileen.store.engine import Database


def main(url: str, smtp_url: str) -> None:
    clock = SystemClock()
    ids = RandomIds(clock)
    database = Database.open(url)
    house = House(brand="Ileen", seller="", public_url="https://credits.example.com")
    mailer = Mailer.of(smtp_url=smtp_url, mail_from="billing@example.com", support_email="", house=house)
    notices = Notices(database, mailer=mailer, operator="", clock=clock, ids=ids)
    # A lease that is over at once: the next process need not wait for the killed one's.
    worker = Worker(database, notices.handlers(), clock=clock, ids=ids, lease_us=1)
    worker.run_due(limit=1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
