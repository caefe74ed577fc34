"""Tables of `notices`: what we owe the outside, mails first."""
