"""Settings: read once, checked, and refused with one sentence."""

from pathlib import Path

import pytest

from ileen.settings import SettingInvalid, Settings


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.read({}) == Settings()
    assert Settings.read({"PATH": "/bin", "ILEEN_PORT": ""}) == Settings()


def test_the_database_follows_the_data_directory_unless_named() -> None:
    assert Settings.read({"ILEEN_DATA_DIR": "/srv/ileen"}).database_url == "sqlite:////srv/ileen/ileen.sqlite3"
    named = Settings.read({"ILEEN_DATA_DIR": "/srv/ileen", "ILEEN_DATABASE_URL": "postgresql://db/ileen"})
    assert named.database_url == "postgresql://db/ileen"


def test_credits_are_bought_on_our_own_page_where_we_sell_unless_another_is_named() -> None:
    ours = {"ILEEN_PUBLIC_URL": "https://credits.example.com"}
    selling = ours | {"ILEEN_STRIPE_SECRET_KEY": "sk_test_123456"}
    assert Settings.read(ours).shop_url == ""
    assert Settings.read(selling).shop_url == "https://credits.example.com/billing"
    named = Settings.read(selling | {"ILEEN_BUY_URL": "https://shop.example.com/credits"})
    assert named.shop_url == "https://shop.example.com/credits"


def test_values_are_read_into_their_types(tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.touch()
    settings = Settings.read(
        {
            "ILEEN_PORT": "0",
            "ILEEN_FX_RATE": "0.86",
            "ILEEN_RATE_CARD": str(card),
            "ILEEN_OPENAI_BASE_URL": "http://127.0.0.1:9/v1/",
            "ILEEN_PROVIDERS": '[{"name": "mistral", "base_url": "https://m.example/v1", "prefixes": ["mistral"]}]',
        }
    )
    assert (settings.port, settings.fx_rate, settings.rate_card) == (0, "0.86", card)
    assert settings.openai_base_url == "http://127.0.0.1:9/v1"
    assert settings.providers[0].prefixes == ("mistral",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ILEEN_PROT", "8000"),
        ("ILEEN_PORT", "65536"),
        ("ILEEN_PORT", "-1"),
        ("ILEEN_PORT", "٨"),
        ("ILEEN_LOG_LEVEL", "loud"),
        ("ILEEN_DATABASE_URL", "mysql://db/ileen"),
        ("ILEEN_OPENAI_BASE_URL", "api.openai.com"),
        ("ILEEN_FX_RATE", "NaN"),
        ("ILEEN_FX_RATE", "0"),
        ("ILEEN_FX_RATE", "-1"),
        ("ILEEN_RATE_CARD", "/no/such/card.toml"),
        ("ILEEN_PROVIDERS", "mistral"),
        ("ILEEN_PROVIDERS", '[{"name": "mistral", "base_url": "https://m.example", "kye": "x"}]'),
        ("ILEEN_HOLD_LIFETIME_S", "600"),
        ("ILEEN_STRIPE_SECRET_KEY", "pk_test_123456"),
        ("ILEEN_STRIPE_WEBHOOK_SECRET", "secret"),
        ("ILEEN_STRIPE_WEBHOOK_SECRET", "whsec_123456,"),
        ("ILEEN_STRIPE_BASE_URL", "http://127.0.0.1:9"),
        ("ILEEN_BRAND", "Il\neen"),
        ("ILEEN_MAIL_FROM", "Ileen <billing@example.com>"),
        ("ILEEN_SUPPORT_EMAIL", "help"),
        ("ILEEN_SMTP_URL", "mail.example.com"),
        ("ILEEN_SMTP_URL", "smtp://mail.example.com:mail"),
        ("ILEEN_SMTP_URL", "smtp://mail.example.com/path"),
    ],
)
def test_a_wrong_or_unknown_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingInvalid, match=name):
        Settings.read({name: value})


def test_a_live_key_is_refused_together_with_the_sandbox() -> None:
    sandbox = {"ILEEN_STRIPE_BASE_URL": "http://127.0.0.1:9"}
    for key in ("sk_test_123456", "rk_test_123456"):
        assert Settings.read(sandbox | {"ILEEN_STRIPE_SECRET_KEY": key}).stripe_base_url
    for key in ("sk_live_123456", "rk_live_123456"):
        assert Settings.read({"ILEEN_STRIPE_SECRET_KEY": key}).stripe_secret_key == key
        with pytest.raises(SettingInvalid, match="never with a live one"):
            Settings.read(sandbox | {"ILEEN_STRIPE_SECRET_KEY": key})


def test_two_webhook_secrets_are_known_while_one_is_rolled() -> None:
    settings = Settings.read({"ILEEN_STRIPE_WEBHOOK_SECRET": "whsec_old111,whsec_new222"})
    assert settings.stripe_webhook_secret == ("whsec_old111", "whsec_new222")
