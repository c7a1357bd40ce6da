#include "backend/cpu/gemm/gemm_float.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "backend/cpu/gemm/gemm_site.h"
#include "base/checked.h"
#include "ops/gemm/gemm.h"

namespace halftone::cpu {
namespace {

/// Bytes of weights that make a piece of work for one thread.
constexpr int64_t kPieceBytes = int64_t{128} << 10;
/// Rows of A worked on at a time: they are copied, and each weight is decoded once for them.
constexpr int64_t kChunkRows = 256;

RowKind row_kind(DType dtype) {
  return dtype == DType::f32 ? RowKind::f32 : dtype == DType::f16 ? RowKind::f16 : RowKind::bf16;
}

/// Weights as they are stored, encoded or not.
class StoredRows {
 public:
  explicit StoredRows(const OpSite& site) {
    const Constant& b = *site.inputs[1].constant;
    if (b.encoding())
      set_encoded(b.load_encoded(std::string(site.name)));
    else
      set_plain(b.load());
  }

  const WeightRows& view() const { return view_; }
  size_t bytes() const {
    const size_t stored = encoded_ ? encoded_->stored_bytes() : plain_.size_bytes();
    return stored + scales_.size() * sizeof(float) + table_.size() * sizeof(float);
  }

 private:
  void set_plain(Tensor weights) {
    plain_ = std::move(weights);
    const int64_t n = plain_.shape()[0], k = plain_.shape()[1];
    view_.kind = row_kind(plain_.dtype());
    view_.n = n;
    view_.k = k;
    view_.group = k;
    view_.row_bytes = k * static_cast<int64_t>(dtype_bytes(plain_.dtype()));
    view_.data = plain_.view().data;
    view_.data_end = view_.data + n * view_.row_bytes;
  }

  void set_encoded(std::shared_ptr<const QuantizedTensor> weights) {
    encoded_ = std::move(weights);
    const QuantizedTensor::Parts& parts = encoded_->parts();
    const Encoding& encoding = encoded_->encoding();
    const ScaleGrid& grid = encoded_->grid();
    WeightRows& v = view_;
    v.bits = encoding.format->bits();
    v.n = encoded_->rows();
    v.k = encoded_->columns();
    v.row_bytes = ceil_div(v.k * v.bits, int64_t{8});
    v.data = parts.codes.view().data;
    v.data_end = v.data + v.n * v.row_bytes;
    v.group = grid.group;
    v.scale_step = grid.rows == 1 ? 0 : grid.groups;
    v.scale_kind = row_kind(encoding.scale_dtype);
    v.scales = parts.scales.view().data;
    if (encoding.double_quant_block != 0) expand_nested_scales();
    if (encoding.format->is_integer()) {
      v.kind = encoding.real_minimum ? RowKind::minimum : RowKind::integers;
      v.minima = parts.minima.view().data;
      v.shared_zero = 1 << (v.bits - 1);
      if (!parts.zeros.empty()) v.zeros = parts.zeros.span<uint8_t>().data();
    } else {
      v.kind = RowKind::table;
      std::vector<uint8_t> codes(size_t{1} << v.bits);
      std::iota(codes.begin(), codes.end(), uint8_t{0});
      table_.resize(std::max<size_t>(codes.size(), 16));
      CodeParams params;
      if (!parts.codebook.empty()) params.codebook = parts.codebook.span<float>();
      encoding.format->decode(codes, params, std::span(table_).first(codes.size()));
      v.table = table_.data();
    }
  }

  void expand_nested_scales() {
    const ScaleGrid& grid = encoded_->grid();
    const size_t groups = static_cast<size_t>(grid.groups);
    scales_.resize(static_cast<size_t>(grid.size()));
    for (int64_t row = 0; row < grid.rows; ++row)
      encoded_->row_scales(row, std::span(scales_).subspan(static_cast<size_t>(row) * groups, groups));
    view_.scale_kind = RowKind::f32;
    view_.scales = reinterpret_cast<const std::byte*>(scales_.data());
  }

  Tensor plain_;
  std::shared_ptr<const QuantizedTensor> encoded_;
  std::vector<float> scales_;  ///< of double-quantized weights, expanded
  std::vector<float> table_;
  WeightRows view_{};
};

class FloatGemm : public PreparedKernel {
 public:
  FloatGemm(const OpSite& site, const FloatGemmLoops& loops, ThreadPool& threads)
      : loops_(loops), rows_(site), addend_(site), workers_(threads.size()) {}

  bool keeps(size_t i) const override { return i == 1 || (i == 2 && addend_.is_constant()); }
  size_t packed_bytes() const override { return rows_.bytes() + addend_.bytes(); }
  size_t workspace_bytes(const OpSite& site) const override {
    const int64_t m = gemm_extent(site).m;
    if (m <= kFewFloatRows) return 0;
    return static_cast<size_t>(workers_ * loops_.scratch_bytes +
                               std::min(m, kChunkRows) * row_step() * int64_t{sizeof(float)});
  }

