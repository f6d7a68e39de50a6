"""The dictionary functions of libbrotli, which the Python module of brotli carries but does not offer.

They are called by `ctypes` in the very library that ``import brotli`` has loaded, with the signatures of
``brotli/encode.h``, which have not changed since 1.1. Where a function is missing, or the library is older, nothing
here is available. What keeps it safe:

- A prepared dictionary refers to the bytes it was made from, and an encoder to the prepared dictionary. So each Python
  object here holds the one that it refers to, and frees its own memory only when nothing refers to it any more.
- A prepared dictionary is never written to after it was made, so encoders of any thread may share it.
- An encoder belongs to one response. Its lock keeps two threads from entering it, and a thread that is inside holds
  the object, so that it is not freed below its feet.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any, Final

__all__ = ("FINISH", "FLUSH", "PROCESS", "Compressor", "Prepared", "is_available")

# BrotliEncoderOperation
PROCESS: Final = 0
FLUSH: Final = 1
FINISH: Final = 2
_EMIT_METADATA: Final = 3
_METADATA_FRAMING: Final = 32  # bytes, more than enough

_RAW: Final = 0  # BrotliSharedDictionaryType
_QUALITY: Final = 1  # BrotliEncoderParameter
_WINDOW: Final = 2
_SIZE_HINT: Final = 5

_WINDOW_BITS: Final = 22  # 4 MB; at most 24 are allowed
_OLDEST: Final = 0x1001000  # 1.1.0

_SIZE = ctypes.c_size_t
_POINTER = ctypes.c_void_p
_FUNCTIONS: Final = {
    "BrotliEncoderPrepareDictionary": (_POINTER, ctypes.c_int, _SIZE, _POINTER, ctypes.c_int, *3 * (_POINTER,)),
    "BrotliEncoderDestroyPreparedDictionary": (None, _POINTER),
    "BrotliEncoderCreateInstance": (_POINTER, _POINTER, _POINTER, _POINTER),
    "BrotliEncoderDestroyInstance": (None, _POINTER),
    "BrotliEncoderSetParameter": (ctypes.c_int, _POINTER, ctypes.c_int, ctypes.c_uint32),
    "BrotliEncoderAttachPreparedDictionary": (ctypes.c_int, _POINTER, _POINTER),
    "BrotliEncoderCompressStream": (
        *(ctypes.c_int, _POINTER, ctypes.c_int, ctypes.POINTER(_SIZE), ctypes.POINTER(_POINTER)),
        *(ctypes.POINTER(_SIZE), ctypes.POINTER(_POINTER), _POINTER),
    ),
    "BrotliEncoderHasMoreOutput": (ctypes.c_int, _POINTER),
    "BrotliEncoderTakeOutput": (_POINTER, _POINTER, ctypes.POINTER(_SIZE)),
}
"""Result and arguments of each function."""


def _load() -> ctypes.CDLL | None:
    """Return the library that brotli's module has loaded, or ``None`` if it lacks anything."""
    try:
        import _brotli  # type: ignore[import-not-found]  # a compiled module without stubs

        # A CDLL of its own, so that these signatures are nobody else's. It releases the GIL during calls.
        library = ctypes.CDLL(_brotli.__file__)
        library.BrotliEncoderVersion.restype = ctypes.c_uint32
        library.BrotliEncoderVersion.argtypes = ()
        if library.BrotliEncoderVersion() < _OLDEST:
            return None
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return library


_LIBRARY: Final = _load()


def is_available() -> bool:
    """Return whether everything is there."""
    return _LIBRARY is not None


def _library() -> ctypes.CDLL:
    if _LIBRARY is None:
        raise RuntimeError("dcb: the installed brotli has no functions for dictionaries")
    return _LIBRARY


class Prepared:
    """A dictionary, prepared for encoders of one quality."""

    __slots__ = ("_data", "_library", "handle")

    def __init__(self, data: bytes, quality: int) -> None:
        self.handle = None
        self._library = _library()
        self._data = data  # what is prepared refers to these bytes
        self.handle = self._library.BrotliEncoderPrepareDictionary(_RAW, len(data), data, quality, None, None, None)
        if not self.handle:
            raise MemoryError("dcb: a dictionary could not be prepared")

    def __del__(self) -> None:
        if self.handle:
            self._library.BrotliEncoderDestroyPreparedDictionary(self.handle)


class Compressor:
    """One Brotli stream that refers to a prepared dictionary."""

    __slots__ = ("_handle", "_library", "_lock", "_prepared")

    def __init__(self, prepared: Prepared, quality: int, size_hint: int) -> None:
        self._handle = None
        self._prepared = prepared
        self._library = library = _library()
        self._lock = threading.Lock()
        self._handle = handle = library.BrotliEncoderCreateInstance(None, None, None)
        is_ready = bool(handle)
        for parameter, value in ((_QUALITY, quality), (_WINDOW, _WINDOW_BITS), (_SIZE_HINT, min(size_hint, 2**30))):
            is_ready = is_ready and library.BrotliEncoderSetParameter(handle, parameter, value)
        if not (is_ready and library.BrotliEncoderAttachPreparedDictionary(handle, prepared.handle)):
            raise MemoryError("dcb: an encoder could not be made")

    def run(self, data: bytes, operation: int) -> bytes:
        """Hand ``data`` to the encoder and return all that it has to say."""
        library, handle = self._library, self._handle
        source = ctypes.cast(ctypes.c_char_p(data), _POINTER)
        left, room, size = _SIZE(len(data)), _SIZE(0), _SIZE(0)
        parts: list[bytes] = []
        with self._lock:
            while True:
                self._call(operation, left, source, room, None)
                while library.BrotliEncoderHasMoreOutput(handle):
                    size.value = 0  # as much as there is
                    output = library.BrotliEncoderTakeOutput(handle, ctypes.byref(size))
                    parts.append(ctypes.string_at(output, size.value))
                if not left.value:
                    return b"".join(parts)

    def metadata(self, data: bytes) -> bytes:
        """Return ``data`` as a block that decoders pass over (RFC 7932, 9.2)."""
        buffer = ctypes.create_string_buffer(len(data) + _METADATA_FRAMING)
        source = ctypes.cast(ctypes.c_char_p(data), _POINTER)
        target = ctypes.cast(buffer, _POINTER)
        left, room = _SIZE(len(data)), _SIZE(len(buffer))
        with self._lock:
            # With all the room it needs, the encoder is through with the block at the end of one call.
            self._call(_EMIT_METADATA, left, source, room, ctypes.byref(target))
        return buffer.raw[: len(buffer) - room.value]

    def _call(self, operation: int, left: Any, source: Any, room: Any, target: Any) -> None:
        done = self._library.BrotliEncoderCompressStream(
            self._handle, operation, ctypes.byref(left), ctypes.byref(source), ctypes.byref(room), target, None
        )
        if not done:
            raise RuntimeError("dcb: the encoder failed")

    def __del__(self) -> None:
        if self._handle:
            self._library.BrotliEncoderDestroyInstance(self._handle)
