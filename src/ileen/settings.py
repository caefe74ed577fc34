"""Settings: the environment (`ILEEN_*`), read once at the start into one frozen object.

Owns: names, defaults and checks of all settings (documented in docs/reference/settings.md; a test compares).
A wrong value stops the start with one clear sentence; an unknown ILEEN_ name too, since it is a typing mistake.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ileen.base.address import address

_FOR_TESTS: Final = {"ILEEN_CRASH_AT", "ILEEN_TEST_DATABASE_URL", "ILEEN_TEST_SHOTS", "ILEEN_CHROMIUM"}


class SettingInvalid(ValueError):
    """A setting that cannot be used; the sentence names it and says what is expected."""


class ProviderSetting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenAI-compatible provider: calls for its models, or for `prefix/model`, go to its base URL."""

    name: str
    base_url: str
    api_key: str | None = None
    prefixes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


class Settings(Struct, frozen=True, kw_only=True):
    """All settings. Durations end in `_s` (seconds), sizes in `_bytes_max`."""

    data_dir: Path = Path("data")
    database_url: str = "sqlite:///data/ileen.sqlite3"
    host: str = "127.0.0.1"
    port: int = 8000
    log_level: str = "info"
    openai_base_url: str = "https://api.openai.com/v1"
    openai_api_key: str | None = None
    anthropic_base_url: str = "https://api.anthropic.com"
    anthropic_api_key: str | None = None
    providers: tuple[ProviderSetting, ...] = ()
    rate_card: Path | None = None
    price_file: Path | None = None
    fx_rate: str | None = None
    fx_file: Path | None = None
    hold_lifetime_s: int = 900
    call_timeout_s: int = 600
    stall_timeout_s: int = 60
    body_bytes_max: int = 20 * 1024 * 1024
    calls_max: int = 256
    unpriced: str = "refuse"
    buy_url: str = ""
    public_url: str = ""
    proxies: int = 0
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_name: str = "Single sign-on"
    brand: str = "Ileen"
    seller: str = ""
    support_email: str = ""
    operator_email: str = ""
    mail_from: str = "no-reply@localhost"
    smtp_url: str | None = None
    stripe_secret_key: str | None = None
    stripe_webhook_secret: tuple[str, ...] = ()
    stripe_base_url: str | None = None
    gate: str = "credits"
    invoice_footer: str = ""
    confirm_timeout_s: int = 3600
    refills: str = "on"
    refill_hour_max: int = 5
    refill_day_max: int = 20
    refill_confirm_timeout_s: int = 86400
    webhook_targets: str = "public"
    refunds: str = "automatic"
    refund_four_eyes_above: int = 0
    withdrawal: str = "on"
    dispute_debt: str = "on"
    fraud_warnings: str = "watch"
    seller_country: str = "DE"
    tax_registrations: str = "EU"
    unregistered_countries: str = "refuse"
    tax_territories: str = "refuse"
    reverse_charge: str = "verified"
    tax_code: str = "txcd_10000000"
    country_header: str = ""
    studio: str = "auto"
    studio_models: str = "gpt-4o-mini,gpt-5-mini,claude-haiku-4-5"
    studio_embedding_model: str = "text-embedding-3-small"

    @property
    def rates_file(self) -> Path:
        """The file of exchange rates that a refresh adds to: the one named, else one in the data directory."""
        return self.fx_file or self.data_dir / "exchange_rates.toml"

    @property
    def shop_url(self) -> str:
        """Where people buy credits: the page the operator names, else our own if we sell; empty if nowhere."""
        ours = f"{self.public_url}/billing" if self.stripe_secret_key and self.public_url else ""
        return self.buy_url or ours

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings. Raises: SettingInvalid."""
        values: dict[str, object] = {}
        for name, text in environ.items():
            if not name.startswith("ILEEN_") or name in _FOR_TESTS:
                continue
            field = name.removeprefix("ILEEN_").lower()
            if field not in _READERS:
                raise SettingInvalid(f"{name} is not a setting of Ileen.")
            if text != "":
                values[field] = _READERS[field](name, text)
        data_dir = values.get("data_dir", Path("data"))
        values.setdefault("database_url", f"sqlite:///{data_dir}/ileen.sqlite3")
        settings = cls(**values)  # pyright: ignore[reportArgumentType]  # each value came from its field's own reader
        if settings.hold_lifetime_s <= settings.call_timeout_s:
            raise SettingInvalid(
                "ILEEN_HOLD_LIFETIME_S must be longer than ILEEN_CALL_TIMEOUT_S: a hold outlives its call."
            )
        if settings.stripe_base_url and not (settings.stripe_secret_key or "").startswith(("sk_test_", "rk_test_")):
            raise SettingInvalid(
                "ILEEN_STRIPE_BASE_URL names a sandbox: use it with a test key (sk_test_…, rk_test_…) only, never with "
                "a live one."
            )
        if len({bool(settings.oidc_issuer), bool(settings.oidc_client_id), bool(settings.oidc_client_secret)}) > 1:
            raise SettingInvalid("ILEEN_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET belong together: set all or none.")
        return settings


def _text(_: str, text: str) -> str:
    return text


def _path(_: str, text: str) -> Path:
    return Path(text)


def _file(name: str, text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise SettingInvalid(f"{name} names a file that does not exist: {text}")
    return path


def _url(name: str, text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingInvalid(f"{name} must be an http or https URL.")
    return text.rstrip("/")


def _issuer(name: str, text: str) -> str:
    """Keep an issuer exactly as it is, also a slash at its end: tokens must name the very same text."""
    _url(name, text)
    return text


def _origin(name: str, text: str) -> str:
    parts = urlsplit(_url(name, text))
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise SettingInvalid(f"{name} must be scheme and host alone, such as https://credits.example.com.")
    return f"{parts.scheme}://{parts.netloc}"


def _line(name: str, text: str) -> str:
    if len(text) > 120 or not text.isprintable():
        raise SettingInvalid(f"{name} must be one line of at most 120 characters.")
    return text


def _email(name: str, text: str) -> str:
    ready = address(text)
    if ready is None:
        raise SettingInvalid(f"{name} must be an e-mail address alone, such as billing@example.com.")
    return ready


def _smtp_url(name: str, text: str) -> str:
    parts = urlsplit(text)
    try:
        complete = bool(parts.hostname) and parts.port != 0 and not parts.path.strip("/")
    except ValueError:  # a port that is no number
        complete = False
    if parts.scheme not in {"smtp", "smtps", "smtp+plain"} or not complete:
        raise SettingInvalid(f"{name} must begin with smtp://, smtps:// or smtp+plain:// and name a host.")
    return text


def _stripe_key(name: str, text: str) -> str:
    if not re.fullmatch(r"(sk|rk)_(test|live)_[A-Za-z0-9_]{3,250}", text, re.ASCII):
        raise SettingInvalid(f"{name} must be a secret or restricted key of Stripe: sk_test_…, sk_live_…, rk_….")
    return text


def _stripe_secrets(name: str, text: str) -> tuple[str, ...]:
    secrets = tuple(text.split(","))
    if not all(re.fullmatch(r"whsec_[A-Za-z0-9_+/=-]{3,250}", each, re.ASCII) for each in secrets):
        raise SettingInvalid(f"{name} must be a webhook secret of Stripe (whsec_…), or two of them and a comma.")
    return secrets


def _country(name: str, text: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}", text, re.ASCII):
        raise SettingInvalid(f"{name} must be the two letters of a country, such as DE.")
    return text


def _countries(name: str, text: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}( *, *[A-Z]{2})*", text, re.ASCII):
        raise SettingInvalid(f"{name} must be a list of countries such as DE,FR,CH; EU stands for all member states.")
    return text


def _tax_code(name: str, text: str) -> str:
    if not re.fullmatch(r"txcd_[0-9]{8}", text, re.ASCII):
        raise SettingInvalid(f"{name} must be a tax code of Stripe, such as txcd_10000000.")
    return text


def _header(name: str, text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text, re.ASCII):
        raise SettingInvalid(f"{name} must be the name of a header, such as CF-IPCountry.")
    return text.lower()


def _database_url(name: str, text: str) -> str:
    if not re.match(r"(sqlite|postgres(ql)?)(\+\w+)?://", text):
        raise SettingInvalid(f"{name} must begin with sqlite:/// or postgresql://.")
    return text


def _model(name: str, text: str) -> str:
    if len(text) > 200 or not text.isprintable() or not text.strip():
        raise SettingInvalid(f"{name} must be the name of a model.")
    return text.strip()


def _models(name: str, text: str) -> str:
    return ",".join(_model(name, each) for each in text.split(","))


def _one_of(*words: str) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text not in words:
            raise SettingInvalid(f"{name} must be one of {', '.join(words)}.")
        return text

    return read


def _whole(low: int, high: int) -> Callable[[str, str], int]:
    def read(name: str, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text, re.ASCII) or not low <= int(text) <= high:
            raise SettingInvalid(f"{name} must be a whole number from {low} to {high}.")
        return int(text)

    return read


def _rate(name: str, text: str) -> str:
    try:
        rate = Decimal(text)
    except InvalidOperation:
        rate = Decimal(0)
    if not rate.is_finite() or rate <= 0:
        raise SettingInvalid(f"{name} must be a positive decimal number: euros for one US dollar, such as 0.86.")
    return text


def _providers(name: str, text: str) -> tuple[ProviderSetting, ...]:
    try:
        return msgspec.json.decode(text, type=tuple[ProviderSetting, ...])
    except msgspec.MsgspecError as error:
        raise SettingInvalid(f"{name} must be a JSON list of providers with name and base_url: {error}.") from error


_READERS: Final[Mapping[str, Callable[[str, str], object]]] = {
    "data_dir": _path,
    "database_url": _database_url,
    "host": _text,
    "port": _whole(0, 65535),
    "log_level": _one_of("debug", "info", "warning", "error"),
    "openai_base_url": _url,
    "openai_api_key": _text,
    "anthropic_base_url": _url,
    "anthropic_api_key": _text,
    "providers": _providers,
    "rate_card": _file,
    "price_file": _file,
    "fx_rate": _rate,
    "fx_file": _file,
    "hold_lifetime_s": _whole(1, 86_400),
    "call_timeout_s": _whole(1, 86_400),
    "stall_timeout_s": _whole(1, 3_600),
    "body_bytes_max": _whole(1024, 2**30),
    "calls_max": _whole(1, 100_000),
    "unpriced": _one_of("refuse", "pass"),
    "buy_url": _url,
    "public_url": _origin,
    "proxies": _whole(0, 10),
    "oidc_issuer": _issuer,
    "oidc_client_id": _text,
    "oidc_client_secret": _text,
    "oidc_name": _line,
    "brand": _line,
    "seller": _line,
    "support_email": _email,
    "operator_email": _email,
    "mail_from": _email,
    "smtp_url": _smtp_url,
    "stripe_secret_key": _stripe_key,
    "stripe_webhook_secret": _stripe_secrets,
    "stripe_base_url": _url,
    "gate": _one_of("credits", "strict"),
    "invoice_footer": _text,
    "confirm_timeout_s": _whole(60, 82_800),
    "refills": _one_of("on", "stopped"),
    "refill_hour_max": _whole(1, 1_000),
    "refill_day_max": _whole(1, 1_000),
    "refill_confirm_timeout_s": _whole(60, 604_800),
    "webhook_targets": _one_of("public", "any"),
    "refunds": _one_of("automatic", "approval"),
    "refund_four_eyes_above": _whole(0, 1_000_000),
    "withdrawal": _one_of("on", "b2b", "off"),
    "dispute_debt": _one_of("on", "off"),
    "fraud_warnings": _one_of("watch", "refund"),
    "seller_country": _country,
    "tax_registrations": _countries,
    "unregistered_countries": _one_of("sell", "refuse"),
    "tax_territories": _one_of("sell", "refuse"),
    "reverse_charge": _one_of("verified", "format", "never"),
    "tax_code": _tax_code,
    "country_header": _header,
    "studio": _one_of("auto", "on", "off"),
    "studio_models": _models,
    "studio_embedding_model": _model,
}
"""How each setting is read; the environment's name is `ILEEN_` and the key in capitals."""
