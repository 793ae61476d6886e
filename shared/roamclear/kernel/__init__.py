"""Money, time, identifiers, errors: what every room speaks and nobody may bend."""
