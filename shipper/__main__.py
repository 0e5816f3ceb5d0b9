"""The command `shipper`, or `python -m shipper`; Ctrl-C is quiet while it loads, too."""

import signal


def start() -> None:
    """Load the command line and run it."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # not if it is ignored, as with nohup
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from shipper.cli import main  # noqa: PLC0415 - takes a tenth of a second

    signal.signal(signal.SIGINT, before)
    main()


if __name__ == "__main__":
    start()
