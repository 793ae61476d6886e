"""How long what an issuer must keep is kept, and how long the detail behind it is."""
