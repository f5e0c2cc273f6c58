"""Trained models and their latent spaces. Start reading in `model.py`: the `Model` that everything here works on.

`loading` trains and loads one, `inputs` checks what it is given. `interpolation`, `charts` and `projection` (with
`descent` and `gauss_newton`) make images of codes and find codes of images; `embedding` encodes a data set, `card` and
`clustering` say what its codes contain, `reduction` draws them in two dimensions, `prior` and `mixture` fit a density
to them. `palette` maps colours; `images` and `code_files` read what a user gives. Functions return values. What writes
files is a `save` method that is given a path.
"""
