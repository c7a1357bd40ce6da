#include "quant/algo/int8_static/sample_choice.h"

#include <algorithm>

namespace halftone {

std::vector<int> choose_samples(const CalibrationData& data, int most) {
  const int count = std::min(most, data.samples());
  std::vector<int> chosen;
  for (int i = 0; i < count; ++i) chosen.push_back(static_cast<int>(int64_t{i} * data.samples() / count));
  return chosen;
}

void run_samples(Session& session, const std::vector<int>& samples, const CalibrationData& data,
                 const std::function<void(const std::string& input, const TensorView& tensor)>& see,
                 const std::function<void(size_t run)>& after) {
  for (size_t run = 0; run < samples.size(); ++run) {
    const std::map<std::string, Tensor> sample = data.sample(samples[run]);
    std::map<std::string, TensorView> inputs;
    for (const auto& [name, tensor] : sample) {
      if (see) see(name, tensor.view());
      inputs.emplace(name, tensor.view());
    }
    session.run(inputs);
    if (after) after(run);
  }
}

}  // namespace halftone
