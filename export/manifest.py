"""The list of weight files that the engine ships: what each is, where it comes from, and its checksum."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"


def write_manifest_row(
    folder: Path, file: str, *, network: str, source: str, licence: str, training_data: str
) -> dict[str, Any]:
    """Adds or replaces the row of `folder/file` in the folder's manifest; other rows stay as they are.

    Rows are sorted by file, so that the manifest depends on the files alone. Returns the row.
    """
    content = (folder / file).read_bytes()
    row = {
        "file": file,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "network": network,
        "source": source,
        "licence": licence,
        "training_data": training_data,
    }
    path = folder / MANIFEST
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    rows = sorted([other for other in rows if other["file"] != file] + [row], key=lambda other: str(other["file"]))
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return row