  void run(const KernelRun& run) const override {
    const WeightRows& weights = rows_.view();
    const int64_t m = gemm_extent(run.site).m;
    const float* a = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    if (m > kFewFloatRows) {
      for (int64_t first = 0; first < m; first += kChunkRows)
        run_chunk(run, a + first * weights.k, y + first * weights.n, first, std::min(kChunkRows, m - first));
      return;
    }
    const FloatOutput out = output(run, y, 0);
    const int64_t grain =
        round_up(std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, weights.row_bytes)), int64_t{4});
    run.threads.parallel_for(weights.n, grain, [&](int64_t begin, int64_t end) {
      loops_.few_rows(weights, a, m, out, begin, end);
    });
  }

 private:
  /// Between rows of A in the workspace: an odd number of cache lines, so that the rows of a tile do not fall
  /// into the same cache sets, as they would with the usual powers of two.
  int64_t row_step() const { return round_up(rows_.view().k, int64_t{16}) | 16; }

  FloatOutput output(const KernelRun& run, float* y, int64_t first_row) const {
    const Addend::At c = addend_.at(run, first_row);
    return {y, c.alpha, c.beta, c.data, c.row_step, c.column_step};
  }

  void run_chunk(const KernelRun& run, const float* a, float* y, int64_t first, int64_t m) const {
    const WeightRows& weights = rows_.view();
    const FloatOutput out = output(run, y, first);
    float* rows = reinterpret_cast<float*>(run.workspace.data() + workers_ * loops_.scratch_bytes);
    run.threads.parallel_for(m, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        std::copy_n(a + row * weights.k, weights.k, rows + row * row_step());
    });
    // One piece a worker, so that each has a scratch of its own; they share out the tiles among themselves.
    const int64_t tiles = ceil_div(weights.n, loops_.tile_outputs);
    const int64_t workers = std::min<int64_t>({workers_, run.threads.size(), tiles});
    std::atomic<int64_t> next{0};
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker)
        for (int64_t tile; (tile = next.fetch_add(1, std::memory_order_relaxed)) < tiles;)
          loops_.many_rows(weights, rows, row_step(), m, out, tile * loops_.tile_outputs,
                           std::min((tile + 1) * loops_.tile_outputs, weights.n),
                           run.workspace.data() + worker * loops_.scratch_bytes);
    });
  }

  const FloatGemmLoops& loops_;
  StoredRows rows_;
  Addend addend_;
  int64_t workers_;
};

Refusal supports_any(const OpSite& site) {
  if (Refusal refusal = plain_gemm_refusal(site); !refusal.empty()) return refusal;
  if (!site.inputs[0].constant && site.inputs[0].encoding) return "A has a dynamic encoding";
  return {};
}

Refusal supports_float(const OpSite& site) {
  if (Refusal refusal = supports_any(site); !refusal.empty()) return refusal;
  const Constant& b = *site.inputs[1].constant;
  if (b.encoding()) return "B is " + b.encoding()->str() + ", not floating";
  if (b.dtype() == DType::f64) return "B is f64";
  return {};
}

Refusal supports_decode(const OpSite& site) {
  if (Refusal refusal = supports_any(site); !refusal.empty()) return refusal;
  const Constant& b = *site.inputs[1].constant;
  if (!b.encoding()) return "B has no encoding";
  if (b.encoding()->format->bits() > 8) return "B has codes of more than 8 bits";
  if (b.encoding()->granularity.kind == Granularity::Kind::per_axis && b.encoding()->granularity.axis != 0)
    return "B's scales belong to its columns";
  return {};
}

template <const FloatGemmLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<FloatGemm>(site, kLoops, threads);
}

}  // namespace

#if defined(__x86_64__)
extern const Kernel gemm_float_avx512vnni{"gemm_float_avx512vnni", "Gemm", Isa::avx512vnni, supports_float,
                                          prepare<float_gemm_avx512vnni>};
extern const Kernel gemm_float_avx2{"gemm_float_avx2", "Gemm", Isa::avx2, supports_float,
                                    prepare<float_gemm_avx2>};
extern const Kernel gemm_decode_avx512vnni{"gemm_decode_avx512vnni", "Gemm", Isa::avx512vnni, supports_decode,
                                           prepare<float_gemm_avx512vnni>};
extern const Kernel gemm_decode_avx2{"gemm_decode_avx2", "Gemm", Isa::avx2, supports_decode,
                                     prepare<float_gemm_avx2>};
#elif defined(__aarch64__)
extern const Kernel gemm_float_neon{"gemm_float_neon", "Gemm", Isa::neon, supports_float,
                                    prepare<float_gemm_neon>};
extern const Kernel gemm_decode_neon{"gemm_decode_neon", "Gemm", Isa::neon, supports_decode,
                                     prepare<float_gemm_neon>};
#endif

}  // namespace halftone::cpu
