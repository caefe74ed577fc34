"""Notices: messages we owe the outside, e-mails first, run as jobs."""
