#pragma once

#include "base/file.h"
#include "core/tensor.h"

namespace halftone {

/// Reads a .npy file (NumPy's format 1.0 to 3.0): little-endian numbers or booleans in C order. The tensor is
/// a view into the mapped file where the alignment allows. Throws InputError.
Tensor read_npy(const fs::path& path);

/// Writes one, whole or not at all. bf16, which NumPy has not, goes as f32. Throws ResourceError.
void write_npy(const fs::path& path, const TensorView& tensor);

}  // namespace halftone
