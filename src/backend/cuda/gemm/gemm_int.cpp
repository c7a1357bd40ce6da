#include <algorithm>

#include "backend/cuda/gemm/addend.h"
#include "backend/cuda/gemm/int_product_kernels.h"
#include "backend/cuda/gemm/pack_weights.h"
#include "base/checked.h"
#include "ops/gemm/gemm.h"

namespace halftone::cuda {
namespace {

constexpr int kFewRows = 8;
constexpr int kWarps = 8;  // of a block for few rows

const DeviceKernel<IntProductArgs>& few_kernel(WeightKind kind) {
  return kind == WeightKind::int8 ? few_int_int8 : kind == WeightKind::int4 ? few_int_int4 : few_int_int2;
}
const DeviceKernel<IntProductArgs>& many_kernel(WeightKind kind, bool single) {
  if (kind == WeightKind::int8) return single ? many_int_int8_single : many_int_int8;
  return kind == WeightKind::int4 ? many_int_int4 : many_int_int2;
}

/// Every Gemm by integer weights whose activations are int8 by token or by group.
class IntGemm : public CudaKernel {
 public:
  IntGemm(const OpSite& site, ThreadPool& threads)
      : addend_(site),
        threshold_(outlier_threshold(site)),
        group_(dynamic_group(*site.inputs[0].encoding, site.input_shape(1)[1])) {
    const PackedWeights packed =
        pack_weights(device(), *site.inputs[1].constant, true, std::string(site.name), threads);
    weights_memory_ = packed.memory;
    weights_ = packed.view;
    bytes_ = packed.bytes;
    if (addend_.constant().empty()) return;
    c_memory_ = upload(addend_.constant().view().bytes(), fmt::format("C of {}", site.name));
    bytes_ += addend_.constant().size_bytes();
  }

  bool keeps(size_t i) const override { return i == 1 || (i == 2 && c_memory_); }
  size_t packed_bytes() const override { return bytes_; }
  size_t workspace_bytes(const OpSite& site) const override {
    return layout(static_cast<int>(gemm_extent(site).m)).bytes;
  }

  void run(const KernelRun& run) const override {
    const GemmOutput out = addend_.output(run, c_memory_.get());
    if (out.m == 0) return;
    const float* a = pointer<float>(run.inputs[0]);
    const Layout at = layout(out.m);
    std::byte* memory = run.workspace.data();
    const auto ints = [&](size_t offset) { return reinterpret_cast<int*>(memory + offset); };
    IntRowsView rows = geometry();
    rows.codes = reinterpret_cast<int8_t*>(memory);
    rows.sums = ints(at.sums);
    rows.scales = reinterpret_cast<float*>(memory + at.scales);
    const auto* flags = threshold_ > 0 ? reinterpret_cast<uint8_t*>(memory + at.flags) : nullptr;
    if (flags) {
      rows.outliers = ints(at.outliers);
      rows.outlier_count = ints(at.count);
      device().launch(
          flag_outliers, {{ceil_div(weights_.k, 256)}, 256},
          FlagOutliersArgs{a, out.m, weights_.k, threshold_, reinterpret_cast<uint8_t*>(memory + at.flags)});
      device().launch(list_outliers, {{}, 256, kListOutliersShared},
                      ListOutliersArgs{flags, weights_.k, rows.outliers, rows.outlier_count});
    }
    device().launch(quantize_rows, {{out.m}, 256, kQuantizeRowsShared},
                    QuantizeRowsArgs{a, out.m, weights_, rows, flags});
    if (out.m <= kFewRows)
      run_few(a, rows, out);
    else
      run_many(a, rows, out);
  }

 private:
  struct Layout {
    size_t sums, scales, flags, outliers, count, bytes;
  };

  /// All of IntRowsView but its memory.
  IntRowsView geometry() const {
    IntRowsView rows{};
    const int64_t a_group = group_ >= weights_.k ? weights_.packed_k : group_;
    rows.group = static_cast<int>(a_group);
    rows.groups = ceil_div(weights_.packed_k, rows.group);
    rows.segment = std::min(rows.group, weights_.group);
    rows.segments = ceil_div(weights_.packed_k, rows.segment);
    return rows;
  }

