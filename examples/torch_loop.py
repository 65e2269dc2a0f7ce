"""A training loop of PyTorch: workers read the shards, whole batches at a time."""

import torch
from torch.utils.data import DataLoader

from bigdata_cli import convert, open_dataset, sample


def main() -> None:
    sample("sensors", rows=20_000, output="sensors.csv")
    convert("sensors.csv", to="npy", layout="matrix", label="label", output="sensors", force=True)
    dataset = open_dataset("sensors")
    train = DataLoader(
        dataset.to_torch(512, shuffle=True, seed=1, split="[:80%]"), batch_size=None, num_workers=2
    )
    held_out = DataLoader(dataset.to_torch(4096, split="[80%:]"), batch_size=None)

    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(28, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    loss_of = torch.nn.BCEWithLogitsLoss()
    for epoch in range(3):
        train.dataset.set_epoch(epoch)  # another order each time
        for X, y in train:
            optimizer.zero_grad()
            loss = loss_of(model(X)[:, 0], y.float())
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

    with torch.no_grad():
        hits = sum(((model(X)[:, 0] > 0) == y.bool()).sum().item() for X, y in held_out)
        rows = sum(len(y) for _, y in held_out)
    print(f"accuracy {hits / rows:.3f} of rows that the model has not seen")
    assert hits / rows > 0.6


if __name__ == "__main__":  # workers import this file
    main()
