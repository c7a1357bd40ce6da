#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace halftone {

/// Dynamic quantization of activations: the scalar reference that kernels equal bit for bit.
///
/// Symmetric int8 of one row (a token), all in f32, each operation rounded to nearest, ties to even:
///   absmax = max |x_i|
///   scale  = absmax / 127
///   inverse = 127 / absmax              (a division of its own, not 1 / scale)
///   code_i = nearbyint(x_i * inverse)   (one multiplication, no fused operation)
/// Since |x_i| <= absmax the product rounds to at most 127, so there is nothing to clamp; -128 is never used.
///
/// A row with absmax < kSmallestAbsmax counts as zero: codes 0, scale 0 (127 / absmax would overflow).
/// A row that holds NaN or infinity: codes 0, scale NaN, so that the result of a product with it is NaN, as
/// it is in floating point. Kernels that take absmax as the integer maximum of the bits of |x| get this with
/// one comparison, because the bits of NaN are above those of infinity: bits(absmax) >= 0x7f800000.
inline constexpr float kSmallestAbsmax = 0x1p-120f;

/// `codes` has the length of `row`.
void quantize_token(std::span<const float> row, std::span<int8_t> codes, float& scale);

/// The same on each group of `group` columns (the last may be shorter): `scales` has ceil(row.size() / group)
/// elements.
void quantize_token_groups(std::span<const float> row, int64_t group, std::span<int8_t> codes,
                           std::span<float> scales);

/// LLM.int8() (Dettmers et al., arXiv:2208.07339): the columns of [rows, columns] in which any magnitude is
/// at least `threshold`, ascending. They are products in floating point; what is left of the rows, with zeros
/// in their place, is quantized as above. So which columns these are, and the result, depends on all rows of
/// a run together.
std::vector<int64_t> outlier_columns(std::span<const float> rows, int64_t columns, float threshold);

}  // namespace halftone
