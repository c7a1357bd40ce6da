#include "backend/cpu/int8/code_weights.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"

namespace halftone::cpu {
namespace {

/// Which output stands at each place of groups padded to whole blocks of panels.
std::vector<int64_t> padded_places(int64_t groups, int64_t outputs, int64_t padded) {
  std::vector<int64_t> places(static_cast<size_t>(groups * padded), -1);
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t i = 0; i < outputs; ++i) places[static_cast<size_t>(g * padded + i)] = g * outputs + i;
  return places;
}

/// Which channel stands at each place of blocks in the order of the loops.
std::vector<int64_t> ordered_places(int64_t channels, const CodeDepthwiseLoops& loops) {
  std::vector<int64_t> places(static_cast<size_t>(round_up(channels, loops.block)), -1);
  for (size_t place = 0; place < places.size(); ++place) {
    const int64_t at = static_cast<int64_t>(place);
    int64_t first = at / loops.block * loops.block;
    if (loops.overlap && channels >= loops.block) first = std::min(first, channels - loops.block);
    const int64_t channel = first + (loops.order ? loops.order[at % loops.block] : at % loops.block);
    if (channel < channels) places[place] = channel;
  }
  return places;
}

std::vector<int32_t> placed_bias(const IntegerWeights& weights, const CodeScale& input,
                                 const std::vector<int64_t>& places, int32_t code_bias) {
  std::vector<int32_t> bias;
  for (int64_t output : places)
    bias.push_back(output < 0 ? 0 : folded_bias(weights, static_cast<size_t>(output), input, code_bias));
  return bias;
}

/// Whether a gated sum times its gain may leave 32 bits. Gates make no sum larger, and of none more than
/// 1e-3.
bool gains_are_large(const std::vector<float>& multipliers, const std::vector<float>& gains) {
  for (size_t i = 0; i < gains.size(); ++i)
    if (!(multipliers[i] < 1e20f && gains[i] < 1e9f && multipliers[i] * gains[i] < 0.5f)) return true;
  return false;
}

}  // namespace

FinishArrays::FinishArrays(const Requantizer& requantizer, const std::vector<int64_t>& outputs,
                           const IntegerResidual& residual) {
  const auto place = [&](const auto& from, auto field, auto& to) {
    if (from.empty()) return;
    for (int64_t output : outputs) to.push_back(output < 0 ? 0 : field(from[static_cast<size_t>(output)]));
  };
  const auto same = [](float x) { return x; };
  const auto mantissa = [](const FixedMultiplier& m) { return m.mantissa; };
  const auto shift = [](const FixedMultiplier& m) { return m.shift; };
  place(requantizer.multipliers(), same, multipliers_);
  place(requantizer.below(), same, below_);
  place(requantizer.gains(), same, gains_);
  place(requantizer.fixed_multipliers(), mantissa, mantissas_);
  place(requantizer.fixed_multipliers(), shift, shifts_);
  place(requantizer.fixed_below(), mantissa, mantissas_below_);
  place(requantizer.fixed_below(), shift, shifts_below_);
  place(
      residual.factors, [](int32_t factor) { return factor; }, residual_factors_);
  finish_.sum_shift = residual.shift;
  if (requantizer.table()) table_.assign(requantizer.table(), requantizer.table() + 256);
  finish_.zero = requantizer.zero();
  finish_.lowest = requantizer.lowest();
  finish_.highest = requantizer.highest();
  const auto is_large = [](float x) { return x >= 1; };
  finish_.large = std::any_of(multipliers_.begin(), multipliers_.end(), is_large) ||
                  std::any_of(below_.begin(), below_.end(), is_large);
  finish_.gate = requantizer.gate();
  if (finish_.gate != Gate::none) finish_.large = gains_are_large(multipliers_, gains_);
}

CodeFinish FinishArrays::at(int64_t first) const {
  const auto from = [&](const auto& array) { return array.empty() ? nullptr : array.data() + first; };
  CodeFinish finish = finish_;
  finish.multipliers = from(multipliers_);
  finish.below = from(below_);
  if (finish.gate != Gate::none) finish.below = from(gains_);
  finish.mantissas = from(mantissas_);
  finish.shifts = from(shifts_);
  finish.mantissas_below = from(mantissas_below_);
  finish.shifts_below = from(shifts_below_);
  finish.residual_factors = from(residual_factors_);
  finish.table = table_.empty() ? nullptr : table_.data();
  return finish;
}

