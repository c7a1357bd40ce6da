#pragma once

#include "scheme/quantized_tensor.h"

namespace halftone {

/// How the range that a scale covers is found from the values that share the scale.
struct RangeFit {
  enum class Kind {
    extremes,     ///< all of them, what quantize() does
    least_error,  ///< that share of the extremes, of 1, 39/40 .. 1/2, whose codes leave the least squared
                  ///< error
    percentile    ///< all but (100 - percentile) / 2 percent at either end, linear between values
  };
  Kind kind = Kind::extremes;
  double percentile = 99.99;
};

/// quantize() under scales fitted to ranges found in another way. The least error takes about 21 times as
/// long. Where several rows share a scale, it is found from every k-th row, with 2^24 values in all at most.
/// Code books of a tensor's own stay those of quantize().
QuantizedTensor quantize_with_range(const TensorView& values, const Encoding& encoding, const RangeFit& fit,
                                    const std::string& name, ThreadPool* pool = nullptr);

}  // namespace halftone
