"""One file per command; its `app` is imported when the command is run. Start reading in `sample.py`."""
