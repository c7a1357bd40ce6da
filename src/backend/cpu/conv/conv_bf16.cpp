#include <algorithm>
#include <atomic>

#include "backend/cpu/conv/conv_site.h"
#include "backend/cpu/gemm/gemm_bf16.h"
#include "backend/cpu/packed_memory.h"
#include "base/checked.h"
#include "core/float16.h"
#include "scheme/bf16/rounded_bf16.h"

#if defined(__x86_64__)

// Convolutions of channels-last values rounded to bf16, as products of matrices (gemm/gemm_bf16.h): each
// output place is a row, the channels under its taps one after the other. Rows are gathered 16 at a time,
// just before they are rounded.

namespace halftone::cpu {
namespace {

/// Output places multiplied at a time.
constexpr int64_t kLeastPlaces = 32, kMostPlaces = 256;

Refusal supports(const OpSite& site) {
  const SiteInput& x = site.inputs[0];
  if (!x.encoding || !is_rounded_bf16(*x.encoding)) return "X is not rounded to bf16";
  OpSite plain = site;
  plain.inputs[0].encoding = nullptr;
  if (Refusal refusal = float_conv_refusal(plain, Storage::Order::channels_last); !refusal.empty())
    return refusal;
  if (site.inputs[1].encoding || site.inputs[1].type.dtype != DType::bf16) return "W is not bf16";
  if (site.attributes->get_int("group", 1) != 1) return "it has groups";
  return {};
}

class Bf16Conv final : public PreparedKernel {
 public:
  Bf16Conv(const OpSite& site, const Bf16GemmLoops& loops, ThreadPool& threads)
      : loops_(loops),
        window_(conv_extent(site).window),
        epilogue_(make_epilogue(fused_activation(site))),
        workers_(threads.size()) {
    const ConvWeights weights(site);
    channels_ = weights.group_inputs();
    WeightRows& rows = weights_.rows;
    rows.kind = RowKind::bf16;
    rows.n = weights.outputs();
    rows.k = rows.group = channels_ * weights.taps();
    rows.row_bytes = rows.k * int64_t{sizeof(BFloat16)};
    memory_ = PackedMemory(static_cast<size_t>(rows.n * rows.row_bytes), [&](std::byte* to) {
      auto* value = reinterpret_cast<BFloat16*>(to);
      for (int64_t n = 0; n < rows.n; ++n)
        for (int64_t k = 0; k < rows.k; ++k)
          *value++ = to_bfloat16(weights.weight(n, k % channels_, k / channels_));
    });
    rows.data = std::as_const(memory_).data();
    rows.data_end = rows.data + memory_.size();
    weights_.parts = 1;
    if (site.has_input(2))
      for (int64_t n = 0; n < rows.n; ++n) bias_.push_back(weights.bias(n));
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return memory_.size() + bias_.size() * sizeof(float); }
  size_t workspace_bytes(const OpSite&) const override {
    return static_cast<size_t>(workers_ * places_of(kMostPlaces).end);
  }

