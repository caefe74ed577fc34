"""Tables of `accounts` about people: members, sign-in, sessions, audit events."""
