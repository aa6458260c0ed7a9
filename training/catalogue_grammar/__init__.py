"""Hand-written grammar of shop and content searches: product types and topics in YAML, graded lists out of `generate_lists`."""
