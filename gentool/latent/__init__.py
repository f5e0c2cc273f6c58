"""Trained models and their latent spaces. Start reading in `model.py`: the `Model` that everything here works on.

`sampling` (classes, palettes, charts), `interpolation` and `projection` make images of codes and find codes of images;
`embedding` encodes a data set, `card` and `clustering` say what its codes hold, `prior` fits a density to them.
Functions return values. What writes files is a `save` method that is given a path.
"""
