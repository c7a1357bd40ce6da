#pragma once

#include <string>
#include <vector>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Gemm (opset 13): Y = alpha * A' B' + beta * C, with A' = A or A^T by transA and B' likewise; A and C
/// of any floating type, Y of A's.
///
/// A linear layer of weights [out, in] is Gemm with transB = 1. A dynamic encoding on the use of A (int8,
/// symmetric, per token, per group, or per tensor: all rows of one run under one scale, in the place of each
/// token's) quantizes the rows of A' as scheme/dynamic.h says. When B has an
/// integer encoding too, the products are integers (integer_gemm_refusal() is empty): columns are cut into
/// segments that have one scale of B and one of A, and for each row m and output n, in the order of the
/// segments s,
///   sum = fma(float(sum over k in s of qa[m, k] * (qb[n, k] - zero[n, s])), scale, sum)
/// with the inner sum exact, scale = sb[n, s] when A has one scale a token and the rounded product sa[m, s] *
/// sb[n, s] otherwise. B with a real minimum counts its codes with zero 0 and adds a second
///   sum = fma(float(sum over k in s of qa[m, k]), minimum, sum),
/// minimum = min[n, s] or sa[m, s] * min[n, s]. Then, each step rounded: sum *= sa[m] (one scale a token);
/// with our attribute outlier_threshold (LLM.int8(); 0: none) sum += the sum over outlier columns k,
/// ascending, from 0 on, of A'[m, k] * B'[k, n] with B' decoded, each product and each sum rounded (the other
/// columns are quantized as if these were 0); sum *= alpha unless it is 1; sum += beta * C. So kernels give
/// the same bits, whatever the processor, the number of rows and the number of threads.
///
/// The encoding bf16 on the use of A rounds its numbers (scheme/bf16/rounded_bf16.h), whatever B is; the
/// product is floating then.
///
/// Ours: A of more than two dimensions, whose last is k and whose others are the rows, one by one (transA is
/// 0; Y has them too; C is one row then); `activation` with its parameters (ops/fused_activation.h), applied
/// last in f32.
const OpSchema& gemm_schema();

/// The sizes of one Gemm: A' is [m, k], B' is [k, n]; m counts all rows.
struct GemmExtent {
  int64_t m, n, k;
};
GemmExtent gemm_extent(const OpSite& site);

/// Columns [begin, end) of A' and the scales they have.
struct GemmSegment {
  int64_t begin, end;
  int64_t a_group, b_group;
};
/// Cuts k columns at the multiples of both group lengths, and after kGemmSegmentMax columns: that many
/// products fit 32 bits.
inline constexpr int64_t kGemmSegmentMax = 65536;
std::vector<GemmSegment> gemm_segments(int64_t k, int64_t a_group, int64_t b_group);

/// Columns of A' that share a scale under the dynamic encoding on its use.
int64_t dynamic_group(const Encoding& encoding, int64_t k);

/// Magnitudes from which on a column of A' stays floating under a dynamic encoding; 0: none does.
float outlier_threshold(const OpSite& site);

/// Why the products of this Gemm are not integers; empty when they are.
std::string integer_gemm_refusal(const OpSite& site);

}  // namespace halftone
