#pragma once

#include <memory>
#include <span>
#include <string>

#include "core/tensor.h"
#include "scheme/encoding.h"
#include "scheme/number_format.h"

namespace halftone {

class ThreadPool;

/// A tensor as codes, scales and zero points. The logical shape is that of the floating tensor it stands for.
///
/// - codes: u8 [rows, ceil(columns * bits / 8)], each row a little-endian bit stream with element c at bit
///   c * bits;
/// - scales: scale_dtype [grid rows, groups] (see ScaleGrid), or NestedScales under double quantization;
/// - zeros: u8 [grid rows, groups], the code that means 0, of affine integers (symmetric ones have 2^(bits-1)
///   there, which is not stored);
/// - minima: scale_dtype [grid rows, groups], in place of zeros under real_minimum.
/// A group of nothing but zeros has scale 0.
class QuantizedTensor {
 public:
  /// Double-quantized scales: scale i = dynamic_codebook()[codes[i]] * absmax[i / block] + offset.
  struct NestedScales {
    Tensor codes;   ///< u8 [grid size]
    Tensor absmax;  ///< f32 [ceil(grid size / block)]
    float offset = 0;
  };
  struct Parts {
    Encoding encoding;
    Shape shape;
    Tensor codes;
    Tensor scales;        ///< empty under double quantization
    NestedScales nested;  ///< used under double quantization
    Tensor zeros;
    Tensor minima;    ///< used under real_minimum
    Tensor codebook;  ///< f32 [2^bits] for formats with a code book of the tensor's own
  };

  /// Checks that every part has the type and the size that encoding and shape demand and that scales and code
  /// book are finite (InputError, naming `name`). Parts that the encoding has no use for must be empty.
  QuantizedTensor(Parts parts, const std::string& name);

  const Encoding& encoding() const { return parts_.encoding; }
  const Shape& shape() const { return parts_.shape; }
  const ScaleGrid& grid() const { return grid_; }
  int64_t rows() const { return extent_.rows; }
  int64_t columns() const { return extent_.columns; }
  const Parts& parts() const { return parts_; }
  /// Bytes of codes, scales, zero points and code books together.
  size_t stored_bytes() const;

  /// Each takes a row and a span of exactly columns() or grid().groups elements.
  void row_codes(int64_t row, std::span<uint8_t> codes) const;
  void row_scales(int64_t row, std::span<float> scales) const;
  void row_zeros(int64_t row, std::span<int32_t> zeros) const;  ///< not under real_minimum
  void row_minima(int64_t row, std::span<float> minima) const;  ///< only under real_minimum
  void decode_row(int64_t row, std::span<float> values) const;

  /// All of it as f32 (for references and tests).
  Tensor decode() const;

  /// Rows [begin, end), sharing the bytes. Not under double quantization.
  QuantizedTensor slice_rows(int64_t begin, int64_t end) const;

 private:
  Parts parts_;
  MatrixExtent extent_;
  ScaleGrid grid_;
};

/// Round to nearest: scales fitted to each group, rounded to the form in which they are stored (the scale
/// type, or double quantization), then zero points and codes under the stored scales. Reads `values`
/// (floating, any alignment, e.g. mapped bf16) a row at a time, twice; rows are shared out over `pool` where
/// one is given, with the same result. NaN or infinity is an InputError naming `name` and the element.
///
/// With integer formats every element is within half a scale of its value, and, where the stored scale was
/// rounded down, within that and the type's precision (2^-11 in f16) times the group's range.
QuantizedTensor quantize(const TensorView& values, const Encoding& encoding, const std::string& name,
                         ThreadPool* pool = nullptr);

/// The scale as `dtype` stores it: to nearest, but never to infinity (the largest finite number takes its
/// place and values clip) and never so far down that values clip by more than the type's own precision (a
/// subnormal rounds up; a positive scale stays positive).
float round_scale(float scale, DType dtype);

/// Writes `codes` (each below 2^bits) as a little-endian bit stream of ceil(codes.size() * bits / 8) bytes,
/// and back.
void pack_bits(std::span<const uint8_t> codes, int bits, std::span<std::byte> packed);
void unpack_bits(std::span<const std::byte> packed, int bits, std::span<uint8_t> codes);

}  // namespace halftone
