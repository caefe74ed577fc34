"""Where a customer lives, as far as VAT cares: countries, the union's members, and the places that are neither.

Owns: the codes and the postal codes of special territories. Refuses to know: rates (Stripe has them) and policy.
Stripe Tax calculates nothing for the unsupported territories, even where the seller is registered, and says so only in
a reason (docs.stripe.com/tax/zero-tax); the other places lie outside EU VAT though their country is a member
(Directive 2006/112/EC, articles 5 and 6). Both are recognised before anything is asked of Stripe.
"""

import re
from collections.abc import Sequence
from typing import Final

_ISO_3166 = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA
    CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA
    GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
    KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS
    MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS
    RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW
    TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
_MEMBERS = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"

COUNTRIES: Final = frozenset(_ISO_3166.split())
"""ISO 3166-1 alpha-2, and XK for Kosovo, which Stripe knows too."""

EU: Final = frozenset(_MEMBERS.split())
"""The member states. Greece is GR as a country and EL in its VAT ids."""

_BY_COUNTRY: Final = {
    "AX": "Åland",
    "GF": "French Guiana",
    "GP": "Guadeloupe",
    "MC": "Monaco",
    "MQ": "Martinique",
    "RE": "Réunion",
    "YT": "Mayotte",
}
_BY_POSTAL_CODE: Final[dict[str, Sequence[tuple[str, str]]]] = {
    "DE": [("27498", "Heligoland"), ("78266", "Büsingen")],
    "ES": [("35", "the Canary Islands"), ("38", "the Canary Islands"), ("51", "Ceuta"), ("52", "Melilla")],
    "FI": [("22", "Åland")],
    "FR": [
        ("971", "Guadeloupe"),
        ("972", "Martinique"),
        ("973", "French Guiana"),
        ("974", "Réunion"),
        ("976", "Mayotte"),
        ("97", "a French overseas collectivity"),
        ("980", "Monaco"),
        ("98", "a French overseas collectivity"),
    ],
    "GR": [("63086", "Mount Athos"), ("63087", "Mount Athos")],
    "IT": [("22061", "Campione d'Italia"), ("23041", "Livigno"), ("23030", "Livigno")],
    "PT": [(f"9{digit}", "Madeira" if digit < 5 else "the Azores") for digit in range(10)],
}
"""Longest prefixes first where one begins with another."""

_NOT_ALPHANUMERIC: Final = re.compile(r"[^0-9A-Z]")


def territory(country: str, postal_code: str | None) -> str | None:
    """Return the name of the special territory an address lies in, None for the ordinary part of a country."""
    if country in _BY_COUNTRY:
        return _BY_COUNTRY[country]
    digits = _NOT_ALPHANUMERIC.sub("", (postal_code or "").upper()).removeprefix(country)
    for prefix, name in _BY_POSTAL_CODE.get(country, ()):
        if digits.startswith(prefix):
            return name
    return None
