"""Where a contract and a month stand: what waits, is read, locked, billed, paid, and owed at a day."""