  void run(const KernelRun& run) const override {
    const Planes planes = make_planes(window_, run.inputs[0].tensor.shape, run.outputs[0].shape);
    const int64_t places = planes.out_places();
    if (places == 0) return;
    const int64_t workers = std::min<int64_t>(workers_, run.threads.size());
    const int64_t piece =
        std::clamp(round_up(ceil_div(places, 2 * workers), kLeastPlaces), kLeastPlaces, kMostPlaces);
    std::atomic<int64_t> next{0};
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) {
        std::byte* memory = run.workspace.data() + worker * places_of(kMostPlaces).end;
        for (int64_t first; (first = next.fetch_add(piece, std::memory_order_relaxed)) < places;)
          run_piece(run, planes, first, std::min(piece, places - first), memory);
      }
    });
  }

 private:
  /// Of a worker's memory.
  struct Parts {
    int64_t gathered, scratch, end;
  };

  int64_t outputs() const { return weights_.rows.n; }
  int64_t depth() const { return weights_.rows.k; }

  Bf16Rows tiles_of(int64_t rows) const {
    return {nullptr, rows, depth(), ceil_div(rows, kBf16Side), kBf16Block, 1, nullptr};
  }
  Parts places_of(int64_t rows) const {
    const Bf16Rows tiles = tiles_of(rows);
    Parts at{};
    at.gathered = tiles.row_tiles * ceil_div(depth(), kBf16Depth) * kBf16TileBytes;
    at.scratch = at.gathered + round_up(kBf16Side * depth() * int64_t{sizeof(float)}, int64_t{64});
    at.end = at.scratch + round_up(bf16_scratch_bytes(tiles, 1), int64_t{64});
    return at;
  }

  /// Output places [first, first + count).
  void run_piece(const KernelRun& run, const Planes& planes, int64_t first, int64_t count,
                 std::byte* memory) const {
    const Parts at = places_of(kMostPlaces);
    Bf16Rows rows = tiles_of(count);
    rows.tiles = memory;
    const float* x = run.inputs[0].span<float>().data();
    if (is_pointwise(planes)) {
      loops_.pack(rows, x + first * channels_, channels_, 0, rows.row_tiles);
    } else {
      auto* gathered = reinterpret_cast<float*>(memory + at.gathered);
      for (int64_t tile = 0; tile < rows.row_tiles; ++tile) {
        const int64_t here = std::min(kBf16Side, count - tile * kBf16Side);
        for (int64_t r = 0; r < here; ++r)
          gather(planes, x, first + tile * kBf16Side + r, gathered + r * depth());
        loops_.pack(rows, gathered, depth(), tile, tile + 1);
      }
    }
    float* y = run.outputs[0].span<float>().data() + first * outputs();
    const FloatOutput out{y, 1, 1, bias_.empty() ? nullptr : bias_.data(), 0, 1};
    for (int64_t n = 0; n < outputs(); n += kBf16Outputs)
      loops_.multiply(weights_, rows, out, n, std::min(n + kBf16Outputs, outputs()), memory + at.scratch);
    finish(run, y, first * outputs(), count * outputs());
  }

  /// The residual and the activation.
  void finish(const KernelRun& run, float* y, int64_t first, int64_t count) const {
    if (run.site.has_input(3)) {
      const float* residual = run.inputs[3].span<float>().data() + first;
      for (int64_t i = 0; i < count; ++i) y[i] += residual[i];
    }
    apply_all(epilogue_, activation_avx512vnni, y, count);
  }

  static bool is_pointwise(const Planes& p) {
    return p.taps() == 1 && p.y.stride == 1 && p.x.stride == 1 && p.out_rows == p.rows &&
           p.out_columns == p.columns;
  }

  /// The row of an output place: the channels under each tap, or zeros.
  void gather(const Planes& p, const float* x, int64_t place, float* to) const {
    const int64_t column = place % p.out_columns, row = place / p.out_columns % p.out_rows;
    const int64_t image = place / p.out_columns / p.out_rows;
    const int64_t top = row * p.y.stride - p.y.pad_begin, left = column * p.x.stride - p.x.pad_begin;
    const bool joined = p.x.dilation == 1 && left >= 0 && left + p.x.kernel <= p.columns;
    for (int64_t ky = 0; ky < p.y.kernel; ++ky) {
      const int64_t iy = top + ky * p.y.dilation, width = p.x.kernel * channels_;
      const float* line = x + (image * p.rows + iy) * p.columns * channels_;
      if (iy < 0 || iy >= p.rows) {
        std::fill_n(to, width, 0.0f);
      } else if (joined) {
        std::copy_n(line + left * channels_, width, to);
      } else {
        for (int64_t kx = 0; kx < p.x.kernel; ++kx) {
          const int64_t ix = left + kx * p.x.dilation;
          if (ix >= 0 && ix < p.columns)
            std::copy_n(line + ix * channels_, channels_, to + kx * channels_);
          else
            std::fill_n(to + kx * channels_, channels_, 0.0f);
        }
      }
      to += width;
    }
  }

  const Bf16GemmLoops& loops_;
  Window window_;
  Epilogue epilogue_;
  int64_t workers_, channels_ = 0;
  PackedMemory memory_;
  Bf16Weights weights_{};
  std::vector<float> bias_;
};

template <const Bf16GemmLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Bf16Conv>(site, kLoops, threads);
}

}  // namespace

extern const Kernel conv_bf16_amx{"conv_bf16_amx", "Conv", Isa::amx, supports, prepare<bf16_gemm_amx>, true};
extern const Kernel conv_bf16_avx512bf16{"conv_bf16_avx512bf16",        "Conv", Isa::avx512bf16, supports,
                                         prepare<bf16_gemm_avx512bf16>, true};

}  // namespace halftone::cpu

#endif
