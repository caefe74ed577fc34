"""Two processes work directly on one database, with money both ways; nothing is lost, doubled or left over."""

import json
import subprocess
import sys

from ileen.base.clock import SystemClock
from ileen.base.ids import AccountId, RandomIds, WalletId, wallet_of
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import Fund, OpenWallet, Source
from ileen.store.engine import Database

PROCESSES, WALLETS, ROUNDS, WORKERS, SHARED = 2, 3, 12, 8, 40
START = 500

WORKER = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from ileen.base.clock import SECOND, SystemClock
from ileen.base.errors import InsufficientCredits
from ileen.base.ids import HoldId, LotId, RandomIds
from ileen.ledger import Ledger
from ileen.ledger.model import Adjust, Authorize, Capture, Fund, Source, Void
from ileen.store.engine import Database

url, rounds, workers, shared, *wallets = sys.argv[1:]
ids = RandomIds(SystemClock())
database = Database.open(url)
ledger = Ledger(database)
ledger.start()

def there_and_back(number):
    # Everything that comes in goes out again: a correction and its reverse, a hold and its release, a hold taken
    # and given back. What cannot be afforded just now is left out with its reverse.
    refused = 0
    for turn in range(int(rounds)):
        wallet = wallets[(number + turn) % len(wallets)]
        amount = 60 + 7 * number + turn
        try:
            taken = ids.mint("lot")
            ledger.run(Adjust(wallet=wallet, key=f"out:{taken}", lot=LotId(taken), amount=-amount, reason="out"))
            ledger.run(Adjust(wallet=wallet, key=f"in:{taken}", lot=LotId(taken), amount=amount, reason="in"))
            hold = HoldId(ids.mint("hold"))
            ledger.run(Authorize(wallet=wallet, key=hold, hold=hold, amount=amount, lifetime_us=900 * SECOND))
            if turn % 2:
                ledger.run(Void(wallet=wallet, key=f"void:{hold}", hold=hold, reason="failed"))
            else:
                ledger.run(Capture(wallet=wallet, key=f"capture:{hold}", hold=hold, amount=amount))
                ledger.run(Adjust(wallet=wallet, key=f"back:{hold}", lot=LotId("lot" + hold[4:]), amount=amount,
                                  reason="back"))
        except InsufficientCredits:
            refused += 1
    return refused

def once(number):
    # Both processes send this; one of them is first.
    wallet = wallets[number % len(wallets)]
    command = Fund(wallet=wallet, key=f"shared:{number}", lot=LotId(ids.mint("lot")), amount=1, source=Source.BONUS)
    return ledger.run(command).replayed

with ThreadPoolExecutor(int(workers)) as threads:
    refused = threads.map(there_and_back, range(int(workers)))
    replayed = threads.map(once, range(int(shared)))
    print(json.dumps({"refused": sum(refused), "replayed": sum(replayed)}))
ledger.stop()
database.close()
"""


def test_two_processes_on_one_ledger_move_money_both_ways_and_end_where_they_began(
    database: Database, database_url: str
) -> None:
    wallets = opened(database)
    command = [sys.executable, "-c", WORKER, database_url, str(ROUNDS), str(WORKERS), str(SHARED), *wallets]

    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    told = [json.loads(process.communicate(timeout=240)[0]) for process in running]

    assert [process.returncode for process in running] == [0, 0]
    assert sum(one["replayed"] for one in told) == SHARED, "each shared command took effect in one process only"
    ledger = Ledger(database)
    found = [ledger.wallet(wallet) for wallet in wallets]
    assert sum(wallet.settled for wallet in found) == WALLETS * START + SHARED
    assert [(wallet.held, wallet.debt, wallet.frozen) for wallet in found] == [(0, 0, 0)] * WALLETS
    report = audit(database)
    assert report.breaches == []
    assert report.entries > PROCESSES * WORKERS * ROUNDS, "most of the work was admitted"


def opened(database: Database) -> list[WalletId]:
    ids = RandomIds(SystemClock())
    wallets = [wallet_of(AccountId(ids.mint("acct"))) for _ in range(WALLETS)]
    ledger = Ledger(database)
    ledger.start()
    for wallet in wallets:
        ledger.run(OpenWallet(wallet=wallet))
        lot = ids.mint("lot")
        ledger.run(Fund(wallet=wallet, key="start", lot=lot, amount=START, source=Source.PURCHASE))
    ledger.stop()
    return wallets
