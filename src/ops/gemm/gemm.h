#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Gemm (opset 13): Y = alpha * A' B' + beta * C, with A' = A or A^T by transA and B' likewise.
///
/// A linear layer of weights [out, in] is Gemm with transB = 1. With an integer encoding on B and a dynamic
/// int8 encoding on the use of A the products are integers: for each row m, output n and scale group g of B
/// (cut further by the groups of A)
///   Y[m, n] = sum_g sa[m, g] * sb[n, g] * (sum_{k in g} qa[m, k] * (qb[n, k] - zb[n, g])),
/// the inner sum exact in 32 bits, the outer one in f32.
const OpSchema& gemm_schema();

/// The sizes of one Gemm: A' is [m, k], B' is [k, n].
struct GemmExtent {
  int64_t m, n, k;
};
GemmExtent gemm_extent(const OpSite& site);

}  // namespace halftone
