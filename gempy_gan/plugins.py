"""Discovery of plugins and the registries they fill."""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from gempy_gan import defaults, hookspecs
from gempy_gan.errors import FormatError, GempyGanError, GempyGanWarning, PluginError

if TYPE_CHECKING:
    from gempy_gan.prior import Prior
    from gempy_gan.strategy import Strategy

Kind = Literal["priors", "strategies", "adapters", "formats", "forwards"]
KINDS: dict[Kind, str] = {
    "priors": "prior",
    "strategies": "strategy",
    "adapters": "adapter",
    "formats": "format",
    "forwards": "forward operator",
}
BUILT_IN = "gempy_gan"


@dataclass(frozen=True)
class Entry:
    """One registered name: what it stands for, who brought it, and the file endings it answers to."""

    kind: Kind
    name: str
    target: Any
    owner: str
    summary: str = ""
    suffixes: tuple[str, ...] = ()

    def load(self) -> Any:
        """The registered object, imported now if it was given as "module:attribute". Raises PluginError when that fails."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in attribute.split(".") if attribute else ():
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"The {KINDS[self.kind]} '{self.name}' of {self.owner} cannot be loaded from {self.target!r}: {error}. "
                f"Install what it needs, or leave it out with GEMPY_GAN_DISABLE={self.owner}."
            ) from error
        return found


@dataclass
class Registry:
    """All registered names, and the plugins that failed with the reason why."""

    entries: dict[tuple[Kind, str], Entry] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)  # name -> where it came from
    errors: dict[str, str] = field(default_factory=dict)

    def of(self, kind: Kind) -> Iterator[Entry]:
        """The entries of one kind, sorted by name."""
        return (self.entries[key] for key in sorted(self.entries) if key[0] == kind)

    def get(self, kind: Kind, name: str) -> Entry:
        """One entry. Raises PluginError naming what is installed."""
        if (kind, name) in self.entries:
            return self.entries[kind, name]
        names = [entry.name for entry in self.of(kind)]
        close = get_close_matches(name, names, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise PluginError(f"No {KINDS[kind]} is named '{name}'. Installed: {', '.join(names) or 'none'}.{hint}")

    def for_path(self, kind: Kind, path: Path) -> Entry | None:
        """The entry that answers to this file's ending, or None."""
        return next((entry for entry in self.of(kind) if path.name.lower().endswith(entry.suffixes or ("\0",))), None)

    def add(self, entry: Entry) -> None:
        """Add an entry. Raises PluginError when its name, or one of its file endings, is taken."""
        taken = self.entries.get((entry.kind, entry.name))
        if taken is not None:
            raise PluginError(
                f"The {KINDS[entry.kind]} name '{entry.name}' of {entry.owner} is already taken by {taken.owner}. "
                f"Rename one, or leave one out with GEMPY_GAN_DISABLE."
            )
        for other in self.of(entry.kind):
            shared = set(other.suffixes) & set(entry.suffixes)
            if shared:
                raise PluginError(
                    f"The file ending {min(shared)} of {entry.name!r} ({entry.owner}) belongs already to '{other.name}' ({other.owner})."
                )
        self.entries[entry.kind, entry.name] = entry


@lru_cache(maxsize=1)
def registry() -> Registry:
    """The registry of this process: the built-ins and every installed plugin, loaded once.

    GEMPY_GAN_DISABLE=a,b leaves plugins out; GEMPY_GAN_STRICT=1 raises where a plugin is broken instead of warning.
    """
    found = Registry()
    _add_plugin(found, BUILT_IN, "built in", lambda: defaults)
    disabled = {name.strip() for name in os.environ.get("GEMPY_GAN_DISABLE", "").split(",")}
    for point in sorted(entry_points(group=hookspecs.PROJECT), key=lambda p: p.name):
        if point.name not in disabled:
            _add_plugin(found, point.name, _origin(point), point.load)
    return found


