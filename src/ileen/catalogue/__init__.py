"""Sentences and formats in five languages: what mails, documents, pages and the browser all say.

Owns: one JSON file per language (`en.json` is the source; keys are the same in all), notes for translators, and how
money, dates and times are written in each. Refuses to know: who reads it, and HTML: sentences are plain text.
C1  every key exists in every language with the same placeholders and, where it counts, the same plural forms.
C2  amounts are always grouped and never rounded up: a balance is floored to cents.
"""

from ileen.catalogue.formats import balance, date, day, moment, money, percent
from ileen.catalogue.languages import LOCALES, locale_of
from ileen.catalogue.sentences import sentences, text

__all__ = ["LOCALES", "balance", "date", "day", "locale_of", "moment", "money", "percent", "sentences", "text"]
