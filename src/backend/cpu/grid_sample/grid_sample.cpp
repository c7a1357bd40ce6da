#include "ops/grid_sample/grid_sample.h"

#include <algorithm>

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

/// Points of the grid that are worked on together, for all channels.
constexpr int64_t kPoints = 64;
/// Elements of a plane that one point reads at most.
constexpr size_t kMostTaps = 16;

/// What points read: element and weight, tap by tap. A point of fewer taps reads one of its own (or the first
/// of the plane, where it has none) with weight 0.
struct PointTaps {
  size_t count = 0;
  int32_t index[kMostTaps][kPoints];
  float weight[kMostTaps][kPoints];

  void set(int64_t point, const GridTaps& rows, const GridTaps& columns, int64_t width) {
    size_t tap = 0;
    for (size_t r = 0; r < rows.count; ++r)
      for (size_t c = 0; c < columns.count; ++c, ++tap) {
        index[tap][point] = static_cast<int32_t>(rows.taps[r].index * width + columns.taps[c].index);
        weight[tap][point] = static_cast<float>(rows.taps[r].weight * columns.taps[c].weight);
      }
    const int32_t own = tap > 0 ? index[0][point] : 0;
    for (; tap < count; ++tap) {
      index[tap][point] = own;
      weight[tap][point] = 0;
    }
  }
};

/// y[p] = sum of the taps of point p, for `points` points of one channel.
void read_plane(const float* x, const PointTaps& taps, float* y, int64_t points) {
  float sums[kPoints];
  for (int64_t p = 0; p < points; ++p) sums[p] = taps.weight[0][p] * x[taps.index[0][p]];
  for (size_t tap = 1; tap < taps.count; ++tap)
    for (int64_t p = 0; p < points; ++p) sums[p] += taps.weight[tap][p] * x[taps.index[tap][p]];
  std::copy_n(sums, points, y);
}

/// Planar images of two spatial axes.
class GridSampleKernel : public PreparedKernel {
 public:
  explicit GridSampleKernel(const OpSite& site) : sampling_(grid_sampling(site)) {}

  void run(const KernelRun& run) const override {
    const Shape& x = run.site.input_shape(0);
    const Shape& y = run.outputs[0].shape;
    if (y.elements() == 0) return;
    const int64_t channels = y[1], places = y[2] * y[3], plane = x[2] * x[3];
    const int64_t blocks = (places + kPoints - 1) / kPoints;
    const float* from = run.inputs[0].span<float>().data();
    const float* grid = run.inputs[1].span<float>().data();
    float* to = run.outputs[0].span<float>().data();
    run.threads.parallel_for(y[0] * blocks, row_grain(kPoints * channels), [&](int64_t begin, int64_t end) {
      PointTaps taps;
      taps.count = taps_of_a_point();
      for (int64_t block = begin; block < end; ++block) {
        const int64_t sample = block / blocks, first = block % blocks * kPoints;
        const int64_t points = std::min(kPoints, places - first);
        const float* at = grid + 2 * (sample * places + first);
        for (int64_t p = 0; p < points; ++p)
          taps.set(p, grid_taps(at[2 * p + 1], x[2], sampling_), grid_taps(at[2 * p], x[3], sampling_), x[3]);
        for (int64_t c = sample * channels; c < (sample + 1) * channels; ++c)
          read_plane(from + c * plane, taps, to + c * places + first, points);
      }
    });
  }

 private:
  size_t taps_of_a_point() const {
    return sampling_.mode == GridSampling::Mode::nearest  ? 1
           : sampling_.mode == GridSampling::Mode::linear ? 4
                                                          : kMostTaps;
  }

  GridSampling sampling_;
};

Refusal supports(const OpSite& site) {
  const Shape& x = site.input_shape(0);
  if (x.rank() != 4) return fmt::format("{} spatial axes, not 2", x.rank() - 2);
  if (x.is_concrete() && x[2] * x[3] > INT32_MAX) return "2^31 elements or more in a plane";
  if (x[2] == 0 || x[3] == 0) return "X is empty";
  return not_all_f32(site, 2);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<GridSampleKernel>(site);
}

}  // namespace

extern const Kernel grid_sample{"grid_sample", "GridSample", Isa::scalar, supports, prepare};

}  // namespace halftone::cpu
