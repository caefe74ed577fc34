"""Run the command line: `python -m ileen`, or the installed `ileen`."""

import gc


def main() -> None:
    """Run a command. Reading modules is most of a start and leaves no garbage, so the collector waits for its end."""
    gc.disable()
    from ileen import cli  # noqa: PLC0415  # only now

    gc.freeze()
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
