"""A page in Chromium, where there is one: what it logs, what it asks the network for, what it looks like."""

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: pages were not opened in a browser")


def opened(page: Path, folder: Path, width: int = 1200, height: int = 900) -> tuple[list[str], list[str], str]:
    """Console messages, addresses asked for, and the page's DOM after its scripts ran.

    A narrow page is shown in a frame, because the browser's own window cannot be as narrow as a phone.
    """
    if width < 500:
        outer = folder / f"{page.stem}_{width}.html"
        outer.write_text(f"<!doctype html><iframe width={width} height={height} src='{page.as_uri()}'></iframe>")
    shown = outer if width < 500 else page
    log = folder / "netlog.json"
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--disable-background-networking",
        "--no-first-run",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={log}",
        f"--window-size={max(width, 500)},{height}",
        "--virtual-time-budget=15000",
        f"--screenshot={folder / (page.stem + f'_{width}.png')}",
    ]
    assert CHROMIUM is not None
    result = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", shown.as_uri()], check=True, capture_output=True, text=True, timeout=180
    )
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    return console, _addresses(log), result.stdout


def _addresses(log: Path) -> list[str]:
    """What was asked of the network, by a log of the browser; the browser's own business with its maker left out."""
    events = json.loads(log.read_text())["events"]
    found = {event.get("params", {}).get("url", "") for event in events}
    return sorted(url for url in found if url.startswith(("http", "ws")) and not _own(url))


def _own(url: str) -> bool:
    """Whether the browser asks on its own behalf (updates, accounts), which no page can make it leave."""
    host = urlsplit(url).hostname or ""
    return host.endswith((".google.com", ".googleapis.com", ".gstatic.com", ".gvt1.com"))
