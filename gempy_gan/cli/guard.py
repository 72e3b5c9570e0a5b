"""How a command ends: with an exit code and, where something is wrong, one line on stderr instead of a traceback."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.interrupts import ctrl_c_waits


class Failure(click.ClickException):
    """An error that is shown as its message alone."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to stderr, as one line."""
        click.echo(" ".join(self.message.splitlines()), file=file, err=file is None)


class Misuse(Failure):
    """A command line that cannot be understood: what is wrong with it, and where its options are explained."""

    exit_code = 2

    @classmethod
    def of(cls, error: click.UsageError, ctx: click.Context) -> Misuse:
        """The message of click's error, for which it takes four lines."""
        command = error.ctx.command_path if error.ctx else f"{ctx.command_path} {ctx.invoked_subcommand or ''}".strip()
        said = error.format_message()
        return cls(f"{said}{'' if said.endswith(('.', '?', ')')) else '.'} See '{command} --help'.")


class Interrupted(Failure):
    """Ctrl-C, with the exit code that shells give it."""

    exit_code = 130


def import_torch() -> None:
    """Import torch, and let Ctrl-C wait for it: an interrupted import aborts the process, with lines that help nobody."""
    with ctrl_c_waits():
        import torch  # noqa: F401


@contextmanager
def resumable(store: Path, n: int, how: str = "--resume", parts: bool = False) -> Iterator[None]:
    """Ctrl-C in the block says how many of the n realizations the store keeps, and how to continue; of a run in several `parts`
    the stores of that name in the folders beside it."""
    try:
        yield
    except KeyboardInterrupt:
        stores = sorted(store.parent.glob(f"*/**/{store.name}")) if parts else [store] * store.exists()
        if not stores:
            raise Interrupted("Interrupted. No realization was finished, so there is nothing to resume.") from None
        from gempy_gan.formats.zarr import EnsembleStore

        kept = sum(len(EnsembleStore.open(one)) for one in stores)
        where = f"the folders of {store.parent}" if parts else store
        raise Interrupted(f"Interrupted. {kept} of {n} realizations are kept in {where}; continue with {how}.") from None


class GuardedGroup(click.Group):
    """A group whose commands end with 0, 1 (cannot be right), 2 (usage) or 130 (Ctrl-C).

    Its option `--debug` lets errors and all warnings through as Python shows them.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they were added: that in which they are used."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The options before the command; what is wrong with them is one line, too."""
        with _one_line(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a warning of the package is one line on stderr, those of other libraries are left to --debug."""
        debug = bool(ctx.params.get("debug"))
        try:
            if debug:
                return super().invoke(ctx)
            with _plain_warnings(), _one_line(ctx):
                return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("Interrupted.") from None
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if debug or (isinstance(error, OSError) and error.errno == errno.EPIPE):  # a closed pipe is click's to end quietly
                raise
            raise Failure(_line(error)) from None


@contextmanager
def _one_line(ctx: click.Context) -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:  # shows the help
        raise
    except click.UsageError as error:
        raise Misuse.of(error, ctx) from None


@contextmanager
def _plain_warnings() -> Iterator[None]:
    seen: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        line = f"Warning: {' '.join(str(message).splitlines())}"
        if line not in seen:
            seen.add(line)
            click.echo(line, err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", GempyGanWarning)
        warnings.showwarning = show
        yield


def _line(error: Exception) -> str:
    if isinstance(error, GempyGanError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}." if error.filename and error.strerror else str(error)
    if "checksum" in str(error):  # zarr's, of a chunk that is read long after its store was opened
        return f"A file of the ensemble is damaged ({error}). Restore it from a copy, or make the ensemble again."
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # torch says it with a RuntimeError
        return f"There is not enough memory ({error}). Ask for fewer realizations at once or a coarser grid."
    return (
        f"This is a bug in gempy-gan: {type(error).__name__}: {error}. "
        "Repeat the command with --debug (gempy-gan --debug ...) and report what it shows."
    )
