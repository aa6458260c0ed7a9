"""Trained networks -> the model directories that the sidecar serves."""
