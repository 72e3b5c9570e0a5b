"""Training of learned priors: data that never repeat, steps that resume to the last bit, and an honest card at the end."""
