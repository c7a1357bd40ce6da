#include "ops/pool.h"

#include "backend/cpu/float_site.h"
#include "backend/cpu/window/planes.h"
#include "ops/average_pool/average_pool.h"

namespace halftone::cpu {
namespace {

Refusal refusal_of(const OpSite& site) {
  if (Refusal refusal = channels_last_refusal(site); !refusal.empty()) return refusal;
  if (site.input_shape(0).rank() > 4) return fmt::format("{} spatial axes", site.input_shape(0).rank() - 2);
  return not_all_f32(site, 1);
}

Refusal supports_max(const OpSite& site) {
  if (site.outputs.size() > 1) return "Indices are asked for";
  return refusal_of(site);
}

class MaxPoolKernel : public PreparedKernel {
 public:
  MaxPoolKernel(const OpSite& site, const WindowLoops& loops) : loops_(loops), window_(pool_window(site)) {}

  bool spaces_rows() const override { return true; }
  /// The maxima of rows, which a second pass takes the maxima of.
  size_t workspace_bytes(const OpSite& site) const override {
    if (!is_split()) return 0;
    const Shape &x = site.input_shape(0), &y = site.outputs[0].shape;
    return static_cast<size_t>(x[0] * x[1] * x[2] * y[3]) * sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const Shape& x = run.inputs[0].tensor.shape;
    const Planes planes = make_planes(window_, x, run.outputs[0].shape);
    const float* from = run.inputs[0].span<float>().data();
    float* to = run.outputs[0].span<float>().data();
    const int64_t step = run.step_of(x[1]);
    if (!is_split()) return pool(run.threads, planes, x[1], from, to, step);
    Planes across = planes, down = planes;
    across.y = WindowAxis{};
    across.out_rows = planes.rows;
    down.x = WindowAxis{};
    down.columns = planes.out_columns;
    float* rows = reinterpret_cast<float*>(run.workspace.data());
    pool(run.threads, across, x[1], from, rows, x[1]);
    pool(run.threads, down, x[1], rows, to, step);
  }

 private:
  /// A large window is faster as a row and a column.
  bool is_split() const {
    return window_.rank == 2 && window_[0].kernel > 1 && window_[1].kernel > 1 && window_.taps() > 16;
  }
  void pool(ThreadPool& threads, const Planes& planes, int64_t channels, const float* from, float* to,
            int64_t step) const {
    threads.parallel_for(planes.batch * planes.out_rows,
                         work_grain(planes.out_columns * channels * planes.taps() * 4),
                         [&](int64_t begin, int64_t end) {
                           for (int64_t row = end; row-- > begin;)  // what was written last is still near
                             loops_.max(window_row(planes, from, to, channels, step, row));
                         });
  }

  const WindowLoops& loops_;
  Window window_;
};

class AveragePoolKernel : public PreparedKernel {
 public:
  AveragePoolKernel(const OpSite& site, const WindowLoops& loops)
      : loops_(loops),
        is_global_(site.schema->name == "GlobalAveragePool"),
        include_pad_(site.attributes->get_int("count_include_pad", 0) != 0) {
    if (!is_global_) window_ = pool_window(site);
  }

  size_t workspace_bytes(const OpSite& site) const override {
    const Shape& y = site.outputs[0].shape;
    return static_cast<size_t>(y[2] + y.back()) * sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const Shape& x = run.inputs[0].tensor.shape;
    const Planes planes = make_planes(is_global_ ? whole_window(x) : window_, x, run.outputs[0].shape);
    float* row_divisors = reinterpret_cast<float*>(run.workspace.data());
    float* column_divisors = row_divisors + planes.out_rows;
    fill_divisors(planes.y, planes.rows, {row_divisors, static_cast<size_t>(planes.out_rows)});
    fill_divisors(planes.x, planes.columns, {column_divisors, static_cast<size_t>(planes.out_columns)});
    const float* from = run.inputs[0].span<float>().data();
    float* to = run.outputs[0].span<float>().data();
    run.threads.parallel_for(planes.batch * planes.out_rows,
                             work_grain(planes.out_columns * x[1] * planes.taps() * 4),
                             [&](int64_t begin, int64_t end) {
                               for (int64_t row = begin; row < end; ++row)
                                 loops_.average(window_row(planes, from, to, x[1], x[1], row),
                                                row_divisors[row % planes.out_rows], column_divisors);
                             });
  }

 private:
  /// The divisor of a place is the product of its row's and its column's.
  void fill_divisors(const WindowAxis& axis, int64_t size, std::span<float> divisors) const {
    Window line;
    line.rank = 1;
    line.axes[0] = axis;
    for (size_t i = 0; i < divisors.size(); ++i)
      divisors[i] = static_cast<float>(
          average_pool_divisor(line, Shape{size}, SpatialIndex{static_cast<int64_t>(i)}, include_pad_));
  }

  const WindowLoops& loops_;
  bool is_global_, include_pad_;
  Window window_;
};

template <const WindowLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare_max(const OpSite& site, ThreadPool&) {
  return std::make_unique<MaxPoolKernel>(site, kLoops);
}
template <const WindowLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare_average(const OpSite& site, ThreadPool&) {
  return std::make_unique<AveragePoolKernel>(site, kLoops);
}

}  // namespace

#define HALFTONE_POOL_KERNELS(isa)                                                                           \
  extern const Kernel max_pool_##isa{"max_pool_" #isa,          "MaxPool", Isa::isa, supports_max,           \
                                     prepare_max<window_##isa>, true};                                       \
  extern const Kernel average_pool_##isa{"average_pool_" #isa,          "AveragePool", Isa::isa, refusal_of, \
                                         prepare_average<window_##isa>, true};                               \
  extern const Kernel global_average_pool_##isa{"global_average_pool_" #isa,                                 \
                                                "GlobalAveragePool",                                         \
                                                Isa::isa,                                                    \
                                                refusal_of,                                                  \
                                                prepare_average<window_##isa>,                               \
                                                true};

#if defined(__x86_64__)
HALFTONE_POOL_KERNELS(avx512vnni)
HALFTONE_POOL_KERNELS(avx2)
#elif defined(__aarch64__)
HALFTONE_POOL_KERNELS(neon)
#endif

}  // namespace halftone::cpu
