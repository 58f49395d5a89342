"""Bias and variance of gradient estimates at one θ, against the truth where it is known."""
