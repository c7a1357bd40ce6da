#include <algorithm>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/conv/halved_pictures.h"
#include "backend/cpu/int8/code_weights.h"
#include "backend/cpu/int8/code_winograd.h"
#include "backend/cpu/tile/epilogue.h"
#include "base/checked.h"

#if defined(__x86_64__)

// 3x3 convolutions of codes by Winograd's transform, exactly (code_winograd.h). For processors that multiply
// 16-bit numbers as fast as any codes, and those whose dot products sum two of these where they sum four
// codes (AVX-VNNI) in layers of channels enough. Where vectors of codes are twice as long the plain sum is
// faster.

namespace halftone::cpu {
namespace {

constexpr int64_t kFewestChannels = 16;  ///< that the transform takes at a time
constexpr int64_t kFewestOutputs = 9;    ///< a panel of which half would be padding takes as long
constexpr int64_t kFewestTiles = 6;      ///< that fill a register tile
/// Of transformed codes, that stay in a near cache beside the weights.
constexpr int64_t kCodeBytes = 96 << 10;
constexpr size_t kNearBytes = size_t{256} << 10;  ///< of weights, that stay in the cache of a core
constexpr int64_t kMostParts = 36;
/// Of weights on AVX-VNNI, that stay in the second cache of a core: eight times those of the plain sum.
constexpr int64_t kVnniBytes = 1 << 20;

Refusal supports(const OpSite& site) {
  if (Refusal refusal = int8_conv_refusal(site); !refusal.empty()) return refusal;
  const ConvExtent extent = conv_extent(site);
  if (extent.window.rank != 2) return "one spatial axis";
  if (extent.group_outputs < kFewestOutputs) return fmt::format("{} outputs", extent.group_outputs);
  if (halves_pictures(extent)) return {};
  for (int axis = 0; axis < 2; ++axis) {
    const WindowAxis& a = extent.window[axis];
    if (a.kernel != 3 || a.stride != 1 || a.dilation != 1) return "not 3x3 with stride 1 and dilation 1";
  }
  if (extent.groups != 1) return fmt::format("{} groups", extent.groups);
  if (extent.group_inputs < kFewestChannels || extent.group_inputs > kWinogradChannels)
    return fmt::format("{} channels", extent.group_inputs);
  return {};
}

/// Whether every sum of a window, without bias, stays below `reach`.
bool sums_stay_below(const IntegerWeights& weights, int64_t reach) {
  for (int64_t output = 0; output < weights.outputs; ++output) {
    int64_t above = 0, below = 0;
    for (int64_t i = 0; i < weights.columns; ++i) {
      const int64_t w = weights.codes[static_cast<size_t>(output * weights.columns + i)];
      (w > 0 ? above : below) += w;
    }
    if (255 * std::max(above, -below) >= reach) return false;
  }
  return true;
}

/// What the products of a picture's outputs cost in tiles of those loops.
int64_t products_of(const CodeWinogradLoops& loops, const Shape& y) {
  return ceil_div(y[2], loops.out) * ceil_div(y[3], loops.out) * loops.in() * loops.in();
}

const CodeWinogradLoops& pick_loops(const Int8ConvLayer& layer, const Shape& y) {
  const CodeWinogradLoops &small = code_winograd_2x2_avx2, &large = code_winograd_4x4_avx2;
  if (!sums_stay_below(layer.weights, large.reach)) return small;
  const bool known = y[2] > 0 && y[3] > 0;
  return !known || products_of(large, y) < products_of(small, y) ? large : small;
}

/// What a layer takes on AVX-VNNI, in cycles of a core that does two dot products in each, data in the
/// nearest cache (docs/benchmarks/cpu.md, by llvm-mca).
struct AvxVnniCycles {
  int64_t plain, winograd;

