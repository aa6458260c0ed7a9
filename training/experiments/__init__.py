"""What the papers claim, tried on this machine: each experiment is one command, `rerank experiments NAME`.

judged data -> sets -> cells (one training or one measurement each, kept as JSON) -> tables with intervals -> report, plot
`rerank experiments publish` copies the tables into docs/experiments.md.
"""
