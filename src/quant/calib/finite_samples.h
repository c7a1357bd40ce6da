#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quant/calib/calibration.h"

namespace halftone {

/// Calibration data without the samples that hold a NaN, or an infinity that reaches a layer
/// (ended_infinities.h). Looks at all of them once.
class FiniteSamples final : public CalibrationData {
 public:
  /// For `graph`. `data` must outlive it. Throws InputError when no sample is left.
  FiniteSamples(const CalibrationData& data, const Graph& graph);

  int samples() const override { return static_cast<int>(kept_.size()); }
  std::map<std::string, Tensor> sample(int index) const override {
    return data_.sample(kept_[static_cast<size_t>(index)]);
  }
  std::unique_ptr<State> make_state(const std::string& name) const override { return data_.make_state(name); }

  /// "1 of 8 samples left out: its input "x" is nan"; empty where all are finite.
  const std::string& remark() const { return remark_; }

 private:
  const CalibrationData& data_;
  std::vector<int> kept_;
  std::string remark_;
};

/// The first NaN of a tensor in f32, f16 or bf16, or infinity unless these do no harm there; nothing where
/// there is none, or another type.
std::optional<float> first_not_finite(const TensorView& tensor, bool infinities_end = false);

}  // namespace halftone
