"""``make demo``: one month cleared on this machine, over real HTTP, on the deployed template; nothing is mocked."""
