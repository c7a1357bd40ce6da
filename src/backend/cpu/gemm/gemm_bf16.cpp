#if defined(__x86_64__)

#include "backend/cpu/gemm/gemm_bf16.h"

#include <algorithm>
#include <atomic>

#include "backend/cpu/gemm/few_rows.h"
#include "backend/cpu/gemm/gemm_site.h"
#include "backend/cpu/gemm/stored_rows.h"
#include "backend/cpu/tile/epilogue.h"
#include "backend/shared_operand.h"
#include "base/checked.h"
#include "ops/gemm/gemm.h"

namespace halftone::cpu {
namespace {

/// Rows multiplied at a time: each weight is decoded once for them.
constexpr int64_t kChunkRows = 512;
/// Columns multiplied at a time: two tiles of outputs' weights stay in the first cache, the rows in the
/// second.
constexpr int64_t kBf16Block = 256;

int significant_bits(RowKind kind) {
  return kind == RowKind::f32 ? 24 : kind == RowKind::f16 ? 11 : 8;
}

/// Integers (code - zero) of at most 8 bits are bf16 numbers: with one scale a row, it multiplies the sums.
bool scales_sums(const WeightRows& w) {
  return w.kind == RowKind::integers && w.group >= w.k;
}

/// Parts that hold the weights.
int parts_of(const WeightRows& w) {
  if (w.kind == RowKind::bf16 || scales_sums(w)) return 1;
  // Two nearest parts hold 17 bits: what the first leaves is at most half of its last bit.
  if (w.kind == RowKind::f16) return 2;
  if (w.kind == RowKind::integers && w.bits + significant_bits(w.scale_kind) <= 17) return 2;
  return kMostParts;
}

/// Weights as they are stored, for Bf16GemmLoops.
class StoredParts {
 public:
  explicit StoredParts(const OpSite& site)
      : stored_(site), view_{stored_.view(), parts_of(stored_.view()), nullptr} {
    if (!scales_sums(view_.rows)) return;
    const auto encoded = site.inputs[1].constant->load_encoded(std::string(site.name));
    const auto n = static_cast<size_t>(view_.rows.n);
    scales_.resize(n);
    for (size_t row = 0; row < n; ++row)
      encoded->row_scales(static_cast<int64_t>(row), std::span(scales_).subspan(row, 1));
    ones_.assign(n, 1.0f);
    view_.row_scales = scales_.data();
    view_.rows.scale_kind = RowKind::f32;
    view_.rows.scales = reinterpret_cast<const std::byte*>(ones_.data());
  }

  /// With their scales.
  const WeightRows& rows() const { return stored_.view(); }
  const Bf16Weights& view() const { return view_; }
  size_t bytes() const { return stored_.bytes() + (scales_.size() + ones_.size()) * sizeof(float); }

 private:
  StoredRows stored_;
  std::vector<float> scales_, ones_;
  Bf16Weights view_;
};

/// Floating products in bf16 parts: three of each activation, which loses nothing, or one, which rounds it.
class Bf16Gemm : public PreparedKernel, public SharedOperand {
 public:
  Bf16Gemm(const OpSite& site, const Bf16GemmLoops& loops, int row_parts, ThreadPool& threads)
      : loops_(loops),
        epilogue_(make_epilogue(fused_activation(site))),
        weights_(site),
        addend_(site),
        row_parts_(row_parts),
        few_(weights_.rows(), float_gemm_avx512vnni, &nibble_rows_avx512vnni, row_parts == 1),
        workers_(threads.size()) {}

  bool keeps(size_t i) const override { return i == 1 || (i == 2 && addend_.is_constant()); }
  size_t packed_bytes() const override { return weights_.bytes() + addend_.bytes(); }

  size_t workspace_bytes(const OpSite& site) const override {
    const int64_t m = gemm_extent(site).m;
    if (m <= few_.most()) return few_.workspace_bytes(m);
    return static_cast<size_t>(places(chunk_rows(m)).end);
  }

  void run(const KernelRun& run) const override { multiply(run, false); }

  bool has_form_of(const SharedOperand& other) const override {
    const auto* gemm = dynamic_cast<const Bf16Gemm*>(&other);
    return gemm && &gemm->loops_ == &loops_ && gemm->row_parts_ == row_parts_ &&
           gemm->weights_.rows().k == weights_.rows().k;
  }
  void run_on_form(const KernelRun& run) const override { multiply(run, true); }

 private:
  /// Where the workspace has what; the tiles first, so that they lie alike for all products of one input.
  struct Places {
    int64_t odd, scratch, end;
  };

  int64_t n() const { return weights_.rows().n; }
  int64_t k() const { return weights_.rows().k; }

