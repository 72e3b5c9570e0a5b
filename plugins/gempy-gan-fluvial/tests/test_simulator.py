from gempy_gan_fluvial.simulator import FluvialSimulator

from gempy_gan.testing import check_prior


def test_it_keeps_the_contract_of_a_prior():
    check_prior(FluvialSimulator((16, 12, 4), facies=True), n=4, rebuild=FluvialSimulator)
