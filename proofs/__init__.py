"""The programs that prove the guard."""
