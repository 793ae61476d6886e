"""After a restore: bring the tables forward again, compare them with the archive, and lift RECOVERY (rules.md 10)."""
