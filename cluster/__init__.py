"""What the commands in `scripts` do to a cluster: start it, fill it, switch re-ranking on and off, and show the difference."""
