"""Images in: everything from a name, a folder or an archive to a uint8 tensor. Start reading in `load.py`.

`catalog` names the known sets and `sources/` reads them; `detect` says what a path is, and `folders`, `archives`,
`arrays`, `idx`, `parquet` and `sheet` read it. `layout` says what folders mean, `annotations` reads files of labels.
`pipeline` makes images of one size of it all (`survey`, `decode`, `conform`) and divides them (`splits`); `store`,
`cache` and `target` keep the result. `images.ImageData` is what everything else uses.
"""
