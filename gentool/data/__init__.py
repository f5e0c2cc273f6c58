"""Images in: everything from a name, a folder or an archive to a uint8 tensor. Start reading in `load.py`.

`catalog` names the known sets and `sources/` reads them; `detect` says what a path is, and `folders`, `archives`,
`arrays`, `idx`, `parquet` and `sheet` read it. `pipeline` makes a prepared set of it: `convert` the pictures (with
`survey`, `decode`, `conform`), `meaning` their labels and splits (with `layout` and `annotations`), `splits` the draw.
`store`, `cache` and `target` keep the result. `images.ImageData` is what everything else uses.
"""
