#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/dtype.h"
#include "core/shape.h"

namespace halftone {

class NumberFormat;

/// Over which elements one scale (and zero point) is shared.
///
/// A tensor is seen as a matrix: rows along its first axis, columns along all others together. Groups run
/// along the columns; where the group does not divide their number, the last group of a row is shorter.
struct Granularity {
  enum class Kind : uint8_t { per_tensor, per_axis, per_group, per_token };
  Kind kind = Kind::per_tensor;
  int axis = 0;       ///< per_axis: the axis with a scale for each index (0: outputs of an [out, in] weight)
  int64_t group = 0;  ///< per_group: columns that share a scale

  static Granularity per_tensor() { return {Kind::per_tensor}; }
  static Granularity per_axis(int axis) { return {Kind::per_axis, axis}; }
  static Granularity per_group(int64_t group) { return {Kind::per_group, 0, group}; }
  static Granularity per_token() { return {Kind::per_token}; }

  friend bool operator==(const Granularity&, const Granularity&) = default;
};

/// Whether scales are measured on calibration data ahead of time or on the values at hand at run time.
enum class Timing : uint8_t { fixed, dynamic };

/// How the numbers of a tensor are written down.
struct Encoding {
  const NumberFormat* format = nullptr;  ///< an entry of number_formats(); never null in a valid encoding
  Granularity granularity;
  bool symmetric = true;  ///< no zero point; integer formats only make the distinction
  /// Affine with a real minimum in place of an integer zero point: value = code * scale + minimum (GGUF's
  /// Q4_1 and K-quants).
  bool real_minimum = false;
  Timing timing = Timing::fixed;
  DType scale_dtype = DType::f16;  ///< f32, f16 or bf16: how scales are stored
  /// Block length of double quantization (0: none): scales minus their mean, in blocks of this many, coded in
  /// 8 bits each with bitsandbytes' dynamic code book and one f32 absmax a block.
  int64_t double_quant_block = 0;

  friend bool operator==(const Encoding&, const Encoding&) = default;

  /// "int4 g32", "int8 per-channel affine", "int8 per-token dynamic", "nf4 g64 dq256".
  std::string str() const;
};

/// How the scales of an encoding lie over a matrix of `rows` x `columns`:
/// the scale of element (r, c) is scales[(r % rows) * groups + c / group].
struct ScaleGrid {
  int64_t rows = 1;    ///< 1 (shared by all rows) or the matrix's rows
  int64_t groups = 1;  ///< scales along the columns
  int64_t group = 1;   ///< columns that share one

  int64_t size() const { return rows * groups; }
};

/// Throws UnsupportedError for an axis that is neither the first nor, for matrices, the last, and for groups
/// below 1. per_token has one scale a row. The shape must be concrete (UnsupportedError), as for the two
/// below.
ScaleGrid scale_grid(const Granularity& granularity, const Shape& shape);

/// Rows and columns of `shape` seen as a matrix (see Granularity); a vector is one row.
struct MatrixExtent {
  int64_t rows;
  int64_t columns;
};
MatrixExtent matrix_extent(const Shape& shape);

/// Average stored bits for each element, scales, zero points and code book counted. 0 for an empty shape.
double bits_per_element(const Encoding& encoding, const Shape& shape);

}  // namespace halftone
