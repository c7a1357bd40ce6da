#include "quant/algo/int8_static/channel_peaks.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace halftone {

std::map<std::string, std::vector<float>> channel_peaks(const Graph& graph, std::span<const ValueId> values,
                                                        const QuantizeOptions& options) {
  std::map<std::string, std::vector<float>> peaks;
  for (ValueId id : values)
    peaks[graph.value(id).name].resize(static_cast<size_t>(graph.value(id).type.shape.back()));
  CompileOptions how;
  how.backend = options.backend;
  how.exact = true;
  how.run_passes = false;
  Session session(compile(graph, how, *options.threads), *options.threads);
  session.observe([&](const Value& value, const TensorView& tensor) {
    const auto found = peaks.find(value.name);
    if (found == peaks.end()) return;
    const auto numbers = tensor.span<float>();
    for (size_t i = 0; i < numbers.size(); ++i) {
      if (!std::isfinite(numbers[i])) throw InputError("value {}: not finite", value.name);
      float& peak = found->second[i % found->second.size()];
      peak = std::max(peak, std::abs(numbers[i]));
    }
  });
  for (int i = 0; i < options.data->samples(); ++i) {
    const std::map<std::string, Tensor> sample = options.data->sample(i);
    std::map<std::string, TensorView> inputs;
    for (const auto& [name, tensor] : sample) inputs.emplace(name, tensor.view());
    session.run(inputs);
    if (options.progress) options.progress(i + 1, options.data->samples(), "ranges of channels");
  }
  return peaks;
}

}  // namespace halftone
