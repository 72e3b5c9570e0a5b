"""The commands of `gempy-gan-bench`, one per module; `gempy_gan_bench.cli` lists them."""
