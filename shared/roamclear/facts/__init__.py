"""Which room answers which fact: the stream and the sweep come through here (rules.md 3). Stands above all rooms."""
