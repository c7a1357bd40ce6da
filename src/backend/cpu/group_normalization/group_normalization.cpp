#include <algorithm>
#include <cmath>

#include "backend/cpu/float_site.h"
#include "base/checked.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kLanes = 16;
/// Floats that are summed in f32 before the sum goes on in double.
constexpr int64_t kBlock = 2048;
/// The same in positions of channels that lie last.
constexpr int64_t kChunk = 64;

/// Sum of f(x) over `count` floats, in lanes, which compilers vectorise.
template <class F>
double sum_over(const float* x, int64_t count, F f) {
  double sum = 0;
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t end = std::min(first + kBlock, count);
    float lanes[kLanes] = {};
    int64_t i = first;
    for (; i + kLanes <= end; i += kLanes)
      for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(x[i + lane]);
    for (int64_t lane = 0; i + lane < end; ++lane) lanes[lane] += f(x[i + lane]);
    for (float lane : lanes) sum += lane;
  }
  return sum;
}

struct Extent {
  int64_t batch, channels, positions, groups;
  int64_t group_channels() const { return channels / groups; }
  int64_t group_size() const { return group_channels() * positions; }
  int64_t chunks() const { return ceil_div(positions, kChunk); }
};

Extent extent_of(const OpSite& site) {
  const Shape& x = site.input_shape(0);
  const int64_t channels = x[1];
  const bool instance = site.schema->name == "InstanceNormalization";
  return {x[0], channels, channels == 0 || x[0] == 0 ? 0 : x.elements() / (x[0] * channels),
          instance ? channels : site.attributes->get_int("num_groups", 0)};
}

/// y = (x - mean) / sqrt(variance + epsilon) * scale + shift; of one group, whose channels follow each other.
void normalise_planar(const float* x, const float* scale, const float* shift, float* y, const Extent& extent,
                      float epsilon) {
  const auto count = static_cast<double>(extent.group_size());
  const auto mean = static_cast<float>(sum_over(x, extent.group_size(), [](float v) { return v; }) / count);
  const double variance =
      sum_over(x, extent.group_size(), [mean](float v) { return (v - mean) * (v - mean); }) / count;
  const float inverse = 1.0f / std::sqrt(static_cast<float>(variance) + epsilon);
  for (int64_t c = 0; c < extent.group_channels(); ++c, x += extent.positions, y += extent.positions)
    for (int64_t i = 0; i < extent.positions; ++i) y[i] = (x[i] - mean) * inverse * scale[c] + shift[c];
}

/// One sample whose channels lie last: sums of channels, chunk by chunk of positions.
class LastChannels {
 public:
  LastChannels(const Extent& extent, std::span<std::byte> workspace, ThreadPool& threads)
      : extent_(extent), threads_(threads), means_(reinterpret_cast<float*>(workspace.data())) {}

  static size_t workspace_bytes(const Extent& extent) {
    return static_cast<size_t>((extent.chunks() + 2) * extent.channels) * sizeof(float);
  }

  void normalise(const float* x, const float* scale, const float* shift, float* y, float epsilon) const {
    const int64_t channels = extent_.channels;
    sum_chunks(x, [](float v, int64_t) { return v; });
    for_each_group([&](double sum, int64_t first, int64_t end) {
      for (int64_t c = first; c < end; ++c)
        means_[c] = static_cast<float>(sum / static_cast<double>(extent_.group_size()));
    });
    sum_chunks(x, [this](float v, int64_t c) { return (v - means_[c]) * (v - means_[c]); });
    for_each_group([&](double sum, int64_t first, int64_t end) {
      const auto variance = static_cast<float>(sum / static_cast<double>(extent_.group_size()));
      const float inverse = 1.0f / std::sqrt(variance + epsilon);
      for (int64_t c = first; c < end; ++c) factors()[c] = inverse * scale[c];
    });
    threads_.parallel_for(extent_.positions, row_grain(channels), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p)
        for (int64_t c = 0; c < channels; ++c)
          y[p * channels + c] = (x[p * channels + c] - means_[c]) * factors()[c] + shift[c];
    });
  }

 private:
  float* factors() const { return means_ + extent_.channels; }
  float* sums(int64_t chunk) const { return means_ + (2 + chunk) * extent_.channels; }

  template <class F>
  void sum_chunks(const float* x, F f) const {
    const int64_t channels = extent_.channels;
    threads_.parallel_for(extent_.chunks(), row_grain(kChunk * channels), [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        float* to = sums(chunk);
        std::fill_n(to, channels, 0.0f);
        const int64_t last = std::min((chunk + 1) * kChunk, extent_.positions);
        for (int64_t p = chunk * kChunk; p < last; ++p)
          for (int64_t c = 0; c < channels; ++c) to[c] += f(x[p * channels + c], c);
      }
    });
  }

  /// body(sum of the chunks' sums, first channel, end).
  template <class Body>
  void for_each_group(Body body) const {
    for (int64_t first = 0; first < extent_.channels; first += extent_.group_channels()) {
      const int64_t end = first + extent_.group_channels();
      double sum = 0;
      for (int64_t chunk = 0; chunk < extent_.chunks(); ++chunk)
        for (int64_t c = first; c < end; ++c) sum += sums(chunk)[c];
      body(sum, first, end);
    }
  }

  const Extent& extent_;
  ThreadPool& threads_;
  float* means_;  ///< [channels], factors behind it, then sums [chunks, channels]
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = mixed_order_refusal(site); !refusal.empty()) return refusal;
  return not_all_f32(site, 3);
}

class GroupNormalization : public PreparedKernel {
 public:
  explicit GroupNormalization(const OpSite& site)
      : last_(site.storage_of_output(0).order == Storage::Order::channels_last),
        epsilon_(site.attributes->get_float("epsilon", 1e-5f)) {}

  size_t workspace_bytes(const OpSite& site) const override {
    return last_ ? LastChannels::workspace_bytes(extent_of(site)) : 0;
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const Extent extent = extent_of(run.site);
    const float* x = run.inputs[0].span<float>().data();
    const float* scale = run.inputs[1].span<float>().data();
    const float* shift = run.inputs[2].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    if (last_) {
      const LastChannels sample(extent, run.workspace, run.threads);
      for (int64_t n = 0; n < extent.batch; ++n) {
        const int64_t at = n * extent.channels * extent.positions;
        sample.normalise(x + at, scale, shift, y + at, epsilon_);
      }
      return;
    }
    run.threads.parallel_for(
        extent.batch * extent.groups, row_grain(extent.group_size()), [&](int64_t begin, int64_t end) {
          for (int64_t group = begin; group < end; ++group) {
            const int64_t at = group * extent.group_size();
            const int64_t channel = group % extent.groups * extent.group_channels();
            normalise_planar(x + at, scale + channel, shift + channel, y + at, extent, epsilon_);
          }
        });
  }

 private:
  bool last_;
  float epsilon_;
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<GroupNormalization>(site);
}

}  // namespace

extern const Kernel group_normalization{
    "group_normalization", "GroupNormalization", Isa::scalar, supports, prepare, true};
extern const Kernel instance_normalization{
    "instance_normalization", "InstanceNormalization", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
