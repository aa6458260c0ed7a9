"""The plugin on a real node, with a scripted sidecar in place of the real one."""
