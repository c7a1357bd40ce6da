#include "backend/cpu/gemm/gemm_int.h"

#include <algorithm>
#include <atomic>

#include "backend/cpu/gemm/gemm_site.h"
#include "backend/cpu/gemm/outlier_part.h"
#include "backend/kernel.h"
#include "backend/shared_operand.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "ops/gemm/gemm.h"

namespace halftone::cpu {
namespace {

/// Bytes of quantized activations multiplied at a time: they are read once for every tile of panels, from the
/// second cache.
constexpr int64_t kChunkBytes = int64_t{1} << 20;
/// Rows of IntRows::other that lie together.
constexpr int64_t kRowsTogether = 16;
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

class IntGemm : public PreparedKernel, public SharedOperand {
 public:
  IntGemm(const OpSite& site, const IntGemmLoops& loops, ThreadPool& threads)
      : loops_(loops),
        group_(dynamic_group(*site.inputs[0].encoding, gemm_extent(site).k)),
        panels_(*site.inputs[1].constant, std::string(site.name), group_, outlier_threshold(site) == 0,
                threads),
        other_bytes_(loops.other_bytes(panels_.view(), stride())),
        few_rows_most_(loops.few_rows_most(panels_.view())),
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
    if (threshold_ > 0) {
      const OutlierPart outliers(a, m, panels_.view().k, threshold_,
                                 run.workspace.subspan(static_cast<size_t>(integer_bytes(m))));
      if (!outliers.empty()) {
        quantize(run, outliers.other_columns(), m);
        multiply(run, m, {run.outputs[0].span<float>().data(), 1, 0, nullptr, 0, 0});
        return outliers.add(panels_.view(), output(run), run.threads);
      }
    }
    quantize(run, a, m);
    multiply(run, m, output(run));
  }

  bool has_form_of(const SharedOperand& other) const override {
    const auto* gemm = dynamic_cast<const IntGemm*>(&other);
    return gemm && &gemm->loops_ == &loops_ && gemm->group_ == group_ && gemm->threshold_ == 0 &&
           threshold_ == 0 && quantizes_alike(gemm->panels_.view(), panels_.view()) &&
           gemm->other_bytes_ == other_bytes_;
  }
  void run_on_form(const KernelRun& run) const override {
    multiply(run, gemm_extent(run.site).m, output(run));
  }

 private:
  struct Layout {
    int64_t other, sums, scales, bytes;
  };
  /// Of all threads, one behind the other.
  struct WorkerScratch {
    std::byte* memory;
    int64_t loops_bytes, panel_bytes;

    std::byte* loops(int64_t worker) const { return memory + worker * (loops_bytes + panel_bytes); }
    std::byte* packed(int64_t worker) const { return loops(worker) + loops_bytes; }
  };

  IntOutput output(const KernelRun& run) const {
    const Addend::At c = addend_.at(run, 0);
    return {run.outputs[0].span<float>().data(), c.alpha, c.beta, c.data, c.row_step, c.column_step};
  }

  int64_t integer_bytes(int64_t m) const {
    return layout(m).bytes + workers_ * (scratch_bytes(m) + waiting_bytes(m));
  }

  int64_t a_groups() const { return std::max<int64_t>(1, ceil_div(panels_.view().k, group_)); }
  /// An odd number of cache lines, so that the rows of a tile do not fall into the same cache sets.
  int64_t stride() const { return round_up(panels_.view().packed_k, int64_t{64}) | 64; }
  /// For a thread's many_rows().
  int64_t scratch_bytes(int64_t m) const {
    if (m <= few_rows_most_) return 0;
    return round_up(loops_.scratch_bytes(panels_.view(), std::min(m, chunk_rows())), kUnitBytes);
  }

  /// For the panels that a thread packs to read them once.
  int64_t waiting_bytes(int64_t m) const {
    return panels_.are_packed() ? 0 : piece_panels(m) * panels_.view().panel_bytes;
  }
  /// Panels that make a piece of work: all that few_rows() or many_rows() takes at a time.
  int64_t piece_panels(int64_t m) const {
    const IntPanelsView& weights = panels_.view();
    if (m <= few_rows_most_)
      return round_up(std::max<int64_t>(1, kPieceBytes / weights.panel_bytes), kStreams);
    const int64_t share = weights.panels / (2 * workers_);  // at least two pieces each
    return std::clamp<int64_t>(round_up(share, int64_t{2}), 1, loops_.tile_panels);
  }

  int64_t chunk_rows() const {
    if (loops_.chunk_rows != 0) return loops_.chunk_rows;
    const int64_t row = std::max<int64_t>({1, stride(), other_bytes_});
    return round_up(std::max<int64_t>(96, kChunkBytes / row), kRowsTogether);
  }
  Layout layout(int64_t rows) const {
    Layout parts{};
    parts.other = rows * stride();
    parts.sums = parts.other + round_up(round_up(rows, kRowsTogether) * other_bytes_, int64_t{64});
    parts.scales =
        parts.sums + round_up(rows * panels_.view().segment_count * int64_t{sizeof(int32_t)}, int64_t{64});
    parts.bytes = parts.scales + round_up(rows * a_groups() * int64_t{sizeof(float)}, int64_t{64});
    return parts;
  }

