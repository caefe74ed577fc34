"""Accounts and keys on the real ledger, on both databases."""

import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from ileen.accounts import ALL, READ, Accounts
from ileen.accounts.audit import AuditEvent, events
from ileen.base.clock import ManualClock
from ileen.base.errors import AmountInvalid, CapReached, KeyInvalid, NotFound, RequestInvalid
from ileen.base.ids import AccountId, HoldId, KeyId, LotId, RandomIds, wallet_of
from ileen.base.money import NANO
from ileen.jobs import Worker
from ileen.ledger import Ledger
from ileen.ledger.model import Attribution, Authorize, Fund, Source
from ileen.store import schema
from ileen.store.engine import Database
from shop import at_once


@pytest.fixture
def accounts(database: Database, ledger: Ledger, clock: ManualClock, ids: RandomIds) -> Iterator[Accounts]:
    made = Accounts(database, ledger, clock=clock, ids=ids)
    yield made
    made.close()


def authorize(ledger: Ledger, ids: RandomIds, account: AccountId, key: KeyId, amount: int) -> None:
    hold = HoldId(ids.mint("hold"))
    attribution = Attribution(api_key=key)
    ledger.run(
        Authorize(
            wallet=wallet_of(account),
            key=f"authorize:{hold}",
            hold=hold,
            amount=amount,
            lifetime_us=10**6,
            attribution=attribution,
        )
    )


def fund(ledger: Ledger, ids: RandomIds, account: AccountId) -> None:
    lot = ids.mint("lot")
    ledger.run(Fund(wallet=wallet_of(account), key=lot, lot=lot, amount=5 * NANO, source=Source.BONUS))


def test_an_account_is_created_with_its_wallet(accounts: Accounts, ledger: Ledger) -> None:
    account = accounts.create("Ada", email="ada@example.com", time_zone="Europe/Berlin", debt_max=NANO)

    assert accounts.get(account.id) == account
    assert accounts.list() == [account]
    wallet = ledger.wallet(wallet_of(account.id))
    assert (wallet.time_zone, wallet.debt_max, wallet.settled) == ("Europe/Berlin", NANO, 0)


def granted(database: Database, account: AccountId) -> list[AuditEvent]:
    with database.read() as connection:
        found = events(connection, account_id=account, limit=10)
    return [event for event in found if event.action == "credits.granted"]


def test_a_grant_is_on_record_with_its_reason(
    accounts: Accounts, ledger: Ledger, database: Database, clock: ManualClock
) -> None:
    account = accounts.create("Ada")

    receipt = accounts.grant(account.id, amount=3 * NANO, reason="a lost evening", key=None)
    clock.advance(1)
    accounts.grant(account.id, amount=NANO, reason="another", key=None)

    assert ledger.wallet(wallet_of(account.id)).bonus == 4 * NANO
    _, first = granted(database, account.id)
    assert (first.actor, first.subject) == ("operator", receipt.ref)
    assert first.detail == {"amount": "3.00", "reason": "a lost evening"}


def test_a_grant_with_the_same_key_gives_and_is_noted_once(
    accounts: Accounts, ledger: Ledger, database: Database
) -> None:
    account = accounts.create("Ada")
    for _ in range(3):
        accounts.grant(account.id, amount=NANO, reason="sorry", key="case-7")

    assert ledger.wallet(wallet_of(account.id)).bonus == NANO
    assert len(granted(database, account.id)) == 1


def test_a_grant_cut_off_before_its_record_is_noted_by_asking_again(
    accounts: Accounts, ledger: Ledger, database: Database, ids: RandomIds
) -> None:
    account = accounts.create("Ada")
    lot = LotId(ids.mint("lot"))
    given = {"amount": NANO, "source": Source.BONUS, "reason": "sorry"}
    ledger.run(Fund(wallet=wallet_of(account.id), key="grant:case-7", lot=lot, **given))

    accounts.grant(account.id, amount=NANO, reason="sorry", key="case-7")

    assert [event.subject for event in granted(database, account.id)] == [lot]


