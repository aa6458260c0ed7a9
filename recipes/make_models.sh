#!/usr/bin/env bash
# Rebuilds sidecar/models from the data sets: training sets, `best`, its students, int8 exports. About two hours on two idle cores.
# Sampling and machine differ, so a rebuild gives models of like quality, not the same bytes. Cut off, it goes on where it was: sets that are
# whole and trainings that ended are kept, others go on from their checkpoints. Delete runs/ to begin anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
DATA="${RERANK_DATA:-../shared/data}"
SETS=runs/sets
rerank=.venv/bin/rerank
making="$SETS/making"
mkdir -p "$making"

# Makes a set by a command that takes --out, unless it is there whole.
make_set() {
  local name="$1"
  shift
  if [ -d "$SETS/$name" ]; then
    echo "$name: there already"
  else
    rm -rf "${making:?}/$name"
    "$rerank" "$@" --out "$making/$name"
    mv "$making/$name" "$SETS/$name"
  fi
}

# Queries to label, and those that are never among them: the test and validation parts of both judged sets.
.venv/bin/python - "$DATA" "$SETS" <<'PY'
import csv, gzip, sys
from pathlib import Path

from training.data.splits import named_parts, part_of, read_split

data, sets = map(Path, sys.argv[1:])
parts = list(named_parts(read_split(data / "esci/split.json")).items())
(sets / "esci-train.txt").write_text("\n".join(query for query, part in parts if part == "train"))
with gzip.open(data / "msrd/movies-judgments.tsv.gz", "rt", encoding="utf-8") as file:
    parts += [(row["query"], part_of(row["query"])) for row in csv.DictReader(file, delimiter="\t")]
(sets / "held-out.txt").write_text("\n".join(sorted({query for query, part in parts if part != "train"})))
with (data / "wands/query.csv").open() as file:
    (sets / "wands.txt").write_text("\n".join(row["query"] for row in csv.DictReader(file, delimiter="\t")))
PY
.venv/bin/python recipes/retail_items.py "$DATA/online-retail/online_retail.csv.gz" > "$SETS/retail.jsonl"

teachers=(--teacher e5-small=1 --teacher bge-small=1 --teacher bm25=0.5)
written=training/catalogue_grammar
make_set esci distil label --catalogue "$DATA/esci/products.jsonl.gz" --preset esci --generate 4600 --queries "$SETS/esci-train.txt" \
  --queries "$written/queries.txt" --queries "$SETS/wands.txt" --sample 1080 --exclude "$SETS/held-out.txt" "${teachers[@]}"
make_set msrd distil label --catalogue "$DATA/msrd/movies-corpus.jsonl.gz" --preset msrd --generate 900 \
  --queries "$written/content_queries.txt" --sample 700 --exclude "$SETS/held-out.txt" "${teachers[@]}"
make_set retail distil label --catalogue "$SETS/retail.jsonl" --generate 350 --queries "$SETS/wands.txt" --queries "$written/queries.txt" --sample 150 \
  --exclude "$SETS/held-out.txt" "${teachers[@]}"
make_set grammar distil grammar --lists 2500 --seed 1
make_set grammar-validation distil grammar --lists 150 --seed 999

# Judgments: of esci's 100 train queries a fifth validates, by checksum; msrd's parts are by checksum altogether.
make_set esci-parts data lists --judgments "$DATA/esci/judgments.json.gz" --catalogue "$DATA/esci/products.jsonl.gz" --preset esci \
  --split "$DATA/esci/split.json" --max-hits 22
make_set msrd-parts data lists --judgments "$DATA/msrd/movies-judgments.tsv.gz" --query-id-column query_id --catalogue "$DATA/msrd/movies-corpus.jsonl.gz" \
  --preset msrd --max-hits 16
for name in esci msrd; do
  ln -sfn "$name-parts/train" "$SETS/$name-judged"
  ln -sfn "$name-parts/validation" "$SETS/$name-validation"
done

for name in best fast-start; do
  $rerank train "recipes/$name.yaml" --out "runs/$name"
done
# What `best` makes of a part of its lists: the targets of the default profile's second half.
for part in esci=2300 msrd=700 retail=300 grammar=900 msrd-judged=500; do
  set="${part%=*}"
  make_set "$set-scored" distil score "$SETS/$set" --teacher runs/best=1 --own-weight 0.3 --limit "${part#*=}"
done
for name in fast instant-wide instant; do
  $rerank train "recipes/$name.yaml" --out "runs/$name"
done
# int8 may lose more than 0.003 on sets as small as these, up to 0.006 of the shipped models: what is accepted stands on the card.
for name in best fast instant; do
  $rerank export "runs/$name" --info "recipes/$name.info.yaml" --gate "$SETS/grammar-validation" --gate "$SETS/esci-validation" \
    --gate "$SETS/msrd-validation" --allow-loss 0.01 --out "sidecar/models/$name"
done
# Written unless it loses more than noise: similarity is what carries over to catalogues that no model saw.
for name in best fast instant; do
  $rerank fuse --model "sidecar/models/$name" --data "$DATA/msrd" --split validation --data "$DATA/esci" --split validation \
    --data samples --split all --limit-queries 80 --first-pass bm25 --first-pass rrf --offline --min-gain -0.003
done
$rerank export recipes/embedder.yaml --info recipes/embedder.info.yaml --out sidecar/models/embedder
