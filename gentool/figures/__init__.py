"""Pictures, films and plots: tensors and tables in, files out."""
