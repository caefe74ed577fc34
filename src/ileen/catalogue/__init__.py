"""Sentences and formats in five languages: what mails, documents, pages and the browser all say.

Owns: one JSON file per language (`en.json` is the source; keys are the same in all), notes for translators, and how
money, dates and times are written in each. Refuses to know: who reads it, and HTML: sentences are plain text.
C1  every key exists in every language with the same placeholders and, where it counts, the same plural forms.
C2  amounts are always grouped and never rounded up: a balance is floored to cents.
"""

from ileen.catalogue.formats import balance, cost, date, day, decimal, moment, money, number, percent, sum_of
from ileen.catalogue.languages import LOCALES, locale_of
from ileen.catalogue.sentences import sentences, text

__all__ = [
    "LOCALES",
    "balance",
    "cost",
    "date",
    "day",
    "decimal",
    "locale_of",
    "moment",
    "money",
    "number",
    "percent",
    "sentences",
    "sum_of",
    "text",
]
