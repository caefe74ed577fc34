"""Stripe's customer portal: where cards are added and the default is changed, and the way back.

Owns: which pages of ours one may come back to, and the portal's configuration. Refuses to know: what happens there.
A session's address is a credential that lives for minutes: made for one click, never kept, never mailed.
"""

import re
import threading
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from ileen.base.errors import RequestInvalid
from ileen.base.ids import AccountId
from ileen.payments.customers import Customers
from ileen.payments.stripe import Stripe, payer, setting_up

RETURN_PATHS: Final = ("/gate", "/billing", "/app")
"""The pages of ours that a session may lead back to, with everything below them."""

_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+/?(\?[A-Za-z0-9._~=&%-]*)?", re.ASCII)


class Flow(StrEnum):
    """Where a session starts: the portal's front page, or straight at the form for a new card."""

    HOME = "home"
    ADD_CARD = "add_card"


class Portal:
    """Makes sessions of the portal. Thread-safe; calls block on Stripe."""

    def __init__(self, customers: Customers, *, stripe: Stripe, public_url: str) -> None:
        self._customers = customers
        self._stripe = stripe
        self._public_url = public_url.rstrip("/")
        self._configuration: str | None = None
        self._looking = threading.Lock()

    def open(self, account: AccountId, *, return_path: str, flow: Flow) -> str:
        """Return the address of a new session, which leads back to a page of ours.

        Raises: RequestInvalid (a way back that is not ours), StripeUnavailable, StripeRefused.
        """
        return_url = self._public_url + check_return_path(return_path)
        language = self._customers.get(account).language

        def session(stripe_id: str) -> str:
            return payer.create_portal_session(
                self._stripe,
                stripe_id,
                configuration=self._configured(),
                return_url=return_url,
                language=language,
                add_card=flow is Flow.ADD_CARD,
            )

        return self._customers.with_customer(account, session)

    def _configured(self) -> str:
        """Return the configuration that `ileen stripe setup` made; looked for once per process, made if missing."""
        with self._looking:
            if self._configuration is None:
                found = setting_up.find_portal(self._stripe)
                self._configuration = found or setting_up.create_portal(self._stripe, home=self._public_url)
            return self._configuration


def check_return_path(path: str) -> str:
    """Return a path that leads to a page of ours. Raises: RequestInvalid.

    Absolute addresses, `//host`, backslashes, dots as segments, control characters: browsers make a foreign address of
    all of them, so that only plain paths pass, and of those only the pages meant.
    """
    parts = urlsplit(path) if _PATH.fullmatch(path) else None
    segments = parts.path.split("/") if parts else []
    ours = parts is not None and f"/{segments[1]}" in RETURN_PATHS and not {".", ".."} & set(segments)
    if not ours:
        reason = f"it must be a path of this server below {', '.join(RETURN_PATHS)}"
        raise RequestInvalid(f"return_path: {reason}.", fields=[{"field": "return_path", "reason": reason}])
    return path
