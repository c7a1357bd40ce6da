#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace halftone {

/// What turns codes of one scale group into numbers.
struct CodeParams {
  float scale = 1;
  int32_t zero = 0;    ///< integer formats: the code that means 0 (2^(bits-1) when symmetric)
  int32_t lowest = 0;  ///< integer formats: the smallest code that encode() gives (1 when symmetric)
  float minimum = 0;   ///< integer formats under a real minimum: value = code * scale + minimum, zero unused
  bool real_minimum = false;
  std::span<const float> codebook;  ///< formats whose code book belongs to the tensor (quantile)
};

/// Smallest and largest of some numbers and 0.
struct ValueRange {
  float min = 0;
  float max = 0;

  float absmax() const { return max > -min ? max : -min; }
  /// False when one of the numbers was NaN or infinite.
  bool is_finite() const;
  void include(const ValueRange& other);
};

ValueRange value_range(std::span<const float> values);

/// A way to write one real number in a few bits. Codes are unsigned patterns below 2^bits; signed integers
/// are stored in offset binary (q + 2^(bits-1)), so for every integer format value = (code - zero) * scale.
/// Rounding is half to even everywhere (nearbyint in the default mode).
class NumberFormat {
 public:
  virtual ~NumberFormat() = default;
  virtual std::string_view name() const = 0;  ///< "int4", "fp8_e4m3", "nf4", "quantile4"
  virtual int bits() const = 0;
  /// Whether value = (code - zero) * scale, so that integer kernels apply.
  virtual bool is_integer() const { return false; }
  /// Whether each tensor carries its own code book of 2^bits entries.
  virtual bool has_tensor_codebook() const { return false; }
  /// The code book made from a tensor's values normalised to [-1, 1] (only if has_tensor_codebook()).
  virtual std::vector<float> make_codebook(std::span<const float> normalised) const;

  /// The scale under which the codes cover `range`; 0 for a range of nothing but 0.
  virtual float fit_scale(const ValueRange& range, bool symmetric) const = 0;
  /// The code that means 0 when `range` is written with `scale` (integer formats; 0 otherwise).
  virtual int32_t zero_code(const ValueRange& range, float scale, bool symmetric) const { return 0; }
  /// Scale and zero point that fit all `values` (min-max / absmax). NaN or infinity in values is an
  /// InputError.
  CodeParams fit(std::span<const float> values, bool symmetric) const;

  /// Nearest codes of finite values; those outside the representable range clamp. Under scale 0 every code is
  /// the one that means 0.
  virtual void encode(std::span<const float> values, const CodeParams& params,
                      std::span<uint8_t> codes) const = 0;
  virtual void decode(std::span<const uint8_t> codes, const CodeParams& params,
                      std::span<float> values) const = 0;
};

/// Every format, the list that declares, selects and tests them (formats.inc).
std::span<const NumberFormat* const> number_formats();

/// The format of that name, or null.
const NumberFormat* find_number_format(std::string_view name);

}  // namespace halftone
