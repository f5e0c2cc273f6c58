"""Pictures, films and plots: tensors and tables in, files out. Start reading in `grids.py`, for plots in `style.py`."""
