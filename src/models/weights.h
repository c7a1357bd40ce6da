#pragma once

#include <string>

#include "ops/constant.h"

namespace halftone {

/// Rows [begin, end) of a matrix (or elements of a vector) as a constant of its own that shares the bytes, of
/// codes and scales too where the whole is encoded. Throws UnsupportedError, naming `name`, for encodings
/// whose rows cannot be cut apart (double quantization).
Constant constant_rows(const Constant& whole, int64_t begin, int64_t end, const std::string& name);

/// A small constant (a norm's weights, a bias) as f32, `added` to each element.
Constant small_f32(const Constant& constant, float added = 0);

}  // namespace halftone
