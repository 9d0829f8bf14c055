"""The weight files that ship with the package, checked before they are used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import BundleError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class BundleRow:
    """One weight file: what it is, where it comes from and under which licence."""

    file: str
    sha256: str
    bytes: int
    network: str
    source: str
    licence: str
    training_data: str


@dataclass(frozen=True)
class Bundle:
    """A folder of weight files and its manifest.

    Nothing is read but the manifest until `path` asks for a file.
    """

    folder: Path
    rows: Mapping[str, BundleRow]  # by file name
    _verified: set[str] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def default(cls) -> Bundle:
        """The bundle inside the installed package."""
        return cls.read(Path(__file__).parent / "weights")

    @classmethod
    def read(cls, folder: Path) -> Bundle:
        """The bundle in `folder`.

        Raises BundleError where its manifest is missing or isn't one.
        """
        path = folder / MANIFEST
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            rows = [BundleRow(**entry) for entry in entries]
        except FileNotFoundError:
            raise BundleError(f"The list of weights {path} is missing; install the package again.") from None
        except (OSError, TypeError, ValueError) as error:
            raise BundleError(
                f"The list of weights {path} can't be read ({error}); install the package again."
            ) from error
        return cls(folder, {row.file: row for row in rows})

    def path(self, file: str) -> Path:
        """The path of a weight file whose contents are what the manifest says; each file is read once for that.

        Raises BundleError where the file isn't in the manifest, is missing or was changed.
        """
        row = self.rows.get(file)
        if row is None:
            raise BundleError(
                f"The weights in {self.folder} have no '{file}'; they have {', '.join(sorted(self.rows))}."
            )
        path = self.folder / file
        if file not in self._verified:
            self._verify(path, row)
            self._verified.add(file)
        return path

    def _verify(self, path: Path, row: BundleRow) -> None:
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise BundleError(
                f"The weight file {path} is missing or can't be read; install the package again."
            ) from error
        if digest != row.sha256:
            raise BundleError(f"The weight file {path} is damaged (its checksum is wrong); install the package again.")
