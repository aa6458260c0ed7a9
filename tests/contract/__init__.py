"""The contract between plugin and sidecar: JSON files that the tests of both sides read."""