  /// Of even chunks.
  static int64_t chunk_rows(int64_t m) {
    return std::min(m, round_up(ceil_div(m, ceil_div(m, kChunkRows)), kBf16Side));
  }
  Bf16Rows tiles_of(int64_t rows) const {
    return {nullptr, rows, k(), ceil_div(rows, kBf16Side), kBf16Block, row_parts_, nullptr};
  }
  Places places(int64_t rows) const {
    const Bf16Rows tiles = tiles_of(rows);
    Places at{};
    at.odd = tiles.row_tiles * ceil_div(k(), kBf16Depth) * row_parts_ * kBf16TileBytes;
    at.scratch = at.odd + round_up(rows, int64_t{64});
    at.end =
        at.scratch + std::max(workers_ * scratch_bytes(tiles), static_cast<int64_t>(few_.workspace_bytes(1)));
    return at;
  }
  int64_t scratch_bytes(const Bf16Rows& tiles) const {
    return round_up(bf16_scratch_bytes(tiles, weights_.view().parts), int64_t{64});
  }

  FloatOutput output(const KernelRun& run, int64_t first_row) const {
    const Addend::At c = addend_.at(run, first_row);
    return {run.outputs[0].span<float>().data() + first_row * n(),
            c.alpha,
            c.beta,
            c.data,
            c.row_step,
            c.column_step};
  }

  void multiply(const KernelRun& run, bool has_form) const {
    const int64_t m = gemm_extent(run.site).m;
    const float* a = run.inputs[0].span<float>().data();
    if (m <= few_.most()) {
      few_.run(run.threads, a, m, output(run, 0), run.workspace.data());
    } else {
      multiply_many(run, a, m, has_form);
    }
    finish_rows(run.threads, epilogue_, activation_avx512vnni, run.outputs[0].span<float>().data(), m, n());
  }

  void multiply_many(const KernelRun& run, const float* a, int64_t m, bool has_form) const {
    const int64_t chunk = chunk_rows(m);
    const Places at = places(chunk);
    for (int64_t first = 0; first < m; first += chunk) {
      Bf16Rows rows = tiles_of(std::min(chunk, m - first));
      rows.tiles = run.workspace.data();
      rows.odd = reinterpret_cast<uint8_t*>(run.workspace.data() + at.odd);
      const float* from = a + first * k();
      if (!has_form || chunk < m)
        run.threads.parallel_for(rows.row_tiles, 1, [&](int64_t begin, int64_t end) {
          loops_.pack(rows, from + begin * kBf16Side * k(), k(), begin, end);
        });
      multiply_chunk(run.threads, rows, output(run, first), run.workspace.data() + at.scratch);
      multiply_odd(run, rows, from, first, run.workspace.data() + at.scratch);
    }
  }

  void multiply_chunk(ThreadPool& threads, const Bf16Rows& rows, const FloatOutput& out,
                      std::byte* scratch) const {
    // Even pieces, two or more a worker, that share out among themselves; each worker has a scratch.
    const int64_t least = std::min<int64_t>(workers_, threads.size());
    const int64_t pieces =
        std::max(ceil_div(n(), kBf16Outputs), std::min(2 * least, ceil_div(n(), 2 * kBf16Side)));
    const int64_t outputs = round_up(ceil_div(n(), pieces), 2 * kBf16Side);
    const int64_t workers = std::min(least, ceil_div(n(), outputs));
    std::atomic<int64_t> next{0};
    threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker)
        for (int64_t from; (from = next.fetch_add(outputs, std::memory_order_relaxed)) < n();)
          loops_.multiply(weights_.view(), rows, out, from, std::min(from + outputs, n()),
                          scratch + worker * scratch_bytes(rows));
    });
  }

  /// Rows whose numbers have no parts, in f32.
  void multiply_odd(const KernelRun& run, const Bf16Rows& rows, const float* a, int64_t first,
                    std::byte* scratch) const {
    if (row_parts_ == 1) return;
    for (int64_t row = 0; row < rows.rows; ++row)
      if (rows.odd[row]) few_.run(run.threads, a + row * k(), 1, output(run, first + row), scratch);
  }

  const Bf16GemmLoops& loops_;
  Epilogue epilogue_;
  StoredParts weights_;
  Addend addend_;
  int row_parts_;
  FewRows few_;
  int64_t workers_;
};

template <const Bf16GemmLoops& kLoops, int kRowParts>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Bf16Gemm>(site, kLoops, kRowParts, threads);
}

}  // namespace

extern const Kernel gemm_float_amx{"gemm_float_amx", "Gemm", Isa::amx, supports_float_gemm,
                                   prepare<bf16_gemm_amx, kMostParts>};
extern const Kernel gemm_decode_amx{"gemm_decode_amx", "Gemm", Isa::amx, supports_decoded_gemm,
                                    prepare<bf16_gemm_amx, kMostParts>};
extern const Kernel gemm_bf16_amx{"gemm_bf16_amx", "Gemm", Isa::amx, supports_bf16_gemm,
                                  prepare<bf16_gemm_amx, 1>};
extern const Kernel gemm_bf16_avx512bf16{"gemm_bf16_avx512bf16", "Gemm", Isa::avx512bf16, supports_bf16_gemm,
                                         prepare<bf16_gemm_avx512bf16, 1>};

}  // namespace halftone::cpu

#endif
