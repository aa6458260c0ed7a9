"""The networks: cross-encoder, decomposed cross-encoder, bi-encoder."""
