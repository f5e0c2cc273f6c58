"""Losses and scores as functions of tensors: each has its closed form in a test. No networks, no files, no options.

Losses: `elbo`, `adversarial`. Measures: `images` of pixels, `distances` and `neighbours` of sets of features, `classes`
and `diversity` of samples.
"""
