"""DNABERT-2 from Python, by libdnabert2 and ctypes; with numpy where it is installed.

    import dnabert2
    with dnabert2.Model() as model:                  # or Model("DNABERT-2-117M")
        vectors = model.embed(["ACGTTGCATTGACCA"])   # [sequences, hidden]
"""
import ctypes
import os
import sys

try:
    import numpy
except ImportError:
    numpy = None

_NAME = {"win32": "libdnabert2.dll", "darwin": "libdnabert2.dylib"}.get(sys.platform, "libdnabert2.so")
_lib = ctypes.CDLL(os.environ.get("DNABERT2_LIBRARY") or os.path.join(os.path.dirname(os.path.abspath(__file__)), _NAME))
_texts = ctypes.POINTER(ctypes.c_char_p)
_floats = ctypes.POINTER(ctypes.c_float)
_lib.dnabert2_version.restype = _lib.dnabert2_last_error.restype = _lib.dnabert2_label.restype = ctypes.c_char_p
_lib.dnabert2_load.argtypes = [ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_uint64)]
_lib.dnabert2_free.argtypes = [ctypes.c_uint64]
_lib.dnabert2_hidden_size.argtypes = _lib.dnabert2_num_labels.argtypes = [ctypes.c_uint64]
_lib.dnabert2_hidden_size.restype = _lib.dnabert2_num_labels.restype = ctypes.c_int64
_lib.dnabert2_embed.argtypes = _lib.dnabert2_predict.argtypes = [ctypes.c_uint64, _texts, ctypes.c_int64, _floats, ctypes.c_int64]
_lib.dnabert2_tokenize.argtypes = [
    ctypes.c_uint64, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int32), ctypes.c_int64, ctypes.POINTER(ctypes.c_int64)]
_lib.dnabert2_label.argtypes = [ctypes.c_uint64, ctypes.c_int64]
version = _lib.dnabert2_version().decode()


class Error(Exception):
    """What the library refused, in its own words."""


def _check(status):
    if status != 0:
        raise Error(_lib.dnabert2_last_error().decode())


class Model:
    """A loaded model; several threads may use it at once."""

    def __init__(self, folder=None, threads=0):
        handle = ctypes.c_uint64()
        self._handle = 0
        _check(_lib.dnabert2_load(None if folder is None else os.fsencode(folder), threads, ctypes.byref(handle)))
        self._handle = handle.value
        self.hidden_size = _lib.dnabert2_hidden_size(self._handle)
        labels = _lib.dnabert2_num_labels(self._handle)
        self.labels = [name.decode() if (name := _lib.dnabert2_label(self._handle, i)) else "value" for i in range(labels)]

    def embed(self, sequences):
        """[sequences, hidden]: a numpy array, or lists without numpy."""
        return self._rows(_lib.dnabert2_embed, sequences, self.hidden_size)

    def predict(self, sequences):
        """[sequences, labels]: probabilities, or values of a regression."""
        return self._rows(_lib.dnabert2_predict, sequences, len(self.labels))

    def tokenize(self, sequence):
        """The ids of the tokens, special ones included."""
        text, count = sequence.encode(), ctypes.c_int64()
        _check(_lib.dnabert2_tokenize(self._handle, text, None, 0, ctypes.byref(count)))
        ids = (ctypes.c_int32 * count.value)()
        _check(_lib.dnabert2_tokenize(self._handle, text, ids, count.value, ctypes.byref(count)))
        return list(ids)

    def _rows(self, function, sequences, width):
        texts = (ctypes.c_char_p * len(sequences))(*[s.encode() for s in sequences])
        numbers = (ctypes.c_float * (len(sequences) * width))()
        _check(function(self._handle, texts, len(sequences), numbers, len(numbers)))
        if numpy is not None:
            return numpy.ctypeslib.as_array(numbers).reshape(len(sequences), width)
        return [list(numbers[i * width:(i + 1) * width]) for i in range(len(sequences))]

    def close(self):
        """Frees the model."""
        handle, self._handle = self._handle, 0
        _check(_lib.dnabert2_free(handle))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    with Model() as _model:
        for _sequence, _vector in zip(sys.argv[1:], _model.embed(sys.argv[1:])):
            print(f"{_sequence}: {len(_model.tokenize(_sequence))} tokens, first number {_vector[0]:.6f}")
