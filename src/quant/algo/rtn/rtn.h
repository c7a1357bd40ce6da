#pragma once

#include "quant/algorithm.h"

namespace halftone {

/// Round to nearest: each scale fitted to the extremes of its group, each weight to the nearest code. Needs
/// no calibration data. Only sets encodings: codes are made when a constant is stored or packed, one at a
/// time, so a model of any size streams through. With `search_scales` or `percentile` scales cover less than
/// the extremes (quantize_with_range()); then all codes are made, and held, at once.
class Rtn final : public Algorithm {
 public:
  std::string_view name() const override { return "rtn"; }
  std::span<const AlgorithmSetting> settings() const override;
  void apply(CalibrationBlock& block, const AlgorithmSettings& settings) const override;
};

}  // namespace halftone
