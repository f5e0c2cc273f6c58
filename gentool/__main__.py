"""`python -m gentool`."""

from gentool.cli.app import main

if __name__ == "__main__":
    main()
