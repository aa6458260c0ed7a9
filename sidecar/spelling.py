"""The query as its hits spell it: a mistyped word is read as the word of the hits that is one slip away.

First passes that allow for slips (a fuzzy clause, vectors, the other words of the query) find the right documents for `inceptoin`. Models
and vectors read it as noise, and would put these documents down again. What was meant stands in the hits.

A word is respelt where all of this holds:
- it has three letters or more, and nothing but letters (a slip in a number is another number) of a script with capitals: where words are
  written without spaces between them, one letter is another thing;
- the model's vocabulary does not have it as one word: slips rarely make a known word;
- no hit has it;
- a hit has a word of the same first letter, of four letters or more, that is one edit away: a letter too many, too few, another, or two
  swapped, as four in five slips are (Damerau, CACM 1964); two edits where the word has eight letters or more and several hits have the
  other.
Of several such words the nearest is taken, then the one that most hits have. Where there is none, the word may be two that a hit has
side by side, with the space left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from rapidfuzz.distance import OSA

from sidecar.candidates import Candidate, whole

# Which words the vocabulary has as one.
Knows = Callable[[Sequence[str]], list[bool]]
_SHORT = 3
_WORD = re.compile(rf"[^\W\d_]{{{_SHORT},}}")
_LEAST = 4
# A word with a digit in it is a model number or a size.
_IN_NUMBER = re.compile(r"\w*\d\w*")
_LONG = 8
# Longer texts are no searches that somebody typed, and looking at all their words would take long.
_MOST_CHARS = 300
_MOST_WORDS = 8


def respelt(query: str, candidates: Sequence[Candidate], knows: Knows) -> str:
    """The query with its mistyped words replaced, in lower case; the very same text where there is none."""
    if len(query) > _MOST_CHARS:
        return query
    words = [word for word in dict.fromkeys(_WORD.findall(_IN_NUMBER.sub(" ", query.lower()))) if _has_capitals(word)]
    doubtful = [word for word, known in zip(words, knows(words), strict=True) if not known] if words else []
    # Nearly always some hit has the word, and its JSON tells so without being read.
    absent = [word for word in doubtful if not any(candidate.mentions(word) for candidate in candidates)]
    if not absent or len(absent) > _MOST_WORDS:
        return query
    texts = [" ".join(candidate.text).lower() for candidate in candidates]
    counts = Counter(word for text in texts for word in set(_WORD.findall(text)))
    for word in absent:
        if word not in counts and (meant := nearest(word, counts) or parted(word, counts, texts)) is not None:
            query = whole(word).sub(meant, query)
    return query


def _has_capitals(word: str) -> bool:
    return all(letter.upper() != letter for letter in word)


def nearest(word: str, counts: Mapping[str, int]) -> str | None:
    """The hits' word that this one stands for, None where there is none; `counts` is how many hits have each word."""
    edits = 2 if len(word) >= _LONG else 1
    likely = []
    for other, hits in counts.items():
        if len(other) >= _LEAST and other[0] == word[0] and abs(len(other) - len(word)) <= edits:
            distance = OSA.distance(word, other, score_cutoff=edits)
            if distance == 1 or (distance <= edits and hits > 1):
                likely.append((distance, -hits, other))
    return min(likely)[2] if likely else None


def parted(word: str, counts: Mapping[str, int], texts: Sequence[str]) -> str | None:
    """The two words that this one is without its space, side by side in a hit; None where it is not."""
    places = range(_SHORT, len(word) - _SHORT + 1)
    pairs = [(word[:place], word[place:]) for place in places if word[:place] in counts and word[place:] in counts]
    found = [(-min(counts[left], counts[right]), f"{left} {right}") for left, right in pairs if _is_side_by_side(left, right, texts)]
    return min(found)[1] if found else None


def _is_side_by_side(left: str, right: str, texts: Sequence[str]) -> bool:
    return any(f"{left} {right}" in text for text in texts)
