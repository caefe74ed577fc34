"""Tables of `payments` about customers, tax ids and cards."""
