"""Money, identifiers, clock, hashing and errors: what every other floor stands on."""
