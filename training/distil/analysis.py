"""The words of a text as the product's mapping analyses them (`english_text` in `mappings/`), for a first pass in memory.

Tags off, standard tokenizer (Unicode's word boundaries, UAX #29), possessive 's off, lower case, accents folded, English stop words out,
Porter's stems: a test compares it with what a node answers.
"""

from __future__ import annotations

import html
import unicodedata
from functools import lru_cache

import regex
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

# Comments, scripts and tags, as html_strip takes them out.
_MARKUP = regex.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>|</?[a-z][^<>]*>", regex.IGNORECASE | regex.DOTALL)
# A run of a script without spaces (Thai and its kin), else what stands between two of Unicode's word boundaries and begins with a
# letter, a digit, a low line or an emoji: 3.5mm and don't are one word each.
_WORD = regex.compile(r"\p{Line_Break=SA}+|\b[\w\p{Extended_Pictographic}].*?\b", regex.WORD | regex.DOTALL)
_POSSESSIVE = regex.compile(r"['\u2019\uff07]s$", regex.IGNORECASE)
# Of what asciifolding folds: Latin letters and their kin, and what Unicode takes apart no further.
_FOLDED = ("LATIN ", "FULLWIDTH ", "SUPERSCRIPT ", "SUBSCRIPT ")
_WHOLE = dict(zip("ßæœøłđðþħ\u0131\u2018\u2019\u2044", ["ss", "ae", "oe", "o", "l", "d", "d", "th", "h", "i", "'", "'", "/"], strict=True))
# Where Lucene's stemmer departs from Porter's paper, as his own program does: (m > 0) BLI to BLE, LOGI to LOG.
_DEPARTURE = regex.compile(r".*[aeiouy][^\Waeiou].*(?=(bl|log)(?:y|ies)$)")
_STOP = frozenset(STOPWORDS_EN)


def words(text: str) -> list[str]:
    """The stems of a text in its order, with those that occur twice twice; empty where it has no word."""
    if "<" in text:
        text = _MARKUP.sub(" ", text)
    if "&" in text:
        text = html.unescape(text)
    stems = (_stem(word) for word in _WORD.findall(text))
    return [stem for stem in stems if stem]


@lru_cache(maxsize=1 << 18)
def _stem(word: str) -> str:
    """One word's stem; empty for a stop word."""
    lower = _folded(_POSSESSIVE.sub("", word).lower())
    if lower in _STOP:
        return ""
    # Lucene's stemmer leaves words of two characters alone; this one would leave nothing of an s.
    return _porter().stemWord(_departed(lower)) if len(lower) > 2 else lower


def _departed(word: str) -> str:
    """With the ending that Porter's later rules turn into what Lucene answers."""
    found = _DEPARTURE.match(word)
    if found is None:
        return word
    return word[: found.end()] + ("ble" if found[1] == "bl" else "log")


@lru_cache(maxsize=1)
def _porter() -> Stemmer.Stemmer:
    # OpenSearch's `english` stemmer is Porter's first one; PyStemmer calls his second one english.
    return Stemmer.Stemmer("porter")


def _folded(word: str) -> str:
    """Without accents on Latin letters, as asciifolding; other scripts stay as they are."""
    return word if word.isascii() else "".join(map(_ascii, word))


def _ascii(letter: str) -> str:
    if letter in _WHOLE or not unicodedata.name(letter, "").startswith(_FOLDED):
        return _WHOLE.get(letter, letter)
    base = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return base if base.isascii() else letter
