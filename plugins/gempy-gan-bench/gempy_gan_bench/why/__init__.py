"""Why inversion works or not: the misfit's landscape, what latents mean, what priors learned from, where methods break."""