def test_a_grant_whose_process_died_before_its_record_is_noted_by_a_job_once(
    accounts: Accounts, ledger: Ledger, database: Database, clock: ManualClock, ids: RandomIds
) -> None:
    """The ledger's commit holds credits and job together, so nothing can die between them."""
    account = accounts.create("Ada")
    lot = LotId(ids.mint("lot"))
    given = {"amount": NANO, "source": Source.BONUS, "reason": "sorry", "by": "stf_1"}
    ledger.run(Fund(wallet=wallet_of(account.id), key="grant:case-7", lot=lot, **given))
    worker = Worker(database, accounts.handlers(), clock=clock, ids=ids)

    worker.run_due()
    accounts.grant(account.id, amount=NANO, reason="sorry", key="case-7", by="stf_1")
    worker.run_due()

    (event,) = granted(database, account.id)
    assert (event.actor, event.subject) == ("stf_1", lot)
    assert event.detail == {"amount": "1.00", "reason": "sorry"}


def test_a_grant_that_many_ask_for_at_once_is_noted_once(
    accounts: Accounts, database: Database, clock: ManualClock, ids: RandomIds
) -> None:
    account = accounts.create("Ada")

    at_once(6, lambda _: accounts.grant(account.id, amount=NANO, reason="sorry", key="case-7"))
    Worker(database, accounts.handlers(), clock=clock, ids=ids).run_due()

    assert len(granted(database, account.id)) == 1


def test_a_refused_grant_is_never_on_record(
    accounts: Accounts, database: Database, clock: ManualClock, ids: RandomIds
) -> None:
    account = accounts.create("Ada")

    with pytest.raises(AmountInvalid):
        accounts.grant(account.id, amount=0, reason="sorry", key=None)
    Worker(database, accounts.handlers(), clock=clock, ids=ids).run_due()

    assert granted(database, account.id) == []


def test_creating_again_with_the_same_id_completes_what_a_crash_left(
    accounts: Accounts, ledger: Ledger, database: Database, clock: ManualClock, ids: RandomIds
) -> None:
    account_id = AccountId(ids.mint("acct"))
    with database.write() as connection:  # the row, as it is after a crash before the wallet was opened
        row = {"id": account_id, "bucket": 0, "name": "Ada", "time_zone": "UTC", "created_at": clock.now()}
        connection.execute(schema.account.insert().values(row))

    accounts.create("Ada", account_id=account_id)
    accounts.create("Ada", account_id=account_id)

    assert ledger.wallet(wallet_of(account_id)).settled == 0
    assert len(accounts.list()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name": "a\x00b"},
        {"name": "x" * 121},
        {"name": "Ada", "email": "not an address"},
        {"name": "Ada", "time_zone": "Mars/Olympus"},
        {"name": "Ada", "time_zone": "../etc/passwd"},
        {"name": "Ada", "time_zone": ""},
        {"name": "Ada", "time_zone": "Europe"},
    ],
)
def test_an_account_with_a_wrong_field_is_refused_and_nothing_is_written(
    accounts: Accounts, wrong: dict[str, str]
) -> None:
    with pytest.raises(RequestInvalid):
        accounts.create(**wrong)

    assert accounts.list() == []


def test_only_a_hash_of_the_secret_is_kept(accounts: Accounts, database: Database) -> None:
    account = accounts.create("Ada")

    key, secret = accounts.create_key(account.id, name="laptop")

    with database.read() as connection:
        row = connection.execute(select(schema.api_key)).one()
    assert bytes(row.secret_hash) == hashlib.sha256(secret.encode()).digest()
    assert secret not in [value for value in row if isinstance(value, str)]
    assert secret.startswith(key.hint)
    assert len(key.hint) < 16
    assert len(secret) > 40


