"""The command `authsvc`: the compiled modules first, where they are built, then everything else."""

from __future__ import annotations

from authsvc import native


def main() -> None:
    """See `cli`."""
    native.use()
    from authsvc.cli import main as command  # not before: it imports what may be compiled

    command()


if __name__ == "__main__":
    main()
