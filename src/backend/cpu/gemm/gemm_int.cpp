#include "backend/cpu/gemm/gemm_int.h"

#include <algorithm>
#include <atomic>

#include "backend/cpu/gemm/gemm_site.h"
#include "backend/cpu/gemm/outlier_part.h"
#include "backend/kernel.h"
#include "base/checked.h"
#include "ops/gemm/gemm.h"

namespace halftone::cpu {
namespace {

/// Bytes of quantized activations worked on at a time: they are read once for every tile of panels.
constexpr int64_t kChunkBytes = int64_t{2} << 20;
/// Pieces of work are multiples of what few_rows() reads side by side.
constexpr int64_t kStreams = 4;
/// Bytes of weights that make a piece of work for one thread.
constexpr int64_t kPieceBytes = int64_t{128} << 10;

Refusal supports(const OpSite& site) {
  if (Refusal refusal = integer_gemm_refusal(site); !refusal.empty()) return refusal;
  if (site.inputs[0].encoding->granularity.kind == Granularity::Kind::per_tensor)
    return "A has one scale for all rows";
  return plain_gemm_refusal(site);
}

class IntGemm : public PreparedKernel {
 public:
  IntGemm(const OpSite& site, const IntGemmLoops& loops, ThreadPool& threads)
      : loops_(loops),
        group_(dynamic_group(*site.inputs[0].encoding, gemm_extent(site).k)),
        panels_(*site.inputs[1].constant, std::string(site.name), group_, threads),
        addend_(site),
        threshold_(outlier_threshold(site)),
        workers_(threads.size()) {}

  bool keeps(size_t i) const override { return i == 1 || (i == 2 && addend_.is_constant()); }
  size_t packed_bytes() const override { return panels_.bytes() + addend_.bytes(); }

  size_t workspace_bytes(const OpSite& site) const override {
    const int64_t m = gemm_extent(site).m;
    return static_cast<size_t>(integer_bytes(m)) +
           (threshold_ > 0 ? OutlierPart::workspace_bytes(m, panels_.view().k, workers_) : 0);
  }

  void run(const KernelRun& run) const override {
    const int64_t m = gemm_extent(run.site).m;
    const float* a = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    const Addend::At c = addend_.at(run, 0);
    const IntOutput out{y, c.alpha, c.beta, c.data, c.row_step, c.column_step};
    if (threshold_ > 0) {
      const OutlierPart outliers(a, m, panels_.view().k, threshold_,
                                 run.workspace.subspan(static_cast<size_t>(integer_bytes(m))));
      if (!outliers.empty()) {
        run_rows(run, outliers.other_columns(), m, {y, 1, 0, nullptr, 0, 0});
        return outliers.add(panels_.view(), out, run.threads);
      }
    }
    run_rows(run, a, m, out);
  }

 private:
  struct Layout {
    int64_t wide, sums, scales, bytes;
  };

  int64_t integer_bytes(int64_t m) const {
    return layout(chunk_rows(m)).bytes + (m > loops_.few_rows_most ? workers_ * scratch_bytes() : 0);
  }

  void run_rows(const KernelRun& run, const float* a, int64_t m, const IntOutput& out) const {
    const int64_t chunk = chunk_rows(m);
    for (int64_t first = 0; first < m; first += chunk) {
      IntOutput part = out;
      part.y += first * panels_.view().n;
      if (part.c) part.c += first * part.c_row_step;
      run_chunk(run, a + first * panels_.view().k, part, std::min(chunk, m - first));
    }
  }

  int64_t a_groups() const { return std::max<int64_t>(1, ceil_div(panels_.view().k, group_)); }
  /// An odd number of cache lines, so that the rows of a tile do not fall into the same cache sets.
  int64_t stride() const { return round_up(panels_.view().packed_k, int64_t{64}) | 64; }
  int64_t scratch_bytes() const { return loops_.tile_panels * kPanelRows * panels_.view().packed_k; }

  bool is_wide() const { return panels_.view().code_bits >= loops_.wide_bits; }

  int64_t chunk_rows(int64_t m) const {
    const int64_t row = stride() * (is_wide() ? int64_t{sizeof(int16_t)} : 1);
    return std::min(m, std::max<int64_t>(96, kChunkBytes / std::max<int64_t>(1, row)));
  }
  Layout layout(int64_t rows) const {
    Layout parts{};
    parts.wide = rows * stride();
    parts.sums = parts.wide + (is_wide() ? rows * stride() * int64_t{sizeof(int16_t)} : 0);
    parts.scales =
        parts.sums + round_up(rows * panels_.view().segment_count * int64_t{sizeof(int32_t)}, int64_t{64});
    parts.bytes = parts.scales + round_up(rows * a_groups() * int64_t{sizeof(float)}, int64_t{64});
    return parts;
  }

  void run_chunk(const KernelRun& run, const float* a, const IntOutput& out, int64_t m) const {
    const IntPanelsView& weights = panels_.view();
    const Layout parts = layout(m);
    std::byte* memory = run.workspace.data();
    const IntRows rows{m,
                       reinterpret_cast<int8_t*>(memory),
                       stride(),
                       is_wide() ? reinterpret_cast<int16_t*>(memory + parts.wide) : nullptr,
                       reinterpret_cast<int32_t*>(memory + parts.sums),
                       reinterpret_cast<float*>(memory + parts.scales),
                       a_groups(),
                       group_};
    run.threads.parallel_for(
        m, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, weights.k)),
        [&](int64_t begin, int64_t end) { loops_.quantize(weights, a, rows, begin, end); });

    if (m <= loops_.few_rows_most) {
      const int64_t grain = round_up(std::max<int64_t>(1, kPieceBytes / weights.panel_bytes), kStreams);
      run.threads.parallel_for(weights.panels, grain, [&](int64_t begin, int64_t end) {
        loops_.few_rows(weights, rows, out, begin, end);
      });
      return;
    }
    // One piece a worker, so that each has a scratch of its own; they share out the tiles among themselves.
    const int64_t tiles = ceil_div(weights.panels, loops_.tile_panels);
    const int64_t workers = std::min<int64_t>({workers_, run.threads.size(), tiles});
    std::atomic<int64_t> next{0};
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker)
        for (int64_t tile; (tile = next.fetch_add(1, std::memory_order_relaxed)) < tiles;)
          loops_.many_rows(weights, rows, out, tile * loops_.tile_panels,
                           std::min((tile + 1) * loops_.tile_panels, weights.panels),
                           memory + parts.bytes + worker * scratch_bytes());
    });
  }

  const IntGemmLoops& loops_;
  int64_t group_;
  IntPanels panels_;
  Addend addend_;
  float threshold_;  ///< of outliers; 0: none
  int64_t workers_;
};

template <const IntGemmLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<IntGemm>(site, kLoops, threads);
}

}  // namespace

#if defined(__x86_64__)
extern const Kernel gemm_int_avx512vnni{"gemm_int_avx512vnni", "Gemm", Isa::avx512vnni, supports,
                                        prepare<int_gemm_avx512vnni>};
extern const Kernel gemm_int_avx2{"gemm_int_avx2", "Gemm", Isa::avx2, supports, prepare<int_gemm_avx2>};
#elif defined(__aarch64__)
extern const Kernel gemm_int_neondot{"gemm_int_neondot", "Gemm", Isa::neondot, supports,
                                     prepare<int_gemm_neondot>};
#endif

}  // namespace halftone::cpu
