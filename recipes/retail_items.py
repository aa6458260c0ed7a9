"""Online Retail's transactions -> its catalogue of items, one JSON line each: the most frequent clean name of every stock code.

python recipes/retail_items.py online_retail.csv.gz > items.jsonl
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import Counter, defaultdict


def main(path: str) -> None:
    """Names are upper case in this log; anything else is a note ("lost in transit"), a price of zero an adjustment."""
    names: dict[str, Counter[str]] = defaultdict(Counter)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row["Description"].strip()
            if name.isupper() and len(name) > 5 and float(row["UnitPrice"]) > 0 and not row["InvoiceNo"].startswith("C"):
                names[row["StockCode"]][name] += 1
    seen: set[str] = set()
    for code, found in names.items():
        title = found.most_common(1)[0][0].title()
        if title not in seen:
            seen.add(title)
            print(json.dumps({"id": code, "title": title}))


if __name__ == "__main__":
    main(sys.argv[1])
