"""All languages say the same, in their own words."""

import string
from importlib import resources

import msgspec
import pytest

from ileen.catalogue import LOCALES, sentences, text
from ileen.catalogue.sentences import PLACEHOLDER, Sentence

SAME = {
    "buy.total", "common.optional", "details.name", "invoices.date", "invoices.pdf", "invoices.status",
    "mail.alarm.body", "mail.alarm.heading", "sign_in.password", "usage.activity", "usage.mode",
    "usage.tokens",
}  # fmt: skip
"""Words that some language shares with English."""
OTHERS = LOCALES[1:]


def forms(sentence: Sentence) -> dict[str, str]:
    return sentence if isinstance(sentence, dict) else {"": sentence}


@pytest.mark.parametrize("locale", OTHERS)
def test_every_language_has_the_same_keys_in_the_same_order(locale: str) -> None:
    assert list(sentences(locale)) == list(sentences("en"))


@pytest.mark.parametrize("locale", OTHERS)
def test_every_sentence_has_the_same_placeholders_and_plural_forms(locale: str) -> None:
    """Every form of a plural names the same placeholders, so that "one" does not lose a number or a name."""
    for key, english in sentences("en").items():
        own = forms(sentences(locale)[key])
        assert list(own) == list(forms(english)), key
        wanted = {frozenset(PLACEHOLDER.findall(form)) for form in forms(english).values()}
        assert {frozenset(PLACEHOLDER.findall(form)) for form in own.values()} == wanted, key


@pytest.mark.parametrize("locale", LOCALES)
def test_plurals_have_one_and_other(locale: str) -> None:
    plurals = {key: value for key, value in sentences(locale).items() if isinstance(value, dict)}
    assert plurals
    assert {key for key, value in plurals.items() if list(value) != ["one", "other"]} == set()
    assert {key for key, value in plurals.items() if "{count}" not in value["other"]} == set()


@pytest.mark.parametrize("locale", OTHERS)
def test_nothing_is_left_in_english(locale: str) -> None:
    same = {key for key, value in sentences(locale).items() if value == sentences("en")[key]}
    assert same - SAME == set()


def test_the_list_of_shared_words_is_needed() -> None:
    shared = {key for locale in OTHERS for key, value in sentences(locale).items() if value == sentences("en")[key]}
    assert SAME - shared == set()


@pytest.mark.parametrize("locale", LOCALES)
def test_sentences_are_typographic_plain_text(locale: str) -> None:
    """No straight quotation marks, no markup, no braces outside placeholders, no stray space."""
    for key, sentence in sentences(locale).items():
        for form in forms(sentence).values():
            bare = PLACEHOLDER.sub("", form).replace(" & ", " ")  # an ampersand as a word is no markup
            assert not set(bare) & set("\"'<>{}&") and form == form.strip() and "  " not in form, (key, form)


def test_french_keeps_its_marks_with_their_words() -> None:
    """A colon or question mark must not begin a line: the space before it does not break."""
    for key, sentence in sentences("fr").items():
        for form in forms(sentence).values():
            assert not any(f" {mark}" in form for mark in ":;?!»"), (key, form)


def test_readers_are_addressed_formally() -> None:
    informal = {
        "de": {"du", "dich", "dir", "dein", "deine", "deinem", "deinen"},
        "fr": {"tu", "te", "ton", "ta", "tes", "toi"},
        "es": {"tú", "tu", "tus", "te", "ti"},
        "it": {"tu", "tuo", "tua", "tuoi", "tue", "ti"},
    }
    for locale, words in informal.items():
        for key, sentence in sentences(locale).items():
            for form in forms(sentence).values():
                said = {word.strip(string.punctuation + "’…").lower() for word in form.split()}
                assert not said & words, (locale, key, form)


def test_notes_for_translators_are_about_keys_that_exist() -> None:
    notes = msgspec.json.decode((resources.files("ileen.catalogue") / "notes.json").read_bytes(), type=dict[str, str])
    assert set(notes) - {""} - set(sentences("en")) == set()


def test_a_plural_follows_the_rule_of_its_language() -> None:
    """Zero is plural in English and singular in French."""
    typical = [
        text(locale, "gate.credits.typical", count=count, activity="Design")
        for locale, count in [("en", 1), ("en", 40), ("en", 0), ("fr", 0), ("fr", 2), ("es", 1_000_000)]
    ]
    assert typical == [
        "about 1 run of Design",
        "about 40 runs of Design",
        "about 0 runs of Design",
        "environ 0 exécution de Design",
        "environ 2 exécutions de Design",
        "aproximadamente 1000000 ejecuciones de Design",
    ]


def test_placeholders_are_filled_once_and_values_are_not_read_as_placeholders() -> None:
    assert text("en", "common.seller", seller="{brand}") == "You pay {brand}"


def test_mistakes_of_the_caller_are_loud() -> None:
    for locale, key in [
        ("en", "no.such.key"),
        ("xx", "common.back"),
        ("../en", "common.back"),
        ("en", "common.seller"),
    ]:
        with pytest.raises(KeyError):
            text(locale, key)
