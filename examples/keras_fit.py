"""Keras learns from the shards, with a constant amount of memory."""

import keras

from bigdata_cli import convert, open_dataset, sample

sample("sensors", rows=20_000, output="sensors.csv")
convert("sensors.csv", to="tfrecord", layout="packed", label="label", output="sensors", force=True)

dataset = open_dataset("sensors")
train = dataset.to_tf(512, shuffle=True, seed=1, split="[:80%]")
held_out = dataset.to_tf(4096, split="[80%:]")

model = keras.Sequential(
    [
        keras.Input((len(dataset.schema) - 1,)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile("adam", loss="binary_crossentropy", metrics=["accuracy"])
model.fit(train, epochs=3, verbose=2)
loss, accuracy = model.evaluate(held_out, verbose=0)
print(f"accuracy {accuracy:.3f} of rows that the model has not seen")
assert accuracy > 0.6