  Layout layout(int m) const {
    const IntRowsView rows = geometry();
    Layout made{};
    size_t bytes = 0;
    const auto reserve = [&](int64_t count) {
      const size_t begin = bytes;
      bytes = round_up(bytes + static_cast<size_t>(count), size_t{256});
      return begin;
    };
    reserve(int64_t{m} * weights_.packed_k);
    made.sums = reserve(int64_t{m} * rows.segments * 4);
    made.scales = reserve(int64_t{m} * rows.groups * 4);
    if (threshold_ > 0) {
      made.flags = reserve(weights_.k);
      made.outliers = reserve(int64_t{weights_.k} * 4);
      made.count = reserve(4);
    }
    made.bytes = bytes;
    return made;
  }

  void run_few(const float* a, const IntRowsView& rows, const GemmOutput& out) const {
    const int unit = 256 / (weights_.kind == WeightKind::int8   ? 8
                            : weights_.kind == WeightKind::int4 ? 4
                                                                : 2);
    const int steps = weights_.packed_k / unit;
    const int segment_steps = std::max(1, rows.segment / unit);
    // Enough pieces for all warps, each of a few steps.
    int parts = std::clamp(ceil_div(kWarps, rows.segments), 1, std::max(1, segment_steps / 2));
    const IntProductArgs args{.weights = weights_,
                              .rows = rows,
                              .a = a,
                              .out = out,
                              .piece_steps = ceil_div(segment_steps, parts),
                              .pieces = ceil_div(steps, segment_steps) * parts,
                              .parts = parts};
    device().launch(few_kernel(weights_.kind),
                    {{tiles_of(weights_.n), ceil_div(out.m, kFewRows)}, kWarps * kWarp, kFewIntShared}, args);
  }

  void run_many(const float* a, const IntRowsView& rows, const GemmOutput& out) const {
    const IntProductArgs args{weights_, rows, a, out, 0, 0, 0};
    device().launch(
        many_kernel(weights_.kind, rows.segments == 1),
        {{ceil_div(out.m, kManyIntRows), ceil_div(weights_.n, kManyIntOutputs)},
         kManyIntOutputs,
         static_cast<size_t>(many_int_stages(weights_.kind) * many_int_stage_bytes(weights_.kind))},
        args);
  }

  Addend addend_;
  float threshold_;
  int64_t group_;  ///< columns of A that share a scale
  std::shared_ptr<std::byte> weights_memory_, c_memory_;
  WeightsView weights_;
  size_t bytes_ = 0;
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = integer_gemm_refusal(site); !refusal.empty()) return refusal;
  if (site.inputs[0].encoding->granularity.kind == Granularity::Kind::per_tensor)
    return "A has one scale for all rows";
  if (site.attributes->get_int("transA", 0) != 0) return "transA is 1";
  if (site.inputs[0].type.dtype != DType::f32)
    return fmt::format("A is {}, not f32", dtype_name(site.inputs[0].type.dtype));
  if (site.has_input(2) && !site.inputs[2].constant && site.inputs[2].type.dtype != DType::f32)
    return fmt::format("C is {}, not f32", dtype_name(site.inputs[2].type.dtype));
  const Constant& b = *site.inputs[1].constant;
  if (Refusal refusal = packing_refusal(b, true); !refusal.empty()) return refusal;
  const int64_t k = b.shape()[1];
  if (k > kGemmSegmentMax) return fmt::format("{} columns", k);
  const int64_t a_group = dynamic_group(*site.inputs[0].encoding, k);
  if (a_group >= k) return {};
  // Segments must be what the packed order can be cut into.
  const int64_t b_group = std::min(scale_grid(b.encoding()->granularity, b.shape()).group, k);
  const int bits = b.encoding()->format->bits();
  const int64_t unit = bits > 4 ? 32 : bits > 2 ? 64 : 128, segment = std::min(a_group, b_group);
  const bool whole = segment % unit == 0 || segment == 32 || segment == 64;
  const bool divides = b_group == k ? true : std::max(a_group, b_group) % segment == 0;
  if (!whole || !divides || (b_group != k && (b_group % 32 != 0 || (b_group > unit && b_group % unit != 0))))
    return fmt::format("groups of {} and {} columns", a_group, b_group);
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<IntGemm>(site, threads);
}

}  // namespace

extern const Kernel gemm_int{"gemm_int", "Gemm", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
