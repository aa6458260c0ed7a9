"""A shop's own data -> cleaned, graded, split lists of hits: the first step of every training run.

Invariant: nothing is dropped in silence; every step returns what it kept and a count of what it left out, by reason.
"""
