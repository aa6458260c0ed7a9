"""The commands behind `rerank`: one file each, no logic of their own."""
