#pragma once

#include "scheme/quantized_tensor.h"

namespace halftone {

/// quantize() under searched scales: the range that a scale is fitted to is narrowed to that share of the
/// group's range, of 1, 39/40 .. 1/2, whose codes leave the least squared error. Takes about 21 times as
/// long. Scales that several rows share, and code books of a tensor's own, stay those of quantize().
QuantizedTensor quantize_with_search(const TensorView& values, const Encoding& encoding,
                                     const std::string& name, ThreadPool* pool = nullptr);

}  // namespace halftone
