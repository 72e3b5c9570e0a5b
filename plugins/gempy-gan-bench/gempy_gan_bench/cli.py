"""The command line of the bench. A command is a function in a file of its own: thin, with its heavy imports inside."""

from __future__ import annotations

import click

from gempy_gan.cli.guard import GuardedGroup
from gempy_gan_bench import __version__
from gempy_gan_bench.commands import calibrate, exact, fluvial, memory, peers, sizes, table, truths, wells, why


@click.group(cls=GuardedGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error, and every warning.")
@click.option("--plugin", "files", multiple=True, metavar="FILE", help="Add a plugin from one Python file; may be repeated.")
def main(debug: bool, files: tuple[str, ...]) -> None:
    """Measure how well a prior and a strategy invert truths that are known."""
    del debug  # GuardedGroup reads it
    if files:
        from gempy_gan.plugins import add_plugin_file

        for file in files:
            add_plugin_file(file)


for module in (calibrate, exact, fluvial, memory, peers, sizes, table, truths, wells, why):
    main.add_command(module.command)
