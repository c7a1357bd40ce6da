#pragma once

#include "scheme/number_format.h"

namespace halftone {

/// Integers of 2 to 8 bits: value = (code - zero) * scale.
///
/// Symmetric: scale = absmax / (2^(bits-1) - 1), zero = 2^(bits-1), codes zero ± (2^(bits-1) - 1), so the
/// lowest pattern is unused. Affine: scale = (max - min) / (2^bits - 1) over a range that contains 0, zero =
/// round(-min / scale), codes 0 to 2^bits - 1. code = clamp(round(x / scale) + zero).
/// Under a real minimum: value = code * scale + minimum, code = clamp(round((x - minimum) / scale)).
class IntAffineFormat final : public NumberFormat {
 public:
  IntAffineFormat(std::string_view name, int bits) : name_(name), bits_(bits) {}

  std::string_view name() const override { return name_; }
  int bits() const override { return bits_; }
  bool is_integer() const override { return true; }
  float fit_scale(const ValueRange& range, bool symmetric) const override;
  int32_t zero_code(const ValueRange& range, float scale, bool symmetric) const override;
  void encode(std::span<const float> values, const CodeParams& params,
              std::span<uint8_t> codes) const override;
  void decode(std::span<const uint8_t> codes, const CodeParams& params,
              std::span<float> values) const override;

 private:
  std::string_view name_;
  int bits_;
};

}  // namespace halftone
