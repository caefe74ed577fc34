"""Sentences by key: placeholders in braces, plural forms by `count`.

The form is shared with the browser: a file is one object of keys; a value is a sentence, or an object of plural
forms (`one`, `other`) chosen by the value `count` after the language's own rule (CLDR). Placeholders are `{name}`;
a literal brace does not occur.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

import msgspec
from babel import Locale

from ileen.catalogue.languages import LOCALES

Sentence = str | dict[str, str]
"""A sentence, or its plural forms by CLDR category."""

PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def text(locale: str, key: str, **values: object) -> str:
    """Return the sentence of `key` in one of LOCALES with its placeholders filled; `count` chooses a plural form.

    Values are put in as they are: format amounts and dates first. The result is plain text, to be escaped in HTML.
    Raises: KeyError for an unknown locale or key and for a missing value; each is a mistake in the caller.
    """
    sentence = sentences(locale)[key]
    if isinstance(sentence, dict):
        sentence = sentence.get(_category(locale, values["count"]), sentence["other"])
    return PLACEHOLDER.sub(lambda match: str(values[match[1]]), sentence)


@cache
def sentences(locale: str) -> Mapping[str, Sentence]:
    """Return a language's whole catalogue. Raises: KeyError if it is none of ours."""
    if locale not in LOCALES:
        raise KeyError(locale)
    file = resources.files("ileen.catalogue") / f"{locale}.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Sentence])


def _category(locale: str, count: object) -> str:
    assert isinstance(count, int), "a plural form is chosen by a whole number"
    return Locale.parse(locale).plural_form(count)
