"""Options that are passed on by name: `--set name=value`, the value written as in TOML."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import click

_AMBIGUOUS = ("True", "False", "None", "null", "yes", "no", "on", "off")  # other languages' constants, no words


class Setting(click.ParamType[tuple[str, Any]]):
    """`name=value` with a TOML value: 1, 1.5, true, "text", [1, 2]; a bare word is text.

    >>> Setting().convert("ranges=[300, 100, 5.0]", None, None)
    ('ranges', [300, 100, 5.0])
    >>> Setting().convert("kind=spherical", None, None)
    ('kind', 'spherical')
    """

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """The name and the value; a usage error when it is no `name=value`."""
        if isinstance(value, tuple):
            return value
        name, equals, text = (part.strip() for part in str(value).partition("="))
        if not equals or not all(part.isidentifier() for part in name.split(".")):
            self.fail(f"{value!r} is no setting. Expected name=value, such as seed=1 or 'ranges=[300, 100, 5.0]'.", param, ctx)
        try:
            (value,) = tomllib.loads(f"value = {text}").values()
            return name, value
        except ValueError:  # no TOML, or more than one value
            if re.fullmatch(r"[A-Za-z_./\\~][\w./\\:~-]*", text) and text not in _AMBIGUOUS:
                return name, text
            self.fail(
                f"the value {text!r} of {name!r} is not TOML. Expected 1, 1.5, true, [1, 2] or text: '{name}=\"{text}\"'.",
                param,
                ctx,
            )


with_settings = click.option(
    "--set",
    "settings",
    multiple=True,
    type=Setting(),
    metavar="NAME=VALUE",
    help="Set an option by its name, the value as in TOML; may be repeated.",
)
