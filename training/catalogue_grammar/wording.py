"""Spellings of values, names and queries: units, plurals, capitals, typing errors, colour families.

Pure functions of their arguments; whatever does not depend on chance is cached, since one run asks for it a million times.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random

UNITS = {
    "oz": ("{} oz", "{}oz", "{} ounce", "{}-ounce", "{} fl oz"),
    "inch": ("{} inch", '{}"', "{}-inch", "{} in", "{} inches"),
    "ft": ("{} ft", "{}ft", "{} feet", "{}-foot", "{} foot"),
    "lb": ("{} lb", "{}lb", "{} pound", "{} lbs", "{}-pound"),
    "quart": ("{} quart", "{} qt", "{}-quart", "{}qt"),
    "gallon": ("{} gallon", "{} gal", "{}-gallon"),
    "gb": ("{}gb", "{} gb"),
    "tb": ("{}tb", "{} tb"),
    "ml": ("{} ml", "{}ml"),
    "liter": ("{} liter", "{}l", "{} litre", "{}-liter"),
    "mm": ("{}mm", "{} mm"),
    "cm": ("{} cm", "{}cm"),
    "watt": ("{} watt", "{}w", "{}-watt", "{} w"),
    "volt": ("{} volt", "{}v", "{}-volt"),
    "mah": ("{}mah", "{} mah"),
    "mg": ("{} mg", "{}mg"),
    "pack": ("{} pack", "{}-pack", "pack of {}", "{} count", "set of {}", "{} pcs", "{} pieces", "{}pk"),
    "piece": ("{} piece", "{}-piece", "{} pcs", "{}pc", "{} pieces"),
    "tier": ("{} tier", "{}-tier", "{} tiers", "{} shelf"),
    "cup": ("{} cup", "{}-cup", "{} cups"),
    "yards": ("{} yards", "{} yd", "{}-yard"),
    "grit": ("{} grit", "{}-grit"),
    "amp": ("{} amp", "{}a", "{}-amp"),
    "hz": ("{}hz", "{} hz"),
    "key": ("{} key", "{}-key", "{} keys"),
}
SPELLINGS = {
    "gray": ("gray", "grey"),
    "extra large": ("extra large", "xl", "x-large"),
    "extra small": ("extra small", "xs", "x-small"),
    "2xl": ("2xl", "xxl", "xx-large"),
    "stainless steel": ("stainless steel", "stainless"),
    "faux leather": ("faux leather", "pu leather", "vegan leather"),
    "wood": ("wood", "wooden"),
    "gold": ("gold", "golden"),
    "multicolor": ("multicolor", "multicolored", "colorful"),
    "plus size": ("plus size", "plus-size"),
    "fragrance free": ("fragrance free", "fragrance-free"),
}
AUDIENCES = frozenset({"men", "women", "kids", "boys", "girls", "toddlers", "babies", "adults", "teens"})
POSSESSIVES = {"men": "men's", "women": "women's", "toddlers": "toddler", "babies": "baby", "adults": "adult", "teens": "teen"}
PARENTS = {
    "navy": "blue", "royal blue": "blue", "light blue": "blue", "sky blue": "blue", "charcoal": "gray", "burgundy": "red",
    "olive": "green", "sage green": "green", "dark green": "green", "mint": "green", "hot pink": "pink", "blush": "pink",
    "lavender": "purple", "oak": "wood", "walnut": "wood", "pine": "wood", "acacia": "wood", "mango wood": "wood",
    "stainless steel": "metal", "steel": "metal", "aluminum": "metal", "iron": "metal",
}  # fmt: skip
# Words that turn a value into another one: "faux leather" is no answer to "leather", "off white" none to "white".
SHIFTING = frozenset({"faux", "off", "rose", "extra", "free", "non", "un", "x", "white", "black"})
_UPPER = """usb led tv hdmi pc hd uhd 4k 8k ssd hdd rgb gps diy uv bpa spf xl 2xl 3xl xs xxl ac dc rv suv atv bbq cd dvd lp gb tb mah us uk
qi atx tpu pvc abs dslr"""
UPPER = frozenset(_UPPER.split())
SMALL = frozenset({"mm", "cm", "for", "with", "and", "of", "in", "the", "to", "a", "on", "without", "by", "or"})
_MEASURE = re.compile(r"^([\d./]+(?:x[\d./]+)*) ?([a-z]+)$")
_DIMENSIONS = re.compile(r"^[\d./]+(?:x[\d./]+)+$")


def tokens(text: str) -> list[str]:
    """Lower-case words."""
    return text.lower().replace("-", " ").split()


IRREGULAR = {"mouse": "mice", "knife": "knives", "shelf": "shelves", "scarf": "scarves"}
_SINGULARS = {many: one for one, many in IRREGULAR.items()}


@cache
def singular(word: str) -> str:
    """A crude stem: enough to see that "candles" and "candle" are one word."""
    if word in _SINGULARS:
        return _SINGULARS[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@cache
def plural(name: str) -> str:
    """The name as shoppers type it for several."""
    first, _, last = name.rpartition(" ")
    if last in IRREGULAR:
        return f"{first} {IRREGULAR[last]}".strip()
    if name.endswith("s") or name[-1].isdigit():
        return name
    if name.endswith(("ch", "sh", "x")):
        return name + "es"
    return name[:-1] + "ies" if name.endswith("y") and name[-2] not in "aeiou" else name + "s"


@cache
def spellings(value: str) -> tuple[str, ...]:
    """All ways to write a value; the first is the catalogue's own."""
    if value in SPELLINGS:
        return SPELLINGS[value]
    if measure := _MEASURE.match(value):
        number, unit = measure.groups()
        if unit not in UNITS:
            return (value,)
        return tuple(pattern.format(spaced) for pattern in UNITS[unit] for spaced in _spaced(number))
    return _spaced(value) if _DIMENSIONS.match(value) else (value,)


def _spaced(number: str) -> tuple[str, ...]:
    if "x" not in number:
        return (number,)
    return (number, number.replace("x", " x "), number.replace("x", " by "))


@cache
def satisfies(kind: str, asked: str, offered: str) -> bool:
    """Whether an offered value answers the asked one: equal, narrower ("navy" for "blue"), or the same with more words."""
    if asked == offered:
        return True
    if kind in {"size", "count", "model", "age", "audience"} or any(letter.isdigit() for letter in asked + offered):
        return False
    if PARENTS.get(offered) == asked:
        return True
    extra = set(tokens(offered)) - set(tokens(asked))
    return set(tokens(asked)) <= set(tokens(offered)) and not extra & SHIFTING


@cache
def titled(text: str) -> str:
    """Shop capitals: "usb c cable" → "USB C Cable"."""
    return " ".join(_capital(word, index) for index, word in enumerate(text.split()))


def _capital(word: str, index: int) -> str:
    if word.lower() in UPPER:
        return word.upper()
    if (word in SMALL and index) or not word[:1].islower():
        return word
    return "-".join(part[:1].upper() + part[1:] for part in word.split("-"))


def sentence(text: str) -> str:
    """A capital at the front and nothing else."""
    return text[:1].upper() + text[1:]


def mistype(text: str, rng: Random) -> str:
    """One typing error in one of the longer words: a letter dropped, doubled or swapped with its neighbour."""
    words = text.split()
    long_words = [index for index, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long_words:
        return text
    index = rng.choice(long_words)
    word, place = words[index], rng.randrange(1, len(words[index]) - 1)
    swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    words[index] = rng.choice((word[:place] + word[place + 1 :], word[:place] + word[place] + word[place:], swapped))
    return " ".join(words)
