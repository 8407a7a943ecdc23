"""Writing safetensors files from NumPy arrays, for the tools and tests that make weights."""
import json
import struct
from pathlib import Path

import numpy as np


def write_safetensors(path, arrays, metadata=None):
    """Integers of 64 bits stay, everything else becomes F32."""
    header, blobs, offset = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name, array in arrays.items():
        kind, numbers = ("I64", "<i8") if array.dtype == np.int64 else ("F32", "<f4")
        # asarray, as ascontiguousarray would give a scalar a dimension; tobytes writes in C order.
        blob = np.asarray(array, numbers).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
