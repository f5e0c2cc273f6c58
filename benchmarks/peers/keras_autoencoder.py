"""A Keras autoencoder and `fit`, for `speed.py conv-ae` to compare with. It needs keras, and jax for that backend.

    KERAS_BACKEND=torch python benchmarks/peers/keras_autoencoder.py IMAGES

IMAGES is an .npy file, uint8 (N, 1, 28, 28). The network has the layers of `gentool train cae --channels 32,64
--latent-dim 64`. Prints the number of training images so far, every 20 updates.
"""

import sys

import keras
import numpy as np
from keras import layers

BATCH = 128


class Count(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.updates = 0

    def on_train_batch_end(self, batch, logs=None):
        self.updates += 1
        if self.updates % 20 == 0:
            print(self.updates * BATCH, flush=True)


def main():
    images = np.load(sys.argv[1]).astype("float32").reshape(-1, 28, 28, 1) / 255
    network = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            layers.Dense(64),
            layers.Dense(7 * 7 * 64, activation="relu"),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(32, 4, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"),
        ]
    )
    network.compile(optimizer="adam", loss="mse")
    network.fit(images, images, batch_size=BATCH, epochs=1000, shuffle=True, verbose=0, callbacks=[Count()])


if __name__ == "__main__":
    main()
