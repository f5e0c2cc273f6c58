"""gentool: train, sample, explore and honestly judge small generative models."""

__version__ = "0.1.0"
