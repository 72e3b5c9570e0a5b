import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from gempy_gan_boolean import CHANNEL, LEVEE, BooleanPrior, gempy_gan_register_priors

from gempy_gan import GempyGanError
from gempy_gan.testing import check_prior

SMALL = {"shape": (20, 16, 8), "cell_size": (100.0, 100.0, 1.0), "width": 300.0}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("options", [{}, {"levees": True}, {"properties": ("facies",)}, {"sinuosity": 1.0, "variation": 0.0}])
def test_it_keeps_the_contract_of_a_prior(options):
    check_prior(BooleanPrior(**SMALL, **options), rebuild=BooleanPrior)


def test_the_entry_point_registers_it():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    (module,) = tomllib.loads(text)["project"]["entry-points"]["gempy_gan"].values()
    named = {}
    import_module(module).gempy_gan_register_priors(lambda name, target, summary="": named.update({name: target}))
    assert named == {"boolean": BooleanPrior}
    assert gempy_gan_register_priors.gempy_gan_impl


@pytest.mark.parametrize(("net_to_gross", "sinuosity"), [(0.5, 1.0), (0.3, 1.6)])
def test_every_part_of_the_box_has_the_net_to_gross_that_was_asked_for(net_to_gross, sinuosity):
    prior = BooleanPrior((12, 10, 8), (100.0, 100.0, 1.0), net_to_gross, 400.0, 4.0, sinuosity, azimuth_spread=180.0, levees=True)
    channel = prior.sample(400, seeded())[:, 0] == CHANNEL
    parts = [channel, channel[:, :3, :3], channel[:, -3:, -3:], channel[..., :1], channel[..., -1:], channel[:, 5:7, 4:6]]
    for part in parts:
        shares = part.float().flatten(1).mean(dim=1)
        assert abs(shares.mean() - net_to_gross) < 5 * shares.std() / len(shares) ** 0.5


def test_channels_run_along_the_azimuth():
    prior = BooleanPrior(shape=(32, 32, 4), net_to_gross=0.2, sinuosity=1.02, azimuth=0.0, azimuth_spread=0.0)
    channel = (prior.sample(20, seeded())[:, 0] == CHANNEL).float()
    along, across = (float((channel.diff(dim=k) != 0).float().mean()) for k in (2, 1))
    assert along < across / 3


def test_a_channel_fines_upwards_and_is_coarser_than_the_mud():
    facies, coarse = BooleanPrior(net_to_gross=0.1, variation=0.0).sample(5, seeded()).unbind(dim=1)
    inside = facies == CHANNEL
    both = inside[..., 1:] & inside[..., :-1]
    step = (coarse[..., 1:] - coarse[..., :-1])[both]
    assert step.mean() < -0.03
    assert coarse[inside].min() > coarse[~inside].max()


def test_levees_flank_channels_and_leave_them_as_they_are():
    facies = BooleanPrior(levees=True).sample(5, seeded())[:, 0]
    beside = torch.nn.functional.max_pool3d((facies == CHANNEL).float(), (9, 9, 1), stride=1, padding=(4, 4, 0)) > 0
    assert (facies == LEVEE).float().mean() > 0.01
    assert beside[facies == LEVEE].float().mean() > 0.95


def test_no_channel_is_an_empty_floodplain():
    assert not BooleanPrior(net_to_gross=0.0, properties=("facies",)).sample(2, seeded()).any()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("net_to_gross", 1.2),
        ("width", 0.0),
        ("depth", -1.0),
        ("sinuosity", 3.0),
        ("variation", 1.0),
        ("properties", ("porosity",)),
    ],
)
def test_an_impossible_option_is_refused_by_name(option, value):
    with pytest.raises(GempyGanError, match=option):
        BooleanPrior(**{option: value})


def test_sampling_leaves_numpy_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # the legacy global state is what must not be touched
    BooleanPrior(**SMALL).sample(1, seeded())
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