def add_plugin_file(path: str | os.PathLike[str]) -> None:
    """Load one Python file as a plugin, named after the file. Raises PluginError when it is missing or broken."""
    file = Path(path)
    if not file.is_file():
        raise PluginError(f"The plugin file {file} does not exist. Give the path of a Python file with gempy_gan hooks.")
    _add_plugin(registry(), file.stem, str(file), lambda: _module_from(file), strict=True)


def get_prior(name: str, **options: Any) -> Prior:
    """The prior registered as `name`, built with its options.

    Raises PluginError for an unknown name, GempyGanError for options that it does not take.
    """
    prior: Prior = _build(registry().get("priors", name), options)
    return prior


def get_strategy(name: str, **options: Any) -> Strategy:
    """The strategy registered as `name`, built with its options; errors as in `get_prior`."""
    strategy: Strategy = _build(registry().get("strategies", name), options)
    return strategy


def get_forward(name: str, **options: Any) -> Any:
    """The forward operator registered as `name`, built with its options; errors as in `get_prior`."""
    return _build(registry().get("forwards", name), options)


def for_path(kind: Literal["adapters", "formats"], path: str | os.PathLike[str]) -> Entry:
    """The adapter or format for a file, by its ending. Raises FormatError naming the endings there are."""
    entry = registry().for_path(kind, Path(path))
    if entry is None:
        endings = sorted(suffix for found in registry().of(kind) for suffix in found.suffixes)
        raise FormatError(f"No {KINDS[kind]} is known for {Path(path).name!r}. Known endings: {', '.join(endings)}.")
    return entry


def _build(entry: Entry, options: dict[str, Any]) -> Any:
    import inspect

    factory = entry.load()
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        allowed = ", ".join(inspect.signature(factory).parameters) or "none"
        raise GempyGanError(f"The {KINDS[entry.kind]} '{entry.name}' cannot be built: {error}. Its options: {allowed}.") from None
    return factory(**options)


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _module_from(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"The plugin file {file} is no Python file. Expected a name ending in .py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _add_plugin(found: Registry, name: str, origin: str, load: Any, strict: bool = False) -> None:
    """Load one plugin on its own, so that a broken one costs nothing but itself."""
    try:
        if name in found.plugins:
            raise PluginError(f"A plugin named '{name}' is already loaded from {found.plugins[name]}.")
        entries, complaint = _collect(name, load())
        for entry in entries:
            found.add(entry)
        found.plugins[name] = origin
    except Exception as error:  # noqa: BLE001  # a plugin is a stranger's code: whatever it raises must not take the rest down
        complaint = f"Plugin '{name}' ({origin}) is left out: {error}"
        found.entries = {key: entry for key, entry in found.entries.items() if entry.owner != name}
    if complaint:
        found.errors[name] = complaint
        if strict or os.environ.get("GEMPY_GAN_STRICT") == "1":
            raise PluginError(complaint)
        warnings.warn(complaint, GempyGanWarning, stacklevel=2)


def _collect(owner: str, plugin: Any) -> tuple[list[Entry], str]:
    """What a plugin registers, and a complaint about hooks it misspelt (empty when there are none)."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, owner)
    entries: list[Entry] = []
    for kind in KINDS:
        _hook(manager, kind)(register=_register(kind, owner, entries))
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        hooks = ", ".join(f"gempy_gan_register_{kind}" for kind in KINDS)
        return entries, f"Plugin '{owner}' implements a hook that does not exist: {error}. Hooks: {hooks}."
    return entries, ""


def _hook(manager: pluggy.PluginManager, kind: Kind) -> pluggy.HookCaller:
    caller: pluggy.HookCaller = getattr(manager.hook, f"gempy_gan_register_{kind}")
    return caller


def _register(kind: Kind, owner: str, entries: list[Entry]) -> hookspecs.Register:
    def register(name: str, target: Any, summary: str = "", suffixes: Sequence[str] = ()) -> None:
        entries.append(Entry(kind, name, target, owner, summary, tuple(suffixes)))

    return register
