#!/usr/bin/env python3
"""Rewrites a GGUF of floats with its matrices in a K-quant, rounded by ggml itself.

    VENV/bin/python tests/peers/k_quants.py IN.gguf OUT.gguf --type q4_k|q5_k|q6_k --ggml LIBRARY

LIBRARY is any shared library that exports ggml_quantize_chunk: llama.cpp's libggml-base.so, or the module inside a Python
package of llama.cpp (xllamacpp.abi3.so, found by itself when that package is there). Rows that are no multiple of 256 stay.
"""

import argparse
import ctypes
import importlib.util
import pathlib

import gguf
import numpy as np

TYPES = {"q4_k": gguf.GGMLQuantizationType.Q4_K, "q5_k": gguf.GGMLQuantizationType.Q5_K, "q6_k": gguf.GGMLQuantizationType.Q6_K}


def library():
    package = pathlib.Path(importlib.util.find_spec("xllamacpp").origin).parent
    return next(package.glob("xllamacpp*.so"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--type", choices=TYPES, required=True)
    parser.add_argument("--ggml")
    arguments = parser.parse_args()
    quantize_chunk = ctypes.CDLL(str(arguments.ggml or library())).ggml_quantize_chunk
    quantize_chunk.restype = ctypes.c_size_t
    quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    reader = gguf.GGUFReader(arguments.input)
    writer = gguf.GGUFWriter(arguments.output, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type)
    kind = TYPES[arguments.type]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    for tensor in reader.tensors:
        columns = int(tensor.shape[0])
        if len(tensor.shape) != 2 or columns % block:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        values = np.ascontiguousarray(gguf.dequantize(tensor.data, tensor.tensor_type).reshape(-1, columns), dtype=np.float32)
        codes = np.empty((len(values), columns // block * size), dtype=np.uint8)
        quantize_chunk(int(kind), values.ctypes.data, codes.ctypes.data, 0, len(values), columns, None)
        writer.add_tensor(tensor.name, codes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
