"""The EVSE register, payout accounts, and who is paid for an EVSE at which instant (product.md A.6)."""
