"""``python -m cos``."""

from cos.cli import main

if __name__ == "__main__":
    main(prog_name="python -m cos")
