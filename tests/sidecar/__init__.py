"""Tests of the service: units on fakes behind its seams, and the real gunicorn on tiny models."""
