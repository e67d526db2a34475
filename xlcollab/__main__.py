"""`python -m xlcollab` is the command `xlcollab`."""

from xlcollab.cli import main

if __name__ == "__main__":
    main()
