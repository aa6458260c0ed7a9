"""Teachers, queries without judgments, and the candidates they label."""
