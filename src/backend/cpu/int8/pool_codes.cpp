#include <algorithm>
#include <cstring>

#include "backend/cpu/int8/code_gather.h"
#include "backend/kernel.h"
#include "ops/pool_integer.h"

namespace halftone::cpu {
namespace {

Refusal layout_refusal(const OpSite& site) {
  const Storage &in = site.inputs[0].storage, &out = site.storage_of_output(0);
  if (!in.codes || !out.codes) return "not from codes to codes";
  if (in.order != Storage::Order::channels_last || out.order != Storage::Order::channels_last)
    return "the values are not stored channels-last";
  if (site.input_shape(0).rank() > 4) return "more than two spatial axes";
  return {};
}

Refusal supports_max(const OpSite& site) {
  if (Refusal refusal = layout_refusal(site); !refusal.empty()) return refusal;
  if (*site.inputs[0].storage.codes != *site.storage_of_output(0).codes) return "the scale changes";
  if (site.outputs.size() > 1) return "indices are asked for";
  if (site.input_shape(0)[1] < 0) return "the number of channels is not known";
  return {};
}

Refusal supports_average(const OpSite& site) {
  if (Refusal refusal = layout_refusal(site); !refusal.empty()) return refusal;
  if (!site.input_shape(0).is_concrete()) return "symbolic sizes";
  return average_on_codes.refusal(site);
}

/// Pools over codes: one output at a time, all its channels.
class PoolCodes : public PreparedKernel {
 public:
  /// Outputs whose rows are gathered at a time.
  static constexpr int64_t kChunk = 16;

  PoolCodes(int64_t channels, int threads, uint8_t padding)
      : padding_(static_cast<size_t>(channels), padding), threads_(threads) {}

  bool spaces_rows() const override { return true; }
  size_t workspace_bytes(const OpSite& site) const override {
    return static_cast<size_t>(threads_) * worker_bytes(window(site).taps());
  }
  void run(const KernelRun& run) const override {
    pool(run, window(run.site), run.site.input_shape(0), run.outputs[0].shape,
         run.inputs[0].span<uint8_t>().data(), run.outputs[0].span<uint8_t>().data(),
         run.step_of(channels()));
  }

 protected:
  /// Rows of y lie `step` codes apart.
  void pool(const KernelRun& run, const Window& window, const Shape& input, const Shape& output,
            const uint8_t* x, uint8_t* y, int64_t step) const {
    const CodeGather gather(window, input, output);
    const int64_t places = gather.places(), workers = std::min<int64_t>(threads_, run.threads.size());
    const size_t bytes = worker_bytes(gather.taps());
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) {
        std::byte* memory = run.workspace.data() + static_cast<size_t>(worker) * bytes;
        auto* rows = reinterpret_cast<const uint8_t**>(memory);
        auto* sums = reinterpret_cast<int32_t*>(rows + gather.taps() * kChunk);
        const int64_t last = places * (worker + 1) / workers;
        for (int64_t first = places * worker / workers, count; first < last; first += count) {
          count = std::min(kChunk, last - first);
          gather.rows(x, padding_.data(), 0, first, count, rows);
          for (int64_t i = 0; i < count; ++i)
            reduce({rows + i, gather.taps(), count}, sums, y + (first + i) * step);
        }
      }
    });
  }

  /// Where one output reads: tap t at from[t * step].
  struct Rows {
    const uint8_t* const* from;
    int64_t taps, step;
  };
  int64_t channels() const { return static_cast<int64_t>(padding_.size()); }
  virtual Window window(const OpSite& site) const = 0;
  virtual void reduce(const Rows& rows, int32_t* sums, uint8_t* y) const = 0;

 private:
  size_t worker_bytes(int64_t taps) const {
    return (static_cast<size_t>(taps * kChunk) * sizeof(void*) + padding_.size() * sizeof(int32_t) + 63) /
           64 * 64;
  }
  std::vector<uint8_t> padding_;
  int threads_;
};

class MaxPoolCodes final : public PoolCodes {
 public:
  MaxPoolCodes(const OpSite& site, ThreadPool& threads)
      : PoolCodes(site.input_shape(0)[1], threads.size(), 0) {}

