"""From a request's words to the ledger's: who spends, under which pinned prices, how much.

Owns: the defaults of API keys, the pinning of tariffs, the translation of usage into a charge and its record.
Refuses to know: HTTP. Prices are pinned when a hold is made and used again for its capture and its explanation.
"""

from collections.abc import Callable
from typing import Final

from ileen.accounts import ApiKey
from ileen.base.clock import Clock
from ileen.base.errors import ActivityUnknown, KeyReused, ModelNotPriced, RequestInvalid
from ileen.base.ids import WalletId
from ileen.base.money import parse
from ileen.ledger import Ledger
from ileen.ledger.model import Attribution, Command, Hold, Receipt, Usage
from ileen.ledger.reads import Call
from ileen.pricing import Prices, Tariff, normalise
from ileen.web.models import Attributed, Measured, UsageReport
from ileen.web.records import read_record, write_record

_KEPT_MAX: Final = 10_000
"""Tariffs remembered as stored; forgetting them costs one more look at the database each."""


class Quotes:
    """Pins prices and measures calls for the endpoints. Thread-safe."""

    def __init__(self, *, ledger: Ledger, prices: Prices, clock: Clock) -> None:
        self._ledger = ledger
        self._prices = prices
        self._clock = clock
        self._kept: set[str] = set()

    def attribution(self, key: ApiKey, request: Attributed) -> Attribution:
        """Return who spends and what for; the key's defaults apply when neither mode nor activity is named.

        Raises: ActivityUnknown.
        """
        mode, activity = request.mode, request.activity
        if mode is None and activity is None:
            mode, activity = key.mode, key.activity
        return Attribution(
            api_key=key.id,
            mode=self._mode(mode, activity),
            activity=activity,
            run=request.run,
            parent_run=request.parent_run,
            provider=request.provider,
            model=request.model,
        )

    def pin(self, attribution: Attribution) -> Tariff:
        """Return the prices of now for a model, kept for good. Raises: ModelNotPriced, ActivityUnknown."""
        assert attribution.model is not None
        tariff = self._prices.tariff(
            model=attribution.model,
            provider=attribution.provider,
            mode=attribution.mode,
            activity=attribution.activity,
            at=self._clock.now(),
        )
        if tariff.id not in self._kept:
            self._ledger.keep_tariff(tariff.id, tariff.body)
            if len(self._kept) >= _KEPT_MAX:
                self._kept.clear()
            self._kept.add(tariff.id)
        return tariff

    def pin_if_priced(self, attribution: Attribution) -> Tariff | None:
        """Return the prices of now, or None without a model or a price: then only amounts can be captured."""
        if attribution.model is None:
            return None
        try:
            return self.pin(attribution)
        except ModelNotPriced:
            return None

    def measure(self, request: Measured, tariff: Tariff | None) -> tuple[int, Usage]:
        """Return the charge in nano-credits and what to keep about it.

        Raises: AmountInvalid, UsageInvalid, RequestInvalid.
        """
        if request.usage is None:
            given = Usage(
                input_tokens=request.input_tokens or 0,
                output_tokens=request.output_tokens or 0,
                provider_request_id=request.provider_request_id,
            )
            return parse(request.amount), given
        if tariff is None:
            reason = "this hold was made without a priced model, so give an amount"
            raise RequestInvalid(f"usage: {reason}.", fields=[{"field": "usage", "reason": reason}])
        return self._price(request.usage, tariff, request.provider_request_id)

    def tariff_of(self, hold: Hold) -> Tariff | None:
        """Return the prices pinned with a hold."""
        return None if hold.tariff is None else Tariff.read(self._ledger.tariff(hold.tariff))

    def run_repeatable(self, wallet: WalletId, key: str, command: Callable[[Tariff | None], Command]) -> Receipt:
        """Run a command under the prices of now, or of its first time if it was asked before and prices have changed.

        A request repeated after midnight is then the same request, and one with other content still a conflict.
        Raises: the command's refusals.
        """
        try:
            return self._ledger.run(command(None))
        except KeyReused:
            first = self._ledger.hold_of_key(wallet, key)
            if first is None or first.tariff is None:
                raise
            return self._ledger.run(command(self.tariff_of(first)))

    def explain(self, call: Call) -> dict[str, object] | None:
        """Return the calculation of a captured call's charge; None if the application gave the amount itself."""
        tariff = self.tariff_of(call.hold)
        record = read_record(call.record)
        if tariff is None or record.tokens is None:
            return None
        return tariff.charge(record.tokens).explanation

    def _price(self, report: UsageReport, tariff: Tariff, request_id: str | None) -> tuple[int, Usage]:
        usage = normalise(report.surface, report.provider_usage())
        charged = tariff.charge(usage)
        kept = Usage(
            input_tokens=usage.input_total,
            output_tokens=usage.output_total,
            provider_request_id=request_id,
            record=write_record(report.surface, usage),
        )
        return charged.nano, kept

    def _mode(self, mode: str | None, activity: str | None) -> str | None:
        known = self._prices.activities()
        wrong = mode is not None and mode not in known
        homes = [home for home, names in known.items() if activity in names and mode in {None, home}]
        if wrong or (activity is not None and not homes):
            names = ", ".join(name for names in known.values() for name in names)
            raise ActivityUnknown(activity="/".join(part for part in (mode, activity) if part), known=names)
        return homes[0] if homes else mode
