"""Memory, disk, and sizes."""
