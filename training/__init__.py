"""The learning code: imports sidecar.encoding and sidecar.manifest, never the reverse."""
