"""A linear model of scikit-learn, fitted batch after batch; the means come from the manifest."""

import numpy as np
from sklearn.linear_model import SGDClassifier

from bigdata_cli import convert, open_dataset, sample

sample("sensors", rows=20_000, output="sensors.csv")
convert(
    "sensors.csv",
    to="parquet",
    label="label",
    standardize=[f"f{i}" for i in range(28)],
    output="sensors",
    force=True,
)

dataset = open_dataset("sensors")
model = SGDClassifier(loss="log_loss", random_state=1)
for X, y in dataset.generator(512, epochs=3, shuffle=True, seed=1, split="[:80%]"):
    model.partial_fit(X, y, classes=[0, 1])

hits = [model.predict(X) == y for X, y in dataset.to_numpy_batches(4096, split="[80%:]")]
accuracy = np.concatenate(hits).mean()
print(f"accuracy {accuracy:.3f} of rows that the model has not seen")
assert accuracy > 0.55
