"""The built-in plugin: everything gempy_gan brings itself, registered through the same hooks as anyone else's."""

from __future__ import annotations

from gempy_gan.hookspecs import Register, hookimpl


@hookimpl
def gempy_gan_register_priors(register: Register) -> None:
    """Exact priors, whose posteriors are known, and the files of trained ones."""
    register("gaussian", "gempy_gan.priors.gaussian:GaussianPrior", "stationary Gaussian random field (FFT)")
    register("empirical", "gempy_gan.priors.empirical:EmpiricalPrior", "one of a set of training images, all equally likely")
    register(
        "mixture", "gempy_gan.priors.mixture:MixturePrior", "equal Gaussian mixture around examples, with its exact denoiser"
    )
    register(
        "diffusion", "gempy_gan.priors.diffusion:LearnedDiffusion", "denoising network, learned, conditional on wells (train it)"
    )
    register("gan", "gempy_gan.priors.gan:GanPrior", "generator of 3-D convolutions, learned against a discriminator (train it)")
    register(
        "stylegan", "gempy_gan.priors.stylegan:StyleGanPrior", "generator with a style and latents in place, learned (train it)"
    )
    register("trained", "gempy_gan.weights:load_prior", "what was trained before, by the path of its file", (".safetensors",))


@hookimpl
def gempy_gan_register_strategies(register: Register) -> None:
    """Strategies that are tested against exact posteriors."""
    strategies = "gempy_gan.strategies"
    register("guided", f"{strategies}.guided:Guided", "denoising, conditional on wells and guided to seismic")
    register("dps", f"{strategies}.dps:DPS", "denoising with steps down the misfit, as published or honouring noise")
    register("pigdm", f"{strategies}.pigdm:PiGDM", "denoising led to all data by the pseudo-inverse of their operator")
    register("mmps", f"{strategies}.mmps:MMPS", "denoising led to all data with the covariance that the denoiser implies")
    register("repaint", f"{strategies}.repaint:RePaint", "denoising with hard data pasted at every level, to be compared with")
    register("twisted", f"{strategies}.twisted:Twisted", "guided particles, weighted and resampled until they are right")
    register("robust", f"{strategies}.robust:Robust", "any strategy, with noise and amplitude of the data estimated")
    register("rejection", f"{strategies}.rejection:Rejection", "importance sampling from the prior, resampled")
    register("exact", f"{strategies}.exact:Exact", "independent draws from a posterior known in closed form")
    register("look-up", f"{strategies}.lookup:LookUp", "training images by their likelihood: what a memorized prior amounts to")
    register("latent", f"{strategies}.latent:Latent", "latent optimization as randomized maximum likelihood")
    register("latent-masked", f"{strategies}.masked:MaskedLatent", "latent optimization as Rongier & Peeters published it")
    register("pivotal", f"{strategies}.pivotal:Pivotal", "pivotal tuning: the generator gives way where its latents cannot")
    register("space", f"{strategies}.in_space:InSpace", "any strategy in another latent space: features, W, W+ of a generator")
    register("esmda", f"{strategies}.esmda:ESMDA", "ensemble smoother with multiple data assimilation, localized on request")
    register("pcn", f"{strategies}.pcn:PCN", "preconditioned Crank-Nicolson Markov chains in latent space")
    register("mala", f"{strategies}.mala:MALA", "Markov chains of Langevin steps, which follow the gradient")
    register("hmc", f"{strategies}.hmc:HMC", "Hamiltonian Markov chains: many gradient steps for one proposal")
    register("smc", f"{strategies}.smc:SMC", "sequential Monte Carlo over latents, tempered as the data allow")
    register("flow", f"{strategies}.flow:Flow", "variational inference: a normalizing flow fitted to the posterior")
    register(
        "inference-network",
        f"{strategies}.inference_network:InferenceNetwork",
        "amortized inversion: a network that learned the posterior of random wells",
    )


@hookimpl
def gempy_gan_register_adapters(register: Register) -> None:
    """Industry files to wells, seismic and tables."""
    register("las", "gempy_gan.adapters.las:read_las", "well logs, LAS 1.2 to 3.0", (".las",))
    register("segy", "gempy_gan.adapters.segy:read_segy", "seismic, SEG-Y rev 0 to 2", (".sgy", ".segy"))
    register("table", "gempy_gan.adapters.tables:read_table", "well heads, tops, checkshots, surveys", (".csv", ".txt", ".track"))


@hookimpl
def gempy_gan_register_formats(register: Register) -> None:
    """Geomodel grid formats."""
    register("zarr", "gempy_gan.formats.zarr", "all realizations, appendable", (".zarr",))
    register("netcdf", "gempy_gan.formats.netcdf", "all realizations, CF conventions", (".nc",))
    register("eclipse", "gempy_gan.formats.eclipse", "corner-point grid and properties", (".grdecl", ".egrid"))
    register("roff", "gempy_gan.formats.roff", "corner-point grid and properties, FMU layout on request", (".roff",))
    register("resqml", "gempy_gan.formats.resqml", "IJK grid, RESQML 2.0.1, a property per realization", (".epc",))
    register("vtk", "gempy_gan.formats.vtk", "image or structured grid", (".vti", ".vts"))
    register("gslib", "gempy_gan.formats.gslib", "columns of text, x fastest, z up", (".gslib", ".dat"))


@hookimpl
def gempy_gan_register_forwards(register: Register) -> None:
    """Forward operators from properties to data."""
    register("convolution", "gempy_gan.forward:Convolution", "rock physics, reflectivity and wavelet, trace by trace")
