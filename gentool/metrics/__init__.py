"""Losses and scores as functions of tensors: each has its closed form in a test. No networks, no files, no options."""
