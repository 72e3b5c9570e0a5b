"""The command line in this process, and an ensemble for it to work on."""

import numpy as np
from click.testing import CliRunner

import gempy_gan as gg
from gempy_gan.cli import main

BOX = ["--extent", 0, 40, 0, 30, -10, 0, "--resolution", 4, 3, 2]


def invoke(*arguments):
    """Run gempy-gan in this process: exit code, standard output, standard error."""
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    return done.exit_code, done.stdout, done.stderr


def written_ensemble(file):
    """Five realizations of facies and porosity on 4 x 3 x 2 cells, written to a file."""
    grid = gg.Grid((0, 40, 0, 30, -10, 0), (4, 3, 2), rotation=15.0)
    codes = {0: "mud", 1: "sand"}
    values = np.random.default_rng(0).integers(0, 2, (5, 2, 4, 3, 2))
    found = gg.Ensemble.from_values(grid, [gg.Property("facies", codes=codes), "porosity"], values, {"seed": 7})
    gg.write(found, file)
    return found
