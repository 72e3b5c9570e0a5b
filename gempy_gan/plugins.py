"""Discovery of plugins: each is loaded on its own, so that a broken one costs nothing but itself."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from gempy_gan import defaults, hookspecs
from gempy_gan.errors import FormatError, GempyGanError, GempyGanWarning, PluginError
from gempy_gan.plain_torch import plain_torch
from gempy_gan.registry import BUILT_IN, KINDS, Entry, Kind, Registry, checked, did_you_mean

if TYPE_CHECKING:
    from gempy_gan.prior import Prior
    from gempy_gan.strategy import Strategy

FileKind = Literal["adapters", "formats"]

GROUP = hookspecs.PROJECT
SHORT = 60  # characters of an option that a message repeats
HOOKS = tuple(f"gempy_gan_register_{kind}" for kind in KINDS)


@lru_cache(maxsize=1)
def registry() -> Registry:
    """The registry of this process: the built-ins and every installed plugin, loaded once.

    GEMPY_GAN_DISABLE=a,b leaves out distributions or single entry points; the built-ins stay.
    GEMPY_GAN_STRICT=1 raises PluginError where a plugin is broken instead of warning.
    """
    found = Registry()
    _add_plugin(found, BUILT_IN, "built in", lambda: defaults)
    disabled = {_normal(name) for name in os.environ.get("GEMPY_GAN_DISABLE", "").split(",")}
    for point in sorted(entry_points(group=GROUP), key=lambda p: (_distribution(p), p.name)):
        owner = _owner(point, found)
        if not disabled & {_normal(_distribution(point)), _normal(point.name), _normal(owner)}:
            _add_plugin(found, owner, _version(point), point.load)
    return found


def add_plugin_file(path: str | os.PathLike[str]) -> None:
    """Load one Python file as a plugin; loading it again replaces what it brought the first time.

    Raises PluginError when the file is missing or broken.
    """
    file = Path(path)
    if not file.is_file() or file.suffix != ".py":
        raise PluginError(
            f"{file} is no plugin: expected the path of an existing Python file, ending in .py, with gempy_gan hooks."
        )
    _add_plugin(registry(), str(file), "file", lambda: _module_from(file.resolve()), strict=True)


def get_prior(name: str, **options: Any) -> Prior:
    """The prior registered as `name`, built with its options.

    Raises PluginError for an unknown name, GempyGanError for options that it does not take.
    """
    with plain_torch():
        prior: Prior = _build("priors", name, options)
    return prior


def get_strategy(name: str, **options: Any) -> Strategy:
    """The strategy registered as `name`, built with its options; errors as in `get_prior`.

    An option that is a strategy itself may be given by its name, or as a mapping of its `name` and options.

    >>> get_strategy("pcn", start={"name": "latent", "steps": 5}).start.steps
    5
    """
    kinds = _strategy_options(registry().get("strategies", name).load())
    strategy: Strategy = _build(
        "strategies", name, {key: _nested(value, kinds[key]) if key in kinds else value for key, value in options.items()}
    )
    return strategy


def _strategy_options(target: Any) -> dict[str, str]:
    """Options that are strategies themselves, and how their kinds are written."""
    fields = dataclasses.fields(target) if dataclasses.is_dataclass(target) else ()
    return {field.name: str(field.type) for field in fields if re.search(r"\bStrategy\b", str(field.type))}


def _nested(value: Any, kind: str) -> Any:
    if isinstance(value, str) and not re.search(rf"[\"']{re.escape(value)}[\"']", kind):  # no word that the option knows itself
        return get_strategy(value)
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return get_strategy(**value)
    return value


def get_forward(name: str, **options: Any) -> Any:
    """The forward operator registered as `name`, built with its options; errors as in `get_prior`."""
    return _build("forwards", name, options)


def for_path(kind: FileKind | Sequence[FileKind], path: str | os.PathLike[str]) -> Entry:
    """The adapter or format for a file, by its ending. Raises FormatError naming the endings there are."""
    kinds: Sequence[FileKind] = [kind] if isinstance(kind, str) else kind
    file = Path(path)
    for each in kinds:
        entry = registry().for_path(each, file)
        if entry is not None:
            return entry
    if file.is_dir():
        raise FormatError(f"{file} is a folder. Expected a file in it.")
    endings = sorted(suffix for each in kinds for found in registry().of(each) for suffix in found.suffixes)
    raise FormatError(f"No format is known for {file.name!r}. Known endings: {', '.join(endings)}.")


def call(entry: Entry, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call what an entry registered. Raises GempyGanError, naming its options, when they do not fit its signature."""
    import inspect

    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C: it checks its arguments itself
        return function(*arguments, **options)
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        allowed = list(signature.parameters)[len(arguments) :]
        unknown = next((name for name in options if name not in allowed), "")
        reason = f"it has no option '{unknown}'" if unknown else str(error)
        raise GempyGanError(
            f"The {KINDS[entry.kind]} '{entry.name}' cannot be used like this: {reason}. "
            f"Its options: {', '.join(allowed) or 'none'}.{did_you_mean(unknown, allowed)}"
        ) from None
    return function(*arguments, **options)


