"""Offline stand-ins for the outside world, spoken to over HTTP only, so that everything can be tried without it.

Only the command line starts them. They know nothing of Ileen, bind to loopback only, and take no real keys.
"""