size_t FinishArrays::bytes() const {
  return 4 * (multipliers_.size() + below_.size() + gains_.size() + mantissas_.size() + shifts_.size() +
              mantissas_below_.size() + shifts_below_.size() + residual_factors_.size()) +
         table_.size();
}

CodeWeights::CodeWeights(const IntegerWeights& weights, const Requantizer& requantizer,
                         const CodeScale& input, const Extent& extent, const CodeLoops& loops,
                         const IntegerResidual& residual)
    : extent_(extent),
      loops_(loops),
      quads_(ceil_div(extent.channels, kCodeQuad)),
      panels_(ceil_div(extent.outputs, kCodePanel)),
      padded_panels_(round_up(panels_, kCodeBlock)),
      panel_bytes_(extent.taps * quads_ * kCodePanel * kCodeQuad),
      scratch_bytes_(round_up(static_cast<int64_t>(loops.scratch_bytes(extent.taps, quads_)), int64_t{64})),
      codes_(static_cast<size_t>(extent.groups * panels_ * panel_bytes_) + loops.beyond),
      bias_(placed_bias(weights, input,
                        padded_places(extent.groups, extent.outputs, padded_panels_ * kCodePanel),
                        loops.code_bias)),
      finish_(requantizer, padded_places(extent.groups, extent.outputs, padded_panels_ * kCodePanel),
              residual) {
  auto* to = reinterpret_cast<int8_t*>(codes_.data());
  std::memset(to, 0, codes_.size());
  for (int64_t output = 0; output < weights.outputs; ++output) {
    const int64_t group = output / extent.outputs, lane = output % extent.outputs;
    int8_t* panel =
        to + (group * panels_ + lane / kCodePanel) * panel_bytes_ + lane % kCodePanel * loops.side;
    const int8_t* from = weights.codes.data() + output * weights.columns;
    for (int64_t c = 0; c < extent.channels; ++c)
      for (int64_t tap = 0; tap < extent.taps; ++tap)
        panel[(tap * quads_ * kCodeQuad + c / loops.side * loops.side) * kCodePanel + c % loops.side] =
            from[c * extent.taps + tap];
  }
}

CodeTile CodeWeights::tile(int64_t group, int64_t first, int64_t panels) const {
  CodeTile tile{};
  tile.taps = extent_.taps;
  tile.quads = quads_;
  tile.pairs = ceil_div(extent_.channels, int64_t{2});
  tile.weights = reinterpret_cast<const int8_t*>(codes_.data()) + (group * panels_ + first) * panel_bytes_;
  tile.bias = bias_.data() + (group * padded_panels_ + first) * kCodePanel;
  tile.outputs = std::min(extent_.outputs - first * kCodePanel, panels * kCodePanel);
  return tile;
}

CodeDepthwiseWeights::CodeDepthwiseWeights(const IntegerWeights& weights, const Requantizer& requantizer,
                                           const CodeScale& input, const CodeDepthwiseLoops& loops)
    : channels_(weights.outputs),
      taps_(round_up(weights.columns, loops.taps)),
      codes_(static_cast<size_t>(round_up(channels_, loops.block) * taps_)),
      bias_(placed_bias(weights, input, ordered_places(channels_, loops), 0)),
      finish_(requantizer, ordered_places(channels_, loops)) {
  auto* to = reinterpret_cast<int8_t*>(codes_.data());
  std::memset(to, 0, codes_.size());
  const std::vector<int64_t> places = ordered_places(channels_, loops);
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] < 0) continue;
    const int64_t place = static_cast<int64_t>(i);
    int8_t* block = to + place / loops.block * loops.block * taps_;
    for (int64_t tap = 0; tap < weights.columns; ++tap)
      block[(tap / loops.taps * loops.block + place % loops.block) * loops.taps + tap % loops.taps] =
          weights.codes[static_cast<size_t>(places[i] * weights.columns + tap)];
  }
}

CodeDepthwise CodeDepthwiseWeights::work() const {
  CodeDepthwise work{};
  work.taps = taps_;
  work.channels = channels_;
  work.weights = reinterpret_cast<const int8_t*>(codes_.data());
  work.bias = bias_.data();
  return work;
}

}  // namespace halftone::cpu
