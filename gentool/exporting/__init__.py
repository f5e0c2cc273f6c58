"""Trained models in files that other programs read. Start reading in `export.py`.

`parts` are the networks that are written, a decoder and perhaps an encoder; `formats` writes and reads each format;
`config` and `card` say what the files hold. Functions return values; `Export.save` writes them to a folder.
"""