def test_a_secret_authenticates_as_its_key(accounts: Accounts) -> None:
    account = accounts.create("Ada")
    key, secret = accounts.create_key(
        account.id, name="laptop", mode="develop", activity="code_query", scopes={READ}, calls_max=3
    )

    assert accounts.authenticate(secret) == key
    assert key.scopes == {READ}
    assert accounts.keys(account.id)[0].name == "laptop"


@pytest.mark.parametrize("secret", ["", "x", "ileen_sk_", "ileen_sk_unknown", "ileen_sk_\ud800", "ileen_sk_\x00"])
def test_an_unknown_secret_is_refused(accounts: Accounts, secret: str) -> None:
    with pytest.raises(KeyInvalid):
        accounts.authenticate(secret)


def test_a_revoked_key_neither_authenticates_nor_spends(accounts: Accounts, ledger: Ledger, ids: RandomIds) -> None:
    account = accounts.create("Ada")
    fund(ledger, ids, account.id)
    key, secret = accounts.create_key(account.id, name="laptop")

    revoked = accounts.revoke_key(account.id, key.id)
    again = accounts.revoke_key(account.id, key.id)

    assert revoked.revoked_at is not None
    assert again == revoked
    with pytest.raises(KeyInvalid):
        accounts.authenticate(secret)
    with pytest.raises(KeyInvalid):
        authorize(ledger, ids, account.id, key.id, NANO)


def test_another_accounts_key_cannot_be_revoked(accounts: Accounts) -> None:
    ada, bob = accounts.create("Ada"), accounts.create("Bob")
    key, secret = accounts.create_key(ada.id, name="laptop")

    with pytest.raises(NotFound):
        accounts.revoke_key(bob.id, key.id)

    assert accounts.authenticate(secret).id == key.id


def test_a_keys_caps_hold_from_its_first_call(accounts: Accounts, ledger: Ledger, ids: RandomIds) -> None:
    account = accounts.create("Ada")
    fund(ledger, ids, account.id)
    key, _ = accounts.create_key(account.id, name="laptop", cap_day=NANO, cap_month=2 * NANO, cap_total=3 * NANO)

    with pytest.raises(CapReached):
        authorize(ledger, ids, account.id, key.id, NANO + 1)

    spender = ledger.spender(wallet_of(account.id), key.id)
    assert (spender.cap_day, spender.cap_month, spender.cap_total) == (NANO, 2 * NANO, 3 * NANO)


def test_a_key_with_a_wrong_field_is_refused(accounts: Accounts) -> None:
    account = accounts.create("Ada")

    with pytest.raises(AmountInvalid):
        accounts.create_key(account.id, name="laptop", cap_day=-1)
    with pytest.raises(RequestInvalid):
        accounts.create_key(account.id, name="laptop", scopes={"everything"})
    with pytest.raises(RequestInvalid):
        accounts.create_key(account.id, name="laptop", scopes=())
    with pytest.raises(RequestInvalid):
        accounts.create_key(account.id, name="laptop", calls_max=0)
    with pytest.raises(NotFound):
        accounts.create_key(AccountId("acct_01KB2Z8M6T0000000000000000"), name="laptop")
    assert accounts.keys(account.id) == []
    assert {"spend", "read"} == ALL


def test_use_is_noted_at_most_once_a_minute(
    database: Database, ledger: Ledger, clock: ManualClock, ids: RandomIds
) -> None:
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    account = accounts.create("Ada")
    _, secret = accounts.create_key(account.id, name="laptop")
    first = clock.now()
    accounts.authenticate(secret)
    clock.advance(59)
    accounts.authenticate(secret)
    accounts.close()  # waits until what was noted is written

    assert accounts.keys(account.id)[0].last_used_at == first

    later = Accounts(database, ledger, clock=clock, ids=ids)
    clock.advance(1)
    later.authenticate(secret)
    later.close()
    assert later.keys(account.id)[0].last_used_at == clock.now()
