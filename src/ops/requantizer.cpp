#include "ops/requantizer.h"

#include <algorithm>
#include <cmath>

namespace halftone {
namespace {

using Kind = FusedActivation::Kind;

/// Every sum that matters stays far inside 32 bits; the bounds keep the conversion defined, of NaN too.
int32_t rounded(float x) {
  return static_cast<int32_t>(std::nearbyint(std::max(-1e9f, std::min(1e9f, x))));
}

}  // namespace

CodeScale fit_codes(float low, float high, bool symmetric) {
  low = std::min(low, 0.0f);
  high = std::max(high, 0.0f);
  if (symmetric) {
    const float largest = std::max(-low, high);
    return {largest > 0 ? largest / 127 : 1, 128};
  }
  const float scale = (high - low) / 255;
  if (!(scale > 0)) return {1, 0};
  return {scale, static_cast<uint8_t>(std::clamp(std::nearbyint(-low / scale), 0.0f, 255.0f))};
}

CodeScale fit_wide_codes(float low, float high) {
  const float largest = std::max(-low, high);
  return {largest > 0 ? largest / 32767 : 1, CodeScale::kWideZero};
}

Requantization requantization(const OpSite& site) {
  const std::string how = site.attributes->get_string("requantization", "floating");
  require(site, how == "floating" || how == "fixed",
          "attribute requantization: expected floating or fixed, found \"{}\"", how);
  return how == "fixed" ? Requantization::fixed : Requantization::floating;
}

bool has_table(const FusedActivation& activation, Requantization how) {
  const Kind kind = activation.kind;
  if (gate_of(kind) != Gate::none) return how == Requantization::fixed;
  return kind != Kind::none && kind != Kind::relu && kind != Kind::clip &&
         !(kind == Kind::leaky_relu && activation.a >= 0);
}

std::array<uint8_t, 256> activation_table(const FusedActivation& activation, const CodeScale& in,
                                          const CodeScale& out) {
  std::array<uint8_t, 256> table;
  for (int code = 0; code < 256; ++code)
    table[static_cast<size_t>(code)] = encode_activation(
        apply_activation(activation, decode_activation(static_cast<uint8_t>(code), in)), out);
  return table;
}

CodeScale table_scale(const FusedActivation& activation, const CodeScale& out) {
  constexpr int kSteps = 8192;
  // Beyond this every one of the functions is flat, or close to x and so outside the codes.
  const float reach =
      std::max({16.0f, 1.1f * decode_activation(255, out), -1.1f * decode_activation(0, out)});
  const auto at = [&](int step) { return reach * static_cast<float>(step) / kSteps; };
  const auto code = [&](int step) { return encode_activation(apply_activation(activation, at(step)), out); };
  int low = -kSteps, high = kSteps;
  for (const uint8_t first = code(low); low < 0 && code(low + 1) == first;) ++low;
  for (const uint8_t last = code(high); high > 0 && code(high - 1) == last;) --high;
  return fit_codes(at(low), at(high));
}

Requantizer::Requantizer(const OpSite& site, std::vector<double> units, const std::vector<float>& gains)
    : codes_(site.storage_of_output(0).codes),
      activation_(fused_activation(site)),
      fixed_(requantization(site) == Requantization::fixed) {
  if (!codes_) {
    fixed_ = false;
    set_multipliers(units, 1, 1);
    return;
  }
  inner_ = *codes_;
  const Kind kind = activation_.kind;
  if (gate_of(kind) != Gate::none && !fixed_ && !codes_->wide()) {
    gate_ = gate_of(kind);
    set_gains(units, gains.empty() ? std::vector<float>(units.size(), 1) : gains);
    return;
  }
  if (kind == Kind::relu || kind == Kind::clip) {
    lowest_ = encode_activation(kind == Kind::relu ? 0 : activation_.a, *codes_);
    if (kind == Kind::clip) highest_ = encode_activation(activation_.b, *codes_);
  } else if (has_table(activation_, requantization(site))) {
    set_table();
  }
  if (codes_->wide()) {
    lowest_ = -32768;
    highest_ = 32767;
  }
  zero_ = inner_.stored_zero();
  set_multipliers(units, double{inner_.scale},
                  kind == Kind::leaky_relu && !has_table_ ? double{activation_.a} : 1);
}

void Requantizer::set_table() {
  has_table_ = true;
  inner_ = table_scale(activation_, *codes_);
  table_ = activation_table(activation_, inner_, *codes_);
}

void Requantizer::set_gains(const std::vector<double>& units, const std::vector<float>& gains) {
  zero_ = codes_->zero;
  set_multipliers(units, 1, 1);
  for (float gain : gains) gains_.push_back(static_cast<float>(double{gain} / codes_->scale));
}

void Requantizer::set_multipliers(const std::vector<double>& units, double scale, double slope_below) {
  for (double unit : units) {
    const double real = unit / scale;
    multipliers_.push_back(static_cast<float>(real));
    if (fixed_) fixed_multipliers_.push_back(fixed_multiplier(real));
    if (slope_below == 1) continue;
    below_.push_back(static_cast<float>(real * slope_below));
    if (fixed_) fixed_below_.push_back(fixed_multiplier(real * slope_below));
  }
}

int32_t Requantizer::bounded(int32_t sum, size_t output) const {
  const bool negative = sum < 0 && !below_.empty();
  int32_t moved;
  if (fixed_) {
    moved = multiply_fixed(sum, (negative ? fixed_below_ : fixed_multipliers_)[output]);
  } else {
    float x = static_cast<float>(sum) * (negative ? below_ : multipliers_)[output];
    if (gate_ != Gate::none) x = gated(gate_, x) * gains_[output];
    moved = rounded(x);
  }
  return static_cast<int32_t>(std::clamp(int64_t{moved} + zero_, int64_t{lowest_}, int64_t{highest_}));
}

uint8_t Requantizer::code(int32_t sum, size_t output) const {
  const auto code = static_cast<uint8_t>(bounded(sum, output));
  return has_table_ ? table_[code] : code;
}

int16_t Requantizer::wide_code(int32_t sum, size_t output) const {
  return static_cast<int16_t>(bounded(sum, output));
}

float Requantizer::value(int32_t sum, size_t output) const {
  return apply_activation(activation_, static_cast<float>(sum) * multipliers_[output]);
}

}  // namespace halftone
