"""How good a ranking is and how sure that is: metrics over runs, NDCG over batches, significance of differences."""

from training.metrics.batch import Gain, ndcg
from training.metrics.ranking import Qrels, Run, Values, evaluate, means, ranking
from training.metrics.significance import Comparison, bootstrap_interval, compare, compare_all, holm, randomization_test

__all__ = [
    "Comparison",
    "Gain",
    "Qrels",
    "Run",
    "Values",
    "bootstrap_interval",
    "compare",
    "compare_all",
    "evaluate",
    "holm",
    "means",
    "ndcg",
    "randomization_test",
    "ranking",
]
