"""Ileen: prepaid credits for AI agents. One credit is one euro before tax; every call is accounted for."""

__version__ = "0.1.0"