  AvxVnniCycles(const ConvExtent& extent, const Shape& y) {
    constexpr int64_t kTransformCodes = 100, kTransformProducts = 190;  // of 16 channels, of a panel
    const CodeWinogradLoops& loops = code_winograd_4x4_avxvnni;
    const bool known = y[2] > 0 && y[3] > 0;
    const int64_t places = known ? y[2] * y[3] : loops.out * loops.out;
    const int64_t tiles = known ? ceil_div(y[2], loops.out) * ceil_div(y[3], loops.out) : 1;
    const int64_t panels = ceil_div(extent.group_outputs, kCodePanel), channels = extent.group_inputs;
    plain = places * 9 * ceil_div(channels, kCodeQuad) * panels;
    winograd = tiles * (kMostParts * ceil_div(channels, int64_t{2}) * panels +
                        kTransformCodes * ceil_div(channels, int64_t{16}) + kTransformProducts * panels);
  }
};

Refusal supports_avxvnni(const OpSite& site) {
  if (Refusal refusal = supports(site); !refusal.empty()) return refusal;
  const ConvExtent extent = conv_extent(site);
  if (halves_pictures(extent)) return "sums of bytes take no longer";
  const int64_t weights = extent.group_inputs * extent.group_outputs * kMostParts * int64_t{sizeof(int16_t)};
  if (weights > kVnniBytes) return fmt::format("{} bytes of transformed weights", weights);
  const AvxVnniCycles cycles(extent, site.outputs[0].shape);
  if (cycles.winograd > cycles.plain - cycles.plain / 6) return "sums of bytes take no longer";
  if (!sums_stay_below(Int8ConvLayer(site).weights, code_winograd_4x4_avxvnni.reach))
    return "weights whose sums tiles of 4x4 do not hold";
  return {};
}

class WinogradCodes final : public PreparedKernel {
 public:
  /// `halved`: the layer is one over halved pictures.
  WinogradCodes(const Int8ConvLayer& layer, bool halved, const CodeWinogradLoops& loops, int threads)
      : halved_(halved),
        loops_(loops),
        parts_(loops.in() * loops.in()),
        channels_(layer.extent.group_inputs),
        outputs_(layer.extent.group_outputs),
        panels_(ceil_div(outputs_, kCodePanel)),
        finish_(layer.requantizer, padded_places(), layer.residual),
        padding_(static_cast<size_t>(std::max(channels_, kHalvedPlace)), layer.input.zero),
        epilogue_(make_epilogue(layer.requantizer.to_codes() ? FusedActivation{}
                                                             : layer.requantizer.float_activation())),
        adds_(!layer.residual.factors.empty()),
        threads_(threads) {
    for (int64_t output : padded_places())
      bias_.push_back(output < 0 ? 0 : folded_bias(layer.weights, static_cast<size_t>(output), layer.input));
    const int64_t pairs = ceil_div(channels_, int64_t{2}), part_weights = pairs * 2 * kCodePanel;
    weights_ = PackedMemory(static_cast<size_t>(panels_ * parts_ * part_weights) * sizeof(int16_t),
                            [&](std::byte* memory) {
                              auto* to = reinterpret_cast<int16_t*>(memory);
                              std::fill_n(to, panels_ * parts_ * part_weights, int16_t{0});
                              pack(layer.weights, part_weights, to);
                            });
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2 || i == kConvGains; }
  bool spaces_rows() const override { return !adds_; }  // a residual lies as the output does
  size_t packed_bytes() const override {
    return weights_.size() + bias_.size() * sizeof(int32_t) + finish_.bytes();
  }
  size_t workspace_bytes(const OpSite& site) const override {
    return static_cast<size_t>(threads_) * worker_bytes() + (halved_ ? halved_bytes(site) : 0);
  }

