"""`gempy-gan-bench truths`."""

from __future__ import annotations

import click

from gempy_gan_bench.commands.cache import user_cache, with_cache


@click.command("truths", short_help="Show the truths, and how unusual they are.")
@click.option("--preset", default="quick", show_default=True, type=click.Choice(["quick", "standard", "paper"]))
@click.option(
    "--real", default=160, show_default=True, type=click.IntRange(min=30), metavar="N", help="Deposits to compare with."
)
@with_cache
def command(preset: str, real: int, cache: str | None) -> None:
    """Show the truths, and how far they lie from deposits like those that priors learn from."""
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan_bench import protocol, truths
    from gempy_gan_bench.typicality import typicality

    chosen = protocol.preset(preset)
    with progress_bar():
        found = typicality(chosen, user_cache(cache), real)
    for k, (truth, place) in enumerate(zip(truths.of(chosen), found, strict=True), start=1):
        labels = ", ".join(f"{name} {value:.3g}" for name, value in truth.labels.items())
        click.echo(
            f"truth {k}: net-to-gross {truth.net_to_gross:.2f}; {place.distance:.2f} from the nearest of {real} real deposits, "
            f"further than {place.share:.1%} of them from each other (99 % of them: {place.quantile:.2f})\n  {labels}"
        )
