#include "quant/algo/int8_static/channel_spread.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "quant/algo/int8_static/sample_choice.h"

namespace halftone {
namespace {

void see(ChannelSpread& channel, std::span<const float> numbers) {
  double sum = 0, squares = 0;
  for (const float x : numbers) {
    channel.low = std::min(channel.low, x);
    channel.high = std::max(channel.high, x);
    sum += double{x};
    squares += double{x} * double{x};
  }
  channel.sum += sum;
  channel.squares += squares;
  channel.count += static_cast<double>(numbers.size());
}

}  // namespace

void ChannelSpread::include(const ChannelSpread& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
  sum += other.sum;
  squares += other.squares;
  count += other.count;
}

double ChannelSpread::variance() const {
  if (count == 0) return 0;
  return std::max(0.0, squares / count - sum / count * (sum / count));
}

std::map<std::string, std::vector<ChannelSpread>> observe_channels(const Graph& graph,
                                                                   std::span<const ValueId> values,
                                                                   const QuantizeOptions& options) {
  std::set<std::string> wanted;
  for (ValueId value : values) wanted.insert(graph.value(value).name);
  std::map<std::string, std::vector<ChannelSpread>> seen;
  CompileOptions how;
  how.backend = options.backend;
  how.exact = true;
  Session session(compile(graph, how, *options.threads), *options.threads);
  session.observe([&](const Value& value, const TensorView& tensor) {
    if (tensor.dtype != DType::f32 || tensor.shape[1] == 0 || !wanted.contains(value.name)) return;
    std::vector<ChannelSpread>& channels = seen[value.name];
    channels.resize(static_cast<size_t>(tensor.shape[1]));
    size_t inner = 1;
    for (int axis = 2; axis < tensor.shape.rank(); ++axis) inner *= static_cast<size_t>(tensor.shape[axis]);
    const auto numbers = tensor.span<float>();
    for (size_t run = 0; run * inner < numbers.size(); ++run)
      see(channels[run % channels.size()], numbers.subspan(run * inner, inner));
  });
  const int samples = options.data->samples();
  run_samples(session, choose_samples(*options.data, samples), *options.data, {}, [&](size_t run) {
    if (options.progress) options.progress(static_cast<int>(run) + 1, samples, "ranges of channels");
  });
  for (const auto& [name, channels] : seen)
    for (const ChannelSpread& channel : channels)
      if (!std::isfinite(channel.squares)) throw InputError("value {}: not finite", name);
  return seen;
}

}  // namespace halftone
