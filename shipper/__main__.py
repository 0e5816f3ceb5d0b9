"""`python -m shipper` is the command `shipper`."""

from shipper.cli import main

if __name__ == "__main__":
    main()
