"""How good first passes and models are, how sure that is, and what it costs: judged data -> a report.

judged data ─ judged ─► queries ─ sources (node or memory) ─► candidates ─ served (the sidecar's own engine) ─► evidence
evidence ─ systems ─► runs ─ measures, slices, pages ─► report ─► console, HTML, JSON, TREC files

Invariant: models are loaded and run by the sidecar's own classes, so what is measured is what is served.
"""
