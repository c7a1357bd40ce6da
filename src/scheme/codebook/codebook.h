#pragma once

#include "scheme/number_format.h"

namespace halftone {

/// value = codebook[code] * scale with scale = absmax; the code book spans [-1, 1] at most and ascends.
class CodebookFormat : public NumberFormat {
 public:
  /// A code book of 2^bits entries that all tensors share, or none (see QuantileFormat).
  CodebookFormat(std::string_view name, std::span<const float> codebook);

  std::string_view name() const override { return name_; }
  int bits() const override { return bits_; }
  float fit_scale(const ValueRange& range, bool symmetric) const override;
  void encode(std::span<const float> values, const CodeParams& params,
              std::span<uint8_t> codes) const override;
  void decode(std::span<const uint8_t> codes, const CodeParams& params,
              std::span<float> values) const override;

 protected:
  CodebookFormat(std::string_view name, int bits) : name_(name), bits_(bits) {}

 private:
  std::span<const float> entries(const CodeParams& params) const;

  std::string_view name_;
  int bits_;
  std::span<const float> codebook_;
};

/// The 4-bit NormalFloat code book as bitsandbytes has it (`functional.py`, get_4bit_type; QLoRA,
/// arXiv:2305.14314, appendix E).
std::span<const float> nf4_codebook();

/// A code book of each tensor's own: entry i is the middle of the i-th of 2^bits bins that hold equally many
/// of the normalised values, (Q(i / 2^bits) + Q((i + 1) / 2^bits)) / 2 with Q the empirical quantile, linear
/// between neighbours (QLoRA, equation 4, with 2^bits bins).
class QuantileFormat final : public CodebookFormat {
 public:
  QuantileFormat(std::string_view name, int bits) : CodebookFormat(name, bits) {}
  bool has_tensor_codebook() const override { return true; }
  std::vector<float> make_codebook(std::span<const float> normalised) const override;
};

}  // namespace halftone
