#pragma once

#include <array>

#include "scheme/number_format.h"

namespace halftone {

/// The two 8-bit floating-point formats of the OCP specification (OFP8, revision 1.0). Patterns are sign,
/// exponent, mantissa from the highest bit down.
struct Fp8Layout {
  std::string_view name;
  int exponent_bits;
  int mantissa_bits;
  int bias;
  float max;          ///< largest finite number
  bool has_infinity;  ///< as IEEE 754 has it; otherwise the all-ones pattern alone is special: NaN
};

/// e4m3 in its "fn" form: up to 448, no infinity.
constexpr Fp8Layout fp8_e4m3() {
  return {"fp8_e4m3", 4, 3, 7, 448.0f, false};
}
/// e5m2: up to 57344.
constexpr Fp8Layout fp8_e5m2() {
  return {"fp8_e5m2", 5, 2, 15, 57344.0f, true};
}

/// value = fp8(code) * scale, with scale = absmax / max. Rounds to nearest even and saturates.
class Fp8Format final : public NumberFormat {
 public:
  explicit Fp8Format(const Fp8Layout& layout);

  std::string_view name() const override { return layout_.name; }
  int bits() const override { return 8; }
  float fit_scale(const ValueRange& range, bool symmetric) const override;
  void encode(std::span<const float> values, const CodeParams& params,
              std::span<uint8_t> codes) const override;
  void decode(std::span<const uint8_t> codes, const CodeParams& params,
              std::span<float> values) const override;

  /// The number of each pattern.
  const std::array<float, 256>& table() const { return table_; }

 private:
  Fp8Layout layout_;
  std::array<float, 256> table_;
};

}  // namespace halftone