  void run(const KernelRun& run) const override {
    const Grid grid = grid_of(run);
    const int64_t tiles = grid.batch * grid.rows * grid.columns;
    const int64_t workers = std::min<int64_t>(threads_, run.threads.size());
    const int64_t most =
        std::clamp(kCodeBytes / (parts_ * 2 * channels_), std::min(kFewestTiles, loops_.tiles), loops_.tiles);
    int64_t chunks = ceil_div(tiles, most);
    // Of weights that leave the cache of a core each thread reads a part; few chunks are shared that way too.
    const bool by_outputs = weights_.size() > kNearBytes || (chunks % workers != 0 && chunks < 4 * workers);
    const int64_t shares = by_outputs ? std::min(workers, panels_) : 1;
    if (shares == 1 && tiles >= workers * kFewestTiles) chunks = round_up(chunks, workers);
    const int64_t items = chunks * shares;
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) {
        std::byte* memory = run.workspace.data() + static_cast<size_t>(worker) * worker_bytes();
        for (int64_t i = items * worker / workers; i < items * (worker + 1) / workers; ++i) {
          const int64_t chunk = i % chunks, share = i / chunks;
          run_tiles(run, grid, {tiles * chunk / chunks, tiles * (chunk + 1) / chunks},
                    {panels_ * share / shares, panels_ * (share + 1) / shares}, memory);
        }
      }
    });
  }

 private:
  /// The pictures that are read, from (top, left) of a place's window on, and tiles of outputs.
  struct Grid {
    const uint8_t* pictures;
    int64_t step;  ///< bytes of a place
    int64_t batch, in_rows, in_columns, top, left;
    int64_t out_rows, out_columns, rows, columns;
  };
  Grid grid_of(const KernelRun& run) const {
    const Window window = conv_extent(run.site).window;
    const Shape &x = run.site.input_shape(0), &y = run.outputs[0].shape;
    Grid grid{run.inputs[0].span<uint8_t>().data(),
              channels_,
              x[0],
              x[2],
              x[3],
              -window[0].pad_begin,
              -window[1].pad_begin,
              y[2],
              y[3],
              ceil_div(y[2], loops_.out),
              ceil_div(y[3], loops_.out)};
    if (!halved_) return grid;
    auto* pictures =
        reinterpret_cast<uint8_t*>(run.workspace.data()) + static_cast<size_t>(threads_) * worker_bytes();
    halve_pictures(run, padding_[0], pictures);
    grid.pictures = pictures;
    grid.step = kHalvedPlace;
    grid.in_rows = y[2] + loops_.in() - loops_.out;
    grid.in_columns = y[3] + loops_.in() - loops_.out;
    grid.top = grid.left = 0;
    return grid;
  }
  struct Range {
    int64_t begin, end;
  };

  std::vector<int64_t> padded_places() const {
    std::vector<int64_t> places(static_cast<size_t>(panels_ * kCodePanel), -1);
    for (int64_t i = 0; i < outputs_; ++i) places[static_cast<size_t>(i)] = i;
    return places;
  }

  void pack(const IntegerWeights& weights, int64_t part_weights, int16_t* to) const {
    for (int64_t output = 0; output < outputs_; ++output)
      for (int64_t c = 0; c < channels_; ++c) {
        int16_t parts[kMostParts];
        loops_.transform_window(weights.codes.data() + (output * channels_ + c) * 9, parts);
        int16_t* at = to + output / kCodePanel * parts_ * part_weights + c / 2 * 2 * kCodePanel +
                      output % kCodePanel * 2 + c % 2;
        for (int64_t part = 0; part < parts_; ++part) at[part * part_weights] = parts[part];
      }
  }

  size_t scratch_bytes() const {
    return static_cast<size_t>(round_up(static_cast<int64_t>(loops_.scratch_bytes(channels_)), int64_t{64}));
  }
  size_t worker_bytes() const {
    const int64_t lists =
        loops_.tiles * (parts_ * int64_t{sizeof(void*)} + loops_.out * loops_.out * int64_t{sizeof(int64_t)});
    return scratch_bytes() + static_cast<size_t>(round_up(lists, int64_t{64}));
  }

  /// Where each tile reads, and which rows of the output it makes.
  void point_at_places(const Grid& grid, Range tiles, const uint8_t** places, int64_t* rows) const {
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const int64_t column = tile % grid.columns * loops_.out,
                    row = tile / grid.columns % grid.rows * loops_.out,
                    picture = tile / grid.columns / grid.rows;
      const int64_t left = column + grid.left;
      const bool cut = left < 0 || left + loops_.in() > grid.in_columns;
      for (int64_t y = 0; y < loops_.in(); ++y) {
        const int64_t iy = row + grid.top + y;
        const bool inside = iy >= 0 && iy < grid.in_rows;
        const int64_t first = (picture * grid.in_rows + iy) * grid.in_columns + left;
        for (int64_t x = 0; x < loops_.in(); ++x) {
          const bool there = inside && (!cut || (left + x >= 0 && left + x < grid.in_columns));
          *places++ = there ? grid.pictures + (first + x) * grid.step : padding_.data();
        }
      }
      for (int64_t y = row; y < row + loops_.out; ++y)
        for (int64_t x = column; x < column + loops_.out; ++x)
          *rows++ = y < grid.out_rows && x < grid.out_columns
                        ? (picture * grid.out_rows + y) * grid.out_columns + x
                        : -1;
    }
  }

  void run_tiles(const KernelRun& run, const Grid& grid, Range tiles, Range panels, std::byte* memory) const {
    auto* places = reinterpret_cast<const uint8_t**>(memory + scratch_bytes());
    auto* rows = reinterpret_cast<int64_t*>(places + loops_.tiles * parts_);
    point_at_places(grid, tiles, places, rows);
    const int64_t first = panels.begin * kCodePanel,
                  part_weights = ceil_div(channels_, int64_t{2}) * 2 * kCodePanel;
    CodeWinograd work{};
    work.tiles = tiles.end - tiles.begin;
    work.places = places;
    work.channels = channels_;
    work.outputs = std::min(panels.end * kCodePanel, outputs_) - first;
    work.weights = reinterpret_cast<const int16_t*>(weights_.data()) + panels.begin * parts_ * part_weights;
    work.bias = bias_.data() + first;
    work.rows = rows;
    work.out_step = run.step_of(outputs_);
    work.scratch = memory;
    if (run.outputs[0].dtype == DType::u8)
      work.out = run.outputs[0].span<uint8_t>().data() + first;
    else
      work.floats = run.outputs[0].span<float>().data() + first;
    work.finish_floats = [](const void* epilogue, float* made, int64_t count) {
      apply_all(*static_cast<const Epilogue*>(epilogue), activation_avx2, made, count);
    };
    work.context = &epilogue_;
    CodeFinish finish = finish_.at(first);
    if (run.site.has_input(3)) {
      work.residual = run.inputs[3].span<uint8_t>().data() + first;
      finish.residual_zero = run.site.inputs[3].storage.codes->zero;
    }
    loops_.run(work, finish);
  }

  bool halved_;
  const CodeWinogradLoops& loops_;
  int64_t parts_, channels_, outputs_, panels_;
  FinishArrays finish_;
  std::vector<uint8_t> padding_;
  Epilogue epilogue_;  ///< of floats
  bool adds_;
  int threads_;
  std::vector<int32_t> bias_;
  PackedMemory weights_;
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  Int8ConvLayer layer(site);
  const bool halved = halves_pictures(layer.extent);
  if (halved) layer = halved_layer(std::move(layer));
  return std::make_unique<WinogradCodes>(layer, halved, pick_loops(layer, site.outputs[0].shape),
                                         threads.size());
}

std::unique_ptr<PreparedKernel> prepare_avxvnni(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<WinogradCodes>(Int8ConvLayer(site), false, code_winograd_4x4_avxvnni,
                                         threads.size());
}

}  // namespace

extern const Kernel conv_winograd_codes_avxvnni{
    "conv_winograd_codes_avxvnni", "Conv", Isa::avxvnni, supports_avxvnni, prepare_avxvnni, true};
extern const Kernel conv_winograd_codes_avx2{
    "conv_winograd_codes_avx2", "Conv", Isa::avx2, supports, prepare, true};

}  // namespace halftone::cpu

#endif
