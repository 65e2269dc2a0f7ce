"""What was built: `built.json` beside the libraries, written by the build and checked at load.

A truncated library ends the process when it is mapped, and one that was made of other sources
takes other arguments. So the size, the checksum and the sources of each are compared beforehand.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "built.json"


@dataclass(frozen=True)
class Record:
    """One build of the libraries.

    Attributes:
        version: The version of the package.
        platform: The system and processor family that the libraries are for (`platform_name`).
        sources: The digest of the sources (`sources_digest`).
        compiler: What made them: the first line that the compiler says of itself.
        checksums: Per file name the SHA-256 of its bytes.
    """

    version: str
    platform: str
    sources: str
    compiler: str
    checksums: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Read the record of a folder.

        Raises:
            OSError: There is none.
            ValueError, TypeError: It is damaged.
        """
        return cls(**json.loads((folder / NAME).read_bytes()))

    def write(self, folder: Path) -> None:
        """Write the record into a folder."""
        (folder / NAME).write_text(json.dumps(asdict(self), indent=1) + "\n")


def checksum(content: bytes) -> str:
    """The checksum of a library file."""
    return hashlib.sha256(content).hexdigest()


def sources_digest(folder: Path) -> str:
    """The digest of all that decides what the library does: the C sources and how they are built.

    Args:
        folder: The folder of this module in a checkout or a source distribution.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in [folder / "compile.py", *sorted((folder / "src").glob("*.[ch]"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
