#include <algorithm>

#include "backend/cpu/float_site.h"
#include "backend/cpu/resize/resize_site.h"

// Resize of planes: an output row is a weighted sum of input rows, of which each output takes a few numbers.

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  return places_refusal(site);
}

/// The taps of every output along the columns, as many for each.
class ColumnTaps {
 public:
  explicit ColumnTaps(const std::vector<std::vector<ResizeTap>>& outputs) {
    for (const auto& taps : outputs) count_ = std::max(count_, taps.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].empty()) missing_.push_back(i);
      for (size_t t = 0; t < count_; ++t) add(outputs[i], t);
    }
  }

  void apply(const float* line, float missing, float* to, size_t columns) const {
    if (count_ == 1)
      gather<1>(line, to, columns);
    else if (count_ == 2)
      gather<2>(line, to, columns);
    else if (count_ == 4)
      gather<4>(line, to, columns);
    else
      gather<0>(line, to, columns);
    for (size_t i : missing_) to[i] = missing;
  }

 private:
  /// What an output has too few of is made by halving its last one, which changes no sum.
  void add(const std::vector<ResizeTap>& taps, size_t t) {
    if (t < taps.size()) {
      from_.push_back(static_cast<int32_t>(taps[t].from));
      weights_.push_back(static_cast<float>(taps[t].weight));
    } else if (taps.empty()) {
      from_.push_back(0);
      weights_.push_back(0);
    } else {
      weights_.back() /= 2;
      from_.push_back(from_.back());
      weights_.push_back(weights_.back());
    }
  }

  /// kTaps: how many there are; 0: any number.
  template <size_t kTaps>
  void gather(const float* line, float* to, size_t columns) const {
    const size_t taps = kTaps > 0 ? kTaps : count_;
    const int32_t* from = from_.data();
    const float* weights = weights_.data();
    for (size_t i = 0; i < columns; ++i, from += taps, weights += taps) {
      float sum = 0;
      for (size_t t = 0; t < taps; ++t) sum += weights[t] * line[from[t]];
      to[i] = sum;
    }
  }

  size_t count_ = 0;
  std::vector<int32_t> from_;
  std::vector<float> weights_;
  std::vector<size_t> missing_;  ///< outputs outside of the input
};

struct Taps {
  std::vector<std::vector<ResizeTap>> rows;
  ColumnTaps columns;

  explicit Taps(const OpSite& site) : Taps(site, *resize_axes(site)) {}
  Taps(const OpSite& site, const std::vector<ResizeAxis>& axes)
      : rows(resize_taps(site, axes[2])), columns(resize_taps(site, axes[3])) {}
};

class PlanarResize : public PreparedKernel {
 public:
  PlanarResize(const OpSite& site, int threads)
      : missing_(site.attributes->get_float("extrapolation_value", 0)), threads_(threads) {
    const Shape& x = site.input_shape(0);
    if (x[2] >= 0 && x[3] >= 0 && resize_axes(site)) taps_.emplace(site);
  }

  size_t workspace_bytes(const OpSite& site) const override {
    return static_cast<size_t>(threads_ * site.input_shape(0)[3]) * sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const Shape &from = run.inputs[0].tensor.shape, &to = run.outputs[0].shape;
    if (to.elements() == 0) return;
    const std::optional<Taps> fresh = taps_ ? std::nullopt : std::optional<Taps>(run.site);
    const Taps& taps = taps_ ? *taps_ : *fresh;
    const int64_t rows = to[0] * to[1] * to[2];
    const int64_t workers = std::clamp<int64_t>(rows / row_grain(to[3]), 1, threads_);
    run.threads.parallel_for(workers, 1, [&](int64_t first, int64_t last) {
      for (int64_t worker = first; worker < last; ++worker) {
        float* line = reinterpret_cast<float*>(run.workspace.data()) + worker * from[3];
        for (int64_t row = rows * worker / workers; row < rows * (worker + 1) / workers; ++row)
          fill(run, taps, row, line);
      }
    });
  }

 private:
  void fill(const KernelRun& run, const Taps& taps, int64_t row, float* line) const {
    const Shape &from = run.inputs[0].tensor.shape, &to = run.outputs[0].shape;
    const float* plane = run.inputs[0].span<float>().data() + row / to[2] * from[2] * from[3];
    float* y = run.outputs[0].span<float>().data() + row * to[3];
    const std::vector<ResizeTap>& vertical = taps.rows[static_cast<size_t>(row % to[2])];
    if (vertical.empty()) {
      std::fill_n(y, to[3], missing_);
      return;
    }
    const float* source = plane + vertical[0].from * from[3];
    if (vertical.size() > 1 || vertical[0].weight != 1) {
      sum_rows(plane, from[3], vertical, line);
      source = line;
    }
    taps.columns.apply(source, missing_, y, static_cast<size_t>(to[3]));
  }

  static void sum_rows(const float* plane, int64_t columns, const std::vector<ResizeTap>& taps, float* line) {
    for (size_t t = 0; t < taps.size(); ++t) {
      const float weight = static_cast<float>(taps[t].weight);
      const float* from = plane + taps[t].from * columns;
      if (t == 0)
        for (int64_t i = 0; i < columns; ++i) line[i] = weight * from[i];
      else
        for (int64_t i = 0; i < columns; ++i) line[i] += weight * from[i];
    }
  }

  float missing_;
  int64_t threads_;
  std::optional<Taps> taps_;  ///< where sizes were known ahead
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<PlanarResize>(site, threads.size());
}

}  // namespace

extern const Kernel resize_planar{"resize_planar", "Resize", Isa::scalar, supports, prepare};

}  // namespace halftone::cpu
