"""`python -m gempy_gan` is the command `gempy-gan`."""

from gempy_gan.cli import main

if __name__ == "__main__":
    main()
