"""The layers and networks that the models are made of, and changes of images. Start reading in `autoencoder.py`."""
