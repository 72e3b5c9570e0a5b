"""The command line. A command is a function in a file of its own: thin, with its heavy imports inside."""

from __future__ import annotations

import click

from gempy_gan import __version__
from gempy_gan.cli import (
    constrain,
    demo,
    diagnose,
    export,
    inspect,
    invert,
    logs,
    plugins,
    report,
    run,
    sample,
    train,
    validate,
    view,
)
from gempy_gan.cli.guard import GuardedGroup


@click.group(
    cls=GuardedGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with 'gempy-gan demo'. 'gempy-gan COMMAND --help' explains a command; the options above stand before COMMAND.",
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error, and every warning.")
@click.option("--plugin", "files", multiple=True, metavar="FILE", help="Add a plugin from one Python file; may be repeated.")
def main(debug: bool, files: tuple[str, ...]) -> None:
    """Learned geology, conditioned to wells and seismic, in the formats that geomodellers use."""
    del debug  # GuardedGroup reads it
    if files:
        from gempy_gan.plugins import add_plugin_file

        for file in files:
            add_plugin_file(file)


for module in (demo, run, inspect, constrain, train, sample, invert, diagnose, report, view, validate, export, logs, plugins):
    main.add_command(module.command)
