"""What is registered: a name, what it stands for, and which plugin brought it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gempy_gan.errors import PluginError

Kind = Literal["priors", "strategies", "adapters", "formats", "forwards"]
KINDS: dict[Kind, str] = {
    "priors": "prior",
    "strategies": "strategy",
    "adapters": "adapter",
    "formats": "format",
    "forwards": "forward operator",
}
BUILT_IN = "gempy_gan"

_FILE_KINDS: tuple[Kind, ...] = ("adapters", "formats")  # read() decides between them by the file's ending
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?")


@dataclass(frozen=True)
class Entry:
    """One registered name: what it stands for, who brought it, and the file endings it answers to.

    `owner` is the distribution that a user would uninstall, the path of a plugin file, or "gempy_gan" itself.
    """

    kind: Kind
    name: str
    target: Any
    owner: str
    summary: str = ""
    suffixes: tuple[str, ...] = ()

    def load(self) -> Any:
        """The registered object, imported now if it was given as "module:attribute". Raises PluginError when that fails."""
        found = _resolve(self) if isinstance(self.target, str) else self.target
        if self.kind == "formats":
            missing = [verb for verb in ("read", "write") if not callable(getattr(found, verb, None))]
            if missing:
                raise PluginError(f"{self} has no {' and no '.join(missing)} function. Expected read() and write().")
        elif not callable(found):
            raise PluginError(f"{self} is of type {type(found).__name__}. Expected something to call.")
        return found

    def __str__(self) -> str:
        return f"The {KINDS[self.kind]} '{self.name}' of {self.owner}"


@dataclass
class Registry:
    """All registered names, the plugins that brought them, and what was wrong with some."""

    entries: dict[tuple[Kind, str], Entry] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)  # owner -> its version or path
    errors: dict[str, str] = field(default_factory=dict)  # owner -> one line

    def of(self, kind: Kind) -> Iterator[Entry]:
        """The entries of one kind, sorted by name."""
        return (self.entries[key] for key in sorted(self.entries) if key[0] == kind)

    def get(self, kind: Kind, name: str) -> Entry:
        """One entry; for a prior also by the path of a file that holds one. Raises PluginError naming what is installed."""
        if (kind, name) in self.entries:
            return self.entries[kind, name]
        in_file = self.for_path(kind, Path(name)) if kind == "priors" else None
        if in_file is not None:
            return replace(in_file, name=name, target=partial(in_file.load(), name))
        names = [entry.name for entry in self.of(kind)]
        broken = f" Left out as broken: {', '.join(sorted(self.errors))} (see 'gempy-gan plugins')." if self.errors else ""
        raise PluginError(
            f"No {KINDS[kind]} is named {name!r}. Installed: {', '.join(names) or 'none'}.{did_you_mean(name, names)}{broken}"
        )

    def for_path(self, kind: Kind, path: Path) -> Entry | None:
        """The entry that answers to this file's ending (the longest one that fits), or None."""
        name = path.name.lower()
        fitting = [(len(s), entry) for entry in self.of(kind) for s in entry.suffixes if name.endswith(s)]
        return max(fitting, key=lambda pair: pair[0])[1] if fitting else None

    def add(self, entry: Entry) -> None:
        """Add an entry. Raises PluginError, naming both owners, when its name or one of its file endings is taken."""
        taken = self.entries.get((entry.kind, entry.name))
        if taken is not None:
            raise PluginError(
                f"the {KINDS[entry.kind]} name '{entry.name}' of {entry.owner} belongs to {_owner(taken)}, which keeps it"
            )
        for other in self.entries.values():
            shared = set(other.suffixes) & set(entry.suffixes)
            if shared and {other.kind, entry.kind} <= set(_FILE_KINDS):
                raise PluginError(
                    f"the file ending {min(shared)} of the {KINDS[entry.kind]} '{entry.name}' of {entry.owner} belongs to the "
                    f"{KINDS[other.kind]} '{other.name}' of {_owner(other)}, which keeps it"
                )
        self.entries[entry.kind, entry.name] = entry

    def remove(self, owner: str) -> None:
        """Forget everything that one plugin brought."""
        self.entries = {key: entry for key, entry in self.entries.items() if entry.owner != owner}
        self.plugins.pop(owner, None)
        self.errors.pop(owner, None)


def checked(kind: Kind, name: Any, target: Any, owner: str, summary: str = "", suffixes: Sequence[str] = ()) -> Entry:
    """An entry from what a plugin passed to `register`. Raises PluginError when one of the arguments cannot be meant."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"a {KINDS[kind]} is named {name!r}. Expected letters, digits, '-', '_' and '.'")
    if target is None or (isinstance(target, str) and not _TARGET.fullmatch(target)):
        raise PluginError(f"the target of the {KINDS[kind]} '{name}' is {target!r}. Expected an object or 'module:attribute'")
    endings = [suffixes] if isinstance(suffixes, str) else list(suffixes)
    if isinstance(suffixes, str) or not all(isinstance(s, str) and len(s) > 1 and s[0] == "." for s in endings):
        raise PluginError(f"the suffixes of the {KINDS[kind]} '{name}' are {suffixes!r}. Expected a tuple like ('.las',)")
    return Entry(kind, name, target, owner, str(summary), tuple(s.lower() for s in endings))


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """A sentence that offers the closest of the known names, or nothing."""
    close = get_close_matches(name, names, n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def _resolve(entry: Entry) -> Any:
    module, _, attribute = entry.target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
    except Exception as error:  # importing a plugin's module runs a stranger's code, and that may raise anything
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        install = " Install what it needs." if isinstance(error, ImportError) else ""
        raise PluginError(f"{entry} cannot be loaded from {entry.target!r}: {what}.{install}") from error
    return found


def _owner(entry: Entry) -> str:
    return "gempy_gan itself" if entry.owner == BUILT_IN else entry.owner
