#pragma once

#include <array>
#include <optional>
#include <vector>

#include "ops/fused_activation.h"
#include "ops/gate_polynomial.h"
#include "ops/op_schema.h"
#include "scheme/requantize.h"

namespace halftone {

/// The end of an operator whose codes multiply and sum exactly in 32 bits: sums become codes, or floating
/// numbers. The oracle of every integer kernel.
///
/// `units[i]` is what a sum of 1 at output i stands for (the product of the scales). With u = units[i] and
/// the output's scale s and zero z,
///   code = clamp(round(sum * (u / s)) + z, lowest, highest).
/// round() is the product with float(u / s) in f32, halves to even (Requantization::floating), or gemmlowp's
/// multiply_fixed() (Requantization::fixed). relu and clip only narrow lowest and highest; leaky_relu
/// multiplies negative sums by float(a u / s). silu, gelu and hard_swish, under Requantization::floating, are
/// computed in f32 by ops/gate_polynomial.h, and may have a gain behind them, a factor g[i] of each output (1
/// where none is given):
///   code = clamp(round(y * float(g[i] / s)) + z, 0, 255), y = gated(gate, float(sum) * float(u)).
/// Every other activation is a table: the sum becomes the code of an inner scale, which covers just the
/// arguments among which the result changes, and the table has the code of f at each.
///
/// Wide codes have no activation: code = clamp(round(sum * (u / s)), -32768, 32767).
///
/// Without output codes the value is float(sum) * float(u), then the activation in f32.
class Requantizer {
 public:
  /// The first `outputs.codes` (none: floats) of `site` and its attributes activation and requantization.
  /// `gains`, one an output or none, want a gate().
  Requantizer(const OpSite& site, std::vector<double> units, const std::vector<float>& gains = {});

  uint8_t code(int32_t sum, size_t output) const;
  int16_t wide_code(int32_t sum, size_t output) const;
  float value(int32_t sum, size_t output) const;

  bool to_codes() const { return codes_.has_value(); }
  bool fixed() const { return fixed_; }
  const std::vector<float>& multipliers() const { return multipliers_; }
  const std::vector<float>& below() const { return below_; }  ///< of negative sums; empty: the same
  /// Of silu, gelu and hard_swish where they are computed, not looked up.
  Gate gate() const { return gate_; }
  const std::vector<float>& gains() const { return gains_; }  ///< g / s behind the gate
  const std::vector<FixedMultiplier>& fixed_multipliers() const { return fixed_multipliers_; }
  const std::vector<FixedMultiplier>& fixed_below() const { return fixed_below_; }
  int32_t zero() const { return zero_; }  ///< of the inner scale under a table
  int32_t lowest() const { return lowest_; }
  int32_t highest() const { return highest_; }
  const uint8_t* table() const { return has_table_ ? table_.data() : nullptr; }
  /// What is left to do to the floats.
  const FusedActivation& float_activation() const { return activation_; }

 private:
  int32_t bounded(int32_t sum, size_t output) const;
  void set_multipliers(const std::vector<double>& units, double scale, double slope_below);
  void set_table();
  void set_gains(const std::vector<double>& units, const std::vector<float>& gains);

  std::optional<CodeScale> codes_;
  FusedActivation activation_;
  bool fixed_ = false, has_table_ = false;
  Gate gate_ = Gate::none;
  std::vector<float> multipliers_, below_, gains_;
  std::vector<FixedMultiplier> fixed_multipliers_, fixed_below_;
  int32_t zero_ = 0, lowest_ = 0, highest_ = 255;
  CodeScale inner_;
  std::array<uint8_t, 256> table_{};
};

/// Whether an activation of codes is a table: none of those that bounds, a second multiplier or a polynomial
/// express.
bool has_table(const FusedActivation& activation, Requantization how);

/// The inner scale of an activation's table for results of scale `out`.
CodeScale table_scale(const FusedActivation& activation, const CodeScale& out);

/// The table: codes of f(x) for the codes of x.
std::array<uint8_t, 256> activation_table(const FusedActivation& activation, const CodeScale& in,
                                          const CodeScale& out);

/// The attribute requantization: "fixed", or "floating" (the default). InputError for another word.
Requantization requantization(const OpSite& site);

/// Codes that cover [low, high], 0 included; symmetric ones have zero 128 and never use code 0. A range of
/// nothing but 0 has scale 1.
CodeScale fit_codes(float low, float high, bool symmetric = false);
/// Wide codes that cover it.
CodeScale fit_wide_codes(float low, float high);

}  // namespace halftone
