"""Run the command line: `python -m ileen`."""

from ileen.cli import main

main()
