"""What `ileen up` puts in the place of every outside service that is not configured.

Owns: which stand-ins are started and how the settings point to them. Refuses to know: what they do; they are spoken to
over HTTP and SMTP only. A service that is configured is never replaced, and a live key never meets a stand-in.
"""

from typing import Final

import httpx2
from msgspec.structs import replace

from ileen.app import tax_policy
from ileen.cli.children import Facts
from ileen.payments.setup import set_up
from ileen.payments.stripe import Stripe
from ileen.payments.territories import EU
from ileen.settings import SettingInvalid, Settings

LLM: Final = "ileen.sandbox.llm"
STRIPE: Final = "ileen.sandbox.stripe"
INBOX: Final = "ileen.sandbox.inbox"


def wanted(settings: Settings) -> dict[str, list[str]]:
    """Return the stand-ins to start, with their arguments; what they remember is kept beside our own data."""
    found: dict[str, list[str]] = {}
    if not (settings.openai_api_key or settings.anthropic_api_key or settings.providers):
        found[LLM] = []
    if not settings.stripe_secret_key:
        found[STRIPE] = ["--data", str(settings.data_dir / "sandbox-stripe.sqlite3")]
    if not settings.smtp_url:
        found[INBOX] = ["--data", str(settings.data_dir / "inbox.sqlite3")]
    return found


def connect(settings: Settings, started: dict[str, Facts]) -> Settings:
    """Return the settings pointed to the stand-ins that were started. Calls: the offline Stripe, to set it up."""
    if LLM in started:
        url = started[LLM]["url"]
        settings = replace(
            settings,
            openai_base_url=f"{url}/openai/v1",
            openai_api_key="sandbox",
            anthropic_base_url=f"{url}/anthropic",
            anthropic_api_key="sandbox",
        )
    if INBOX in started:
        settings = replace(settings, smtp_url=started[INBOX]["smtp_url"])
    if STRIPE not in started:
        return settings
    _introduce(settings, started[STRIPE]["control_url"], inbox_url=started[INBOX]["url"] if INBOX in started else None)
    return _with_stripe(settings, started[STRIPE])


def _introduce(settings: Settings, control_url: str, *, inbox_url: str | None) -> None:
    """Tell the offline Stripe who sells, from where and registered where, as a merchant fills in its dashboard."""
    home = settings.seller_country
    policy = tax_policy(settings)
    registrations = [{"country": home, "type": "standard"}]
    if policy.registered >= EU and home in EU:
        registrations.append({"country": home, "type": "oss_union"})
    else:
        others = sorted(policy.registered - {home})
        registrations += [{"country": each, "type": "standard"} for each in others]
    seller = {"name": settings.seller or settings.brand, "email": settings.support_email or None}
    pages = {"url": f"{settings.public_url}/billing", "inbox_url": inbox_url}
    for lever, content in (
        ("tax", {"head_office": home, "registrations": registrations}),
        ("business", {name: value for name, value in {**seller, **pages}.items() if value}),
    ):
        httpx2.post(f"{control_url}/{lever}", json=content, timeout=10).raise_for_status()


def _with_stripe(settings: Settings, facts: Facts) -> Settings:
    """Have the offline Stripe know our webhook address, which may have another port than last time."""
    key, url = facts["secret_key"], facts["url"]
    stripe = Stripe(key, base_url=url)
    report = set_up(stripe, public_url=settings.public_url, policy=tax_policy(settings), secret_known=False)
    if report.webhook_secret is None:
        raise SettingInvalid("The offline Stripe did not tell the secret of its webhooks.")
    return replace(settings, stripe_secret_key=key, stripe_base_url=url, stripe_webhook_secret=(report.webhook_secret,))
