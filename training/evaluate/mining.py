"""A live first pass -> the hits of judged queries, from which `training.data.build` draws hard negatives.

Invariant: a hit keeps the rank at which the shop's users would meet it; one that the catalogue lacks is counted and holds its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cluster.errors import ClusterError
from training.data.first_pass import Tell, in_catalogue
from training.data.lists import QueryList
from training.data.report import Report, count
from training.evaluate.candidates import Source, with_fusion
from training.evaluate.setup import Progress, check_documents
from training.metrics.ranking import Run, ranking


@dataclass(frozen=True, slots=True)
class Mining:
    """What is searched, by which pass (`bm25`; with vectors `knn` and `rrf`; or the shop's own), how deep, and the rank below which hits
    are wanted."""

    source: Source
    first_pass: str
    progress: Progress
    depth: int = 100
    hard_below: int = 10

    def __call__(self, lists: Sequence[QueryList], known: Collection[str], tell: Tell) -> Run:
        """The hits by query id, both reports told; `known` are the catalogue's ids.

        Raises ClusterError where the index has none of the judged documents, no query has a hit deep enough, or the catalogue has no hit.
        """
        if not lists:
            return {}
        check_documents(self.source, lists, "the train part", "read a run file (--run)")
        with self.progress(f"searching by {self.first_pass}", len(lists)) as advance:
            run = {}
            for item in lists:
                run[item.query_id] = self._search(item.query)
                advance(1)
        queries, hits = self._depths(run), in_catalogue(run, known, "mined hits")
        tell(queries)
        tell(hits)
        self._refuse(queries, hits)
        return run

    def _search(self, query: str) -> dict[str, float]:
        scores = with_fusion(self.source.search(query, self.depth))[self.first_pass]
        return {doc_id: scores[doc_id] for doc_id in ranking(scores)[: self.depth]}

    def _depths(self, run: Run) -> Report:
        reasons = ("no hit", f"no hit below rank {self.hard_below:,}", None)
        return count(Counter(reasons[(len(hits) > 0) + (len(hits) > self.hard_below)] for hits in run.values()), "mined queries")

    def _refuse(self, queries: Report, hits: Report) -> None:
        where = self.source.describe()
        if not queries.kept:
            raise ClusterError(
                f"{where}: none of {queries.rows:,} queries has a hit below rank {self.hard_below:,} by {self.first_pass}. "
                "Lower --hard-below, or choose another first pass (--mine)"
            )
        if not hits.kept:
            raise ClusterError(
                f"{where}: none of {hits.rows:,} hits of {queries.rows:,} queries is in the catalogue. "
                "Name the file that was indexed (--catalogue) and its column of the id (--id-column, --preset), or another index (--index)"
            )
