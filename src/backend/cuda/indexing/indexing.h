#pragma once

#include <cstring>

#include "backend/cuda/elementwise.h"
#include "backend/cuda/indexing/indexing_kernels.h"
#include "backend/kernel.h"
#include "ops/gather/gather.h"

namespace halftone::cuda {

inline Indices indices_of(const Operand& operand) {
  return {operand.tensor.data, operand.tensor.dtype == DType::i64};
}

/// The bits that stand where an index is outside (fill_missing()).
inline uint64_t missing_bits(DType dtype) {
  Tensor filled = Tensor::allocate(dtype, {1});
  fill_missing(filled.mutable_view(), 0, 1);
  uint64_t bits = 0;
  std::memcpy(&bits, filled.view().data, filled.size_bytes());
  return bits;
}

/// Elements that are moved as they are: none of the first `inputs` inputs is encoded, and the output's have
/// at most 8 bytes and number less than 2^31.
Refusal words_refusal(const OpSite& site, size_t inputs);

}  // namespace halftone::cuda
