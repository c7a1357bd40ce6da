#pragma once

#include <functional>
#include <string>
#include <vector>

#include "quant/calib/calibration.h"

namespace halftone {

/// At most `most` samples, spread evenly over the data.
std::vector<int> choose_samples(const CalibrationData& data, int most);

/// Runs a session over samples; `see`, if given, is shown its inputs.
void run_samples(Session& session, const std::vector<int>& samples, const CalibrationData& data,
                 const std::function<void(const std::string& input, const TensorView& tensor)>& see = {},
                 const std::function<void(size_t run)>& after = {});

}  // namespace halftone
