"""Keras' addition with LSTMs, as courses teach it, for `speed.py seq2seq` to compare with. It needs keras.

    KERAS_BACKEND=torch python benchmarks/peers/keras_seq2seq.py

One-hot symbols, LSTM, repeat vector, LSTM, a dense layer at each step: the network of
`gentool seq2seq train text2text --recipe classic --hidden 128`. Prints the number of training queries so far, every 20
updates.
"""

import keras
import numpy as np
from keras import layers

BATCH, HIDDEN = 128, 128
SYMBOLS = "0123456789+ "
QUERY, ANSWER = 5, 3


class Count(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.updates = 0

    def on_train_batch_end(self, batch, logs=None):
        self.updates += 1
        if self.updates % 20 == 0:
            print(self.updates * BATCH, flush=True)


def one_hot(texts, length):
    numbers = np.array([[SYMBOLS.index(symbol) for symbol in text.ljust(length)] for text in texts])
    return np.eye(len(SYMBOLS), dtype="float32")[numbers]


def main():
    pairs = [(a, b) for a in range(100) for b in range(100)]
    x = one_hot([f"{a}+{b}" for a, b in pairs], QUERY)
    y = one_hot([str(a + b) for a, b in pairs], ANSWER)
    network = keras.Sequential(
        [
            layers.Input((QUERY, len(SYMBOLS))),
            layers.LSTM(HIDDEN),
            layers.RepeatVector(ANSWER),
            layers.LSTM(HIDDEN, return_sequences=True),
            layers.Dense(len(SYMBOLS), activation="softmax"),
        ]
    )
    network.compile(loss="categorical_crossentropy", optimizer="adam")
    network.fit(x, y, batch_size=BATCH, epochs=100_000, verbose=0, callbacks=[Count()])


if __name__ == "__main__":
    main()