  /// Where the workspace has the quantized rows of a run of `m`.
  IntRows quantized_rows(const KernelRun& run, int64_t m) const {
    const Layout parts = layout(m);
    std::byte* memory = run.workspace.data();
    return {m,
            reinterpret_cast<int8_t*>(memory),
            stride(),
            other_bytes_ != 0 ? memory + parts.other : nullptr,
            other_bytes_,
            reinterpret_cast<int32_t*>(memory + parts.sums),
            m,
            reinterpret_cast<float*>(memory + parts.scales),
            a_groups(),
            group_};
  }
  static IntRows part_of(const IntRows& all, int64_t first, int64_t count) {
    IntRows part = all;
    part.rows = count;
    part.codes += first * all.stride;
    if (part.other) part.other += first * all.other_bytes;
    part.sums += first;
    part.scales += first * all.groups;
    return part;
  }

  void quantize(const KernelRun& run, const float* a, int64_t m) const {
    const IntPanelsView& weights = panels_.view();
    const IntRows rows = quantized_rows(run, m);
    run.threads.parallel_for(
        m, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, weights.k)),
        [&](int64_t begin, int64_t end) { loops_.quantize(weights, a, rows, begin, end); });
  }

  void multiply(const KernelRun& run, int64_t m, const IntOutput& out) const {
    const IntRows rows = quantized_rows(run, m);
    const WorkerScratch scratch{run.workspace.data() + layout(m).bytes, scratch_bytes(m), waiting_bytes(m)};
    if (!panels_.are_packed()) return multiply_waiting(run.threads, rows, out, scratch);
    for_each_chunk(rows, out, [&](const IntRows& some, const IntOutput& to) {
      multiply_chunk(run.threads, some, to, scratch);
    });
  }

  void for_each_chunk(const IntRows& rows, const IntOutput& out, const auto& body) const {
    const int64_t chunk = chunk_rows();
    for (int64_t first = 0; first < rows.rows; first += chunk) {
      IntOutput part = out;
      part.y += first * panels_.view().n;
      if (part.c) part.c += first * part.c_row_step;
      body(part_of(rows, first, std::min(chunk, rows.rows - first)), part);
    }
  }

  void multiply_chunk(ThreadPool& threads, const IntRows& rows, const IntOutput& out,
                      const WorkerScratch& scratch) const {
    IntPanelsView weights = panels_.view();
    if (rows.rows <= few_rows_most_)
      return threads.parallel_for(weights.panels, piece_panels(rows.rows), [&](int64_t begin, int64_t end) {
        loops_.few_rows(weights, rows, out, begin, end);
      });
    if (!cpu_is_amd()) weights.ahead = piece_panels(rows.rows) * std::min<int64_t>(workers_, threads.size());
    share_pieces(threads, piece_panels(rows.rows), [&](int64_t worker, int64_t begin, int64_t end) {
      loops_.many_rows(weights, rows, out, begin, end, scratch.loops(worker));
    });
  }

  /// Each piece of weights that are not packed yet is packed into a cache and read from there by all rows.
  void multiply_waiting(ThreadPool& threads, const IntRows& rows, const IntOutput& out,
                        const WorkerScratch& scratch) const {
    share_pieces(threads, piece_panels(rows.rows), [&](int64_t worker, int64_t begin, int64_t end) {
      const IntPanelsView weights = panels_.part(begin, end, scratch.packed(worker));
      for_each_chunk(rows, out, [&](const IntRows& some, const IntOutput& to) {
        if (some.rows <= few_rows_most_)
          loops_.few_rows(weights, some, to, begin, end);
        else
          loops_.many_rows(weights, some, to, begin, end, scratch.loops(worker));
      });
    });
  }

  /// Calls body(worker, begin, end) for pieces of so many panels, once a worker at a time, so that each may
  /// have a scratch of its own; workers share out the pieces among themselves.
  void share_pieces(ThreadPool& threads, int64_t piece, const auto& body) const {
    const int64_t panels = panels_.view().panels, pieces = ceil_div(panels, piece);
    const int64_t workers = std::min<int64_t>({workers_, threads.size(), pieces});
    std::atomic<int64_t> next{0};
    threads.parallel_for(workers, 1, [&](int64_t first, int64_t last) {
      for (int64_t worker = first; worker < last; ++worker)
        for (int64_t at; (at = next.fetch_add(1, std::memory_order_relaxed)) < pieces;)
          body(worker, at * piece, std::min((at + 1) * piece, panels));
    });
  }

  const IntGemmLoops& loops_;
  int64_t group_;
  IntPanels panels_;
  int64_t other_bytes_;  ///< IntRows::other_bytes
  int64_t few_rows_most_;
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
extern const Kernel gemm_int_amx{"gemm_int_amx", "Gemm", Isa::amx, supports, prepare<int_gemm_amx>};
extern const Kernel gemm_int_avx512vnni{"gemm_int_avx512vnni", "Gemm", Isa::avx512vnni, supports,
                                        prepare<int_gemm_avx512vnni>};
extern const Kernel gemm_int_avxvnni{"gemm_int_avxvnni", "Gemm", Isa::avxvnni, supports,
                                     prepare<int_gemm_avxvnni>};
extern const Kernel gemm_int_avx2{"gemm_int_avx2", "Gemm", Isa::avx2, supports, prepare<int_gemm_avx2>};
#elif defined(__aarch64__)
extern const Kernel gemm_int_neoni8mm{"gemm_int_neoni8mm", "Gemm", Isa::neoni8mm, supports,
                                      prepare<int_gemm_neoni8mm>};
extern const Kernel gemm_int_neondot{"gemm_int_neondot", "Gemm", Isa::neondot, supports,
                                     prepare<int_gemm_neondot>};
#endif

}  // namespace halftone::cpu