  /// The maxima of rows, which a second pass takes the maxima of, lie behind what the pass needs.
  size_t workspace_bytes(const OpSite& site) const override {
    const size_t bytes = PoolCodes::workspace_bytes(site);
    return is_split(window(site)) ? bytes + static_cast<size_t>(across(site).elements()) : bytes;
  }
  void run(const KernelRun& run) const override {
    Window rows = window(run.site);
    if (!is_split(rows)) return PoolCodes::run(run);
    Window columns = rows;
    rows.axes[0] = columns.axes[1] = WindowAxis{};
    const Shape joined = across(run.site);
    auto* maxima = reinterpret_cast<uint8_t*>(run.workspace.data()) + PoolCodes::workspace_bytes(run.site);
    pool(run, rows, run.site.input_shape(0), joined, run.inputs[0].span<uint8_t>().data(), maxima,
         channels());
    pool(run, columns, joined, run.outputs[0].shape, maxima, run.outputs[0].span<uint8_t>().data(),
         run.step_of(channels()));
  }

 private:
  Window window(const OpSite& site) const override { return pool_window(site); }
  /// A large window is faster as a row and a column.
  static bool is_split(const Window& window) {
    return window.rank == 2 && window[0].kernel > 1 && window[1].kernel > 1 && window.taps() > 16;
  }
  /// Under the rows of the window alone.
  static Shape across(const OpSite& site) {
    const Shape &x = site.input_shape(0), &y = site.outputs[0].shape;
    return {x[0], x[1], x[2], y[3]};
  }
  /// 16 codes, by the compiler's vectors: every processor here has their maximum.
  using Codes = uint8_t __attribute__((vector_size(16)));
  static constexpr int64_t kCodes = sizeof(Codes);
  static constexpr int kBlock = 4;  ///< vectors whose maximum stays in registers over all taps

  void reduce(const Rows& rows, int32_t*, uint8_t* y) const override {
    int64_t c = 0;
    for (; c + kBlock * kCodes <= channels(); c += kBlock * kCodes) block<kBlock>(rows, c, y);
    for (; c + kCodes <= channels(); c += kCodes) block<1>(rows, c, y);
    if (c < channels() && channels() >= kCodes)
      block<1>(rows, channels() - kCodes, y);  // some of it for the second time
    else
      for (; c < channels(); ++c) {
        y[c] = rows.from[0][c];
        for (int64_t t = 1; t < rows.taps; ++t) y[c] = std::max(y[c], rows.from[t * rows.step][c]);
      }
  }

  template <int kVectors>
  static void block(const Rows& rows, int64_t c, uint8_t* y) {
    Codes most[kVectors];
    std::memcpy(most, rows.from[0] + c, sizeof(most));
    for (int64_t t = 1; t < rows.taps; ++t) {
      Codes row[kVectors];
      std::memcpy(row, rows.from[t * rows.step] + c, sizeof(row));
      for (int v = 0; v < kVectors; ++v) most[v] = row[v] > most[v] ? row[v] : most[v];
    }
    std::memcpy(y + c, most, sizeof(most));
  }
};

class AveragePoolCodes final : public PoolCodes {
 public:
  AveragePoolCodes(const OpSite& site, ThreadPool& threads)
      : PoolCodes(site.input_shape(0)[1], threads.size(), site.inputs[0].storage.codes->zero),
        zero_(site.inputs[0].storage.codes->zero),
        requantizer_(site, {code_average(site).unit}) {}

 private:
  Window window(const OpSite& site) const override { return code_average(site).window; }
  void reduce(const Rows& rows, int32_t* __restrict sums, uint8_t* y) const override {
    const int64_t count = channels();
    std::fill_n(sums, count, -zero_ * static_cast<int32_t>(rows.taps));
    for (int64_t t = 0; t < rows.taps; ++t) {
      const uint8_t* __restrict row = rows.from[t * rows.step];
      for (int64_t c = 0; c < count; ++c) sums[c] += row[c];
    }
    for (int64_t c = 0; c < count; ++c) y[c] = requantizer_.code(sums[c], 0);
  }
  int32_t zero_;
  Requantizer requantizer_;
};

template <class Pool>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Pool>(site, threads);
}

}  // namespace

extern const Kernel max_pool_codes{"max_pool_codes",      "MaxPool", Isa::scalar, supports_max,
                                   prepare<MaxPoolCodes>, true};
extern const Kernel average_pool_codes{
    "average_pool_codes", "AveragePool", Isa::scalar, supports_average, prepare<AveragePoolCodes>, true};
extern const Kernel global_average_pool_codes{"global_average_pool_codes",
                                              "GlobalAveragePool",
                                              Isa::scalar,
                                              supports_average,
                                              prepare<AveragePoolCodes>,
                                              true};

}  // namespace halftone::cpu
