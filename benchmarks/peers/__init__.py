"""Programs that run in foreign environments (NAME.txt pins each): they import nothing of this project but the standard library."""