def _build(kind: Kind, name: str, options: dict[str, Any]) -> Any:
    entry = registry().get(kind, name)
    try:
        return call(entry, entry.load(), **options)
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{key}={_short(value)}" for key, value in options.items())
        raise GempyGanError(
            f"The {KINDS[kind]} '{name}' cannot be built from {given or 'no options'}: {' '.join(str(error).split())}. "
            "Check the kinds of its options."
        ) from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHORT else f"{text[:SHORT]}..."


def _add_plugin(found: Registry, owner: str, origin: str, load: Callable[[], Any], strict: bool = False) -> None:
    """Load one plugin; what is wrong with it becomes one line, in `errors` and as a warning."""
    complaints: list[str] = []
    try:
        entries, complaints = _collect(owner, load())
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin is a stranger's code: whatever it raises must not take the rest down
        entries, complaints = [], [f"it is left out, because it raised {_reason(error)}"]
    found.remove(owner)  # a file loaded again replaces itself
    for entry in entries:
        try:
            found.add(entry)
        except PluginError as error:
            complaints.append(str(error))
    found.plugins[owner] = origin
    if complaints:
        line = f"Plugin {owner}: {'; '.join(complaints)}. {_remedy(owner, origin)}"
        if strict or os.environ.get("GEMPY_GAN_STRICT") == "1":
            found.remove(owner)
            raise PluginError(line)
        found.errors[owner] = line
        warnings.warn(line, GempyGanWarning, stacklevel=3)


def _collect(owner: str, plugin: Any) -> tuple[list[Entry], list[str]]:
    """What a plugin registers, and complaints about functions that look like hooks and are none."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, owner)
    entries: list[Entry] = []
    for kind in KINDS:
        getattr(manager.hook, f"gempy_gan_register_{kind}")(register=_register(kind, owner, entries))
    marked = {name for name in dir(plugin) if manager.parse_hookimpl_opts(plugin, name) is not None}
    complaints = [
        f"it implements '{name}', and no hook has that name.{did_you_mean(name, HOOKS)} Hooks: {', '.join(HOOKS)}"
        for name in sorted(marked - set(HOOKS))
    ]
    complaints += [f"its '{name}' is not marked with @gempy_gan.hookimpl" for name in HOOKS if name in set(dir(plugin)) - marked]
    return entries, complaints or ([] if marked else [f"it implements no hook. Expected one of {', '.join(HOOKS)}"])


def _register(kind: Kind, owner: str, entries: list[Entry]) -> hookspecs.Register:
    def register(name: str, target: Any, summary: str = "", suffixes: Sequence[str] = ()) -> None:
        entries.append(checked(kind, name, target, owner, summary, suffixes))

    return register


def _module_from(file: Path) -> ModuleType:
    """Import a file under its own name, where "name:attribute" targets, dataclasses and pickled workers look for it."""
    name = file.stem
    known = sys.modules.get(name) or importlib.util.find_spec(name)
    where = getattr(known, "__file__", None) or getattr(known, "origin", None)
    if known is not None and (where is None or Path(where).resolve() != file):
        raise PluginError(f"the module name '{name}' is already used by {where or 'Python itself'}; rename the file")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module


def _owner(point: EntryPoint, found: Registry) -> str:
    """The distribution, which is what a user uninstalls; with the entry point's name where it brings several."""
    distribution = _distribution(point)
    return distribution if distribution not in found.plugins else f"{distribution}:{point.name}"


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.name


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist is not None else point.value


def _normal(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _reason(error: BaseException) -> str:
    """An exception in one line, with the place where the plugin raised it."""
    message = " ".join(str(error).split())
    if isinstance(error, GempyGanError):
        return message
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace.tb_frame.f_code.co_filename if trace is not None else ""
    where = f" (line {trace.tb_lineno} of {Path(frame).name})" if trace is not None and Path(frame).is_file() else ""
    return f"{type(error).__name__}: {message}{where}"


def _remedy(owner: str, origin: str) -> str:
    if origin == "file":
        return "Correct the file."
    return f"Update it, uninstall it, or leave it out with GEMPY_GAN_DISABLE={owner}."
