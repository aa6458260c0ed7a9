"""The benchmarks behind `rerank bench`: every figure that docs/performance.md shows is printed by a command that anyone can repeat.

workloads, stack -> a measurement (peers, search, load, scale, training) -> report: table, JSON and plot below runs/bench
"""
