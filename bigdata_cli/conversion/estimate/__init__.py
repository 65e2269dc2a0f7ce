"""What a conversion will cost: bytes, time, memory and disk, and what would make it fit."""
