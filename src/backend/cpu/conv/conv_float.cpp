#include <algorithm>
#include <array>
#include <numeric>

#include "backend/cpu/conv/conv_site.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "backend/cpu/tile/packed_panels.h"
#include "base/checked.h"

// Convolution of channels-last values as an indirect product (Dukhan, "The Indirect Convolution Algorithm",
// arXiv:1907.02129): each output place is a row of A, found tap by tap through a pointer to its channels, so
// that nothing is copied and padding is a pointer to zeros. A 1x1 convolution is a plain product.

namespace halftone::cpu {
namespace {

/// Pointers of a block of places, on the stack.
constexpr int64_t kPointers = 4096;
/// Register tiles in a block: a panel of weights is read once for them. More where the weights do not stay in
/// a cache of this many bytes from block to block.
constexpr int64_t kBlockTiles = 4, kLargeBlockTiles = 16;
constexpr size_t kNearBytes = size_t{1} << 17;
constexpr int64_t kLargestBlock = 192;
constexpr int64_t kCopyGrain = 1 << 13;  ///< floats copied by a thread at a time

Refusal supports(const OpSite& site) {
  if (Refusal refusal = float_conv_refusal(site, Storage::Order::channels_last); !refusal.empty())
    return refusal;
  const Shape& w = site.input_shape(1);
  const int64_t taps = std::accumulate(w.begin() + 2, w.end(), int64_t{1}, std::multiplies<>());
  if (taps > kPointers / 12) return fmt::format("{} taps", taps);
  return {};
}

class FloatConv : public PreparedKernel {
 public:
  FloatConv(const OpSite& site, const FloatTileLoops& loops, const ActivationLoops& activations)
      : loops_(loops),
        activations_(activations),
        window_(conv_extent(site).window),
        epilogue_(make_epilogue(fused_activation(site))) {
    const ConvWeights weights(site);
    group_inputs_ = weights.group_inputs();
    groups_ = site.attributes->get_int("group", 1);
    group_outputs_ = weights.outputs() / groups_;
    zeros_.resize(static_cast<size_t>(group_inputs_ * weights.taps()));
    for (int64_t g = 0; g < groups_; ++g)
      panels_.emplace_back(
          loops, group_outputs_, group_inputs_ * weights.taps(),
          [&](int64_t n, int64_t k) {
            return weights.weight(g * group_outputs_ + n, k % group_inputs_, k / group_inputs_);
          },
          [&](int64_t n) { return weights.bias(g * group_outputs_ + n); });
    most_tiles_ = std::clamp(kPointers / weights.taps() / loops.rows, int64_t{1},
                             packed_bytes() > kNearBytes ? kLargeBlockTiles : kBlockTiles);
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  bool spaces_rows() const override { return true; }
  size_t packed_bytes() const override {
    size_t bytes = 0;
    for (const PackedPanels& panels : panels_) bytes += panels.bytes();
    return bytes;
  }

  size_t workspace_bytes(const OpSite& site) const override {
    const Shape &x = site.input_shape(0), &y = site.outputs[0].shape;
    const Planes planes = lying(make_planes(window_, x, y));
    return widens(planes)
               ? static_cast<size_t>(planes.batch * planes.rows) * wide_line(planes) * sizeof(float)
               : 0;
  }

  void run(const KernelRun& run) const override {
    Planes planes = lying(make_planes(window_, run.inputs[0].tensor.shape, run.outputs[0].shape));
    const float* x = run.inputs[0].span<float>().data();
    if (widens(planes)) x = widen(run, planes);
    const int64_t work = groups_ * group_outputs_ * group_inputs_ * planes.taps();
    const std::array<Region, 2> regions = cut(planes, run.site.has_input(3));
    const Blocks inner = blocks_of(regions[0].places(planes), run.threads.size());
    const Blocks outer = blocks_of(regions[1].places(planes), run.threads.size());
    const int64_t grain = ceil_div(work_grain(work), most_tiles_ * loops_.rows);
    run.threads.parallel_for(inner.count + outer.count, grain, [&](int64_t begin, int64_t end) {
      const SubnormalsAsZero mode;
      for (int64_t i = begin; i < end; ++i) {
        const bool is_inner = i < inner.count;
        const Blocks& blocks = is_inner ? inner : outer;
        const int64_t block = is_inner ? i : i - inner.count, first = blocks.begin(block);
        run_block(run, x, planes, regions[is_inner ? 0 : 1], first, blocks.begin(block + 1) - first);
      }
    });
    if (regions[0].height < planes.out_rows || regions[0].width + regions[1].width < planes.out_columns)
      fill_padding(run, planes, regions[0]);
  }

 private:
  /// Of output rows [top, top + height), the columns [0, left) and [skip_to, ...).
  struct Region {
    int64_t top, height;
    int64_t left, skip_to, width;  ///< width: columns in all
    bool joined;  ///< every tap of a row of the window lies inside, one behind the other: they are one tap,
                  ///< as long

    int64_t places(const Planes& planes) const { return planes.batch * height * width; }
  };

  /// Whether the picture is copied with zeros beside its lines, so that the taps of all columns are joined:
  /// where the copy costs less than the columns at the edges do by themselves.
  bool widens(const Planes& p) const {
    return groups_ == 1 && p.x.dilation == 1 && p.x.kernel > 1 && p.x.pad_begin + p.x.pad_end > 0 &&
           p.columns <= 2 * group_outputs_;
  }
  int64_t wide_line(const Planes& p) const {
    return (p.columns + p.x.pad_begin + p.x.pad_end) * group_inputs_;
  }

  /// The copy, of which `planes` then speaks.
  const float* widen(const KernelRun& run, Planes& planes) const {
    auto* wide = reinterpret_cast<float*>(run.workspace.data());
    const float* x = run.inputs[0].span<float>().data();
    const int64_t line = planes.columns * group_inputs_, step = wide_line(planes);
    const int64_t left = planes.x.pad_begin * group_inputs_;
    run.threads.parallel_for(planes.batch * planes.rows, ceil_div(kCopyGrain, line),
                             [&](int64_t begin, int64_t end) {
                               for (int64_t row = begin; row < end; ++row) {
                                 float* to = wide + row * step;
                                 std::fill(to, to + left, 0.0f);
                                 std::copy_n(x + row * line, line, to + left);
                                 std::fill(to + left + line, to + step, 0.0f);
                               }
                             });
    planes.columns += planes.x.pad_begin + planes.x.pad_end;
    planes.x.pad_begin = planes.x.pad_end = 0;
    return wide;
  }

  /// Places in blocks of whole tiles, of which each thread gets as many as any other.
  struct Blocks {
    int64_t places, rows, tiles, count;  ///< rows: of a tile
    int64_t begin(int64_t block) const { return std::min(tiles * block / count * rows, places); }
  };
  Blocks blocks_of(int64_t places, int threads) const {
    const int64_t tiles = ceil_div(places, loops_.rows);
    const int64_t few = std::min(kBlockTiles, most_tiles_);
    const int64_t most = std::clamp(ceil_div(tiles, int64_t{threads}), few, most_tiles_);
    const int64_t blocks = ceil_div(tiles, most);
    return {places, loops_.rows, tiles,
            tiles <= few ? blocks : std::min(round_up(blocks, int64_t{threads}), tiles)};
  }

  /// Outputs [begin, end) whose windows lie inside.
  static std::pair<int64_t, int64_t> inside(const WindowAxis& axis, int64_t size, int64_t out) {
    const int64_t begin = std::min(ceil_div(axis.pad_begin, axis.stride), out);
    const int64_t room = size + axis.pad_begin - axis.span();
    return {begin, std::max(begin, room < 0 ? 0 : std::min(room / axis.stride + 1, out))};
  }

  /// The columns whose windows lie inside, and the others. Only with groups and dilations of 1 taps can be
  /// joined. Of a window of one tap, the places inside; the others are padding.
  std::array<Region, 2> cut(const Planes& p, bool has_residual) const {
    const Region all{0, p.out_rows, 0, 0, p.out_columns, false}, none{0, p.out_rows, 0, 0, 0, false};
    if (p.taps() == 1 && !has_residual) {
      const auto [top, bottom] = inside(p.y, p.rows, p.out_rows);
      const auto [left, right] = inside(p.x, p.columns, p.out_columns);
      if (bottom > top && right > left)
        return {Region{top, bottom - top, 0, left, right - left, false}, none};
    }
    if (groups_ != 1 || p.x.dilation != 1 || p.x.kernel == 1) return {all, none};
    const auto [begin, end] = inside(p.x, p.columns, p.out_columns);
    if (end <= begin) return {all, none};
    return {Region{0, p.out_rows, 0, begin, end - begin, true},
            Region{0, p.out_rows, begin, end, p.out_columns - (end - begin), false}};
  }

  /// Places outside `region` of a window of one tap: all the same.
  void fill_padding(const KernelRun& run, const Planes& planes, const Region& region) const {
    const int64_t outputs = groups_ * group_outputs_, step = run.step_of(outputs);
    float* y = run.outputs[0].span<float>().data();
    int64_t first = -1;
    for (int64_t place = 0; place < planes.out_places(); ++place) {
      const int64_t column = place % planes.out_columns, row = place / planes.out_columns % planes.out_rows;
      if (row >= region.top && row < region.top + region.height && column >= region.skip_to &&
          column < region.skip_to + region.width)
        continue;
      float* to = y + place * step;
      if (first >= 0) {
        std::copy_n(y + first * step, outputs, to);
        continue;
      }
      first = place;
      const float* zeros = zeros_.data();
      for (int64_t g = 0; g < groups_; ++g) {
        const PackedPanels& panels = panels_[static_cast<size_t>(g)];
        loops_.indirect(
            &zeros, 1, 1, group_inputs_, panels.panels(), group_outputs_,
            {to + g * group_outputs_, step, panels.bias(), nullptr, 0, epilogue_.low, epilogue_.high});
      }
      epilogue_.apply(activations_, to, outputs);
    }
  }

  bool is_pointwise(const Planes& p) const {
    return p.taps() == 1 && p.y.stride == 1 && p.x.stride == 1 && p.out_rows == p.rows &&
           p.out_columns == p.columns;
  }

  /// The region's places [first, first + count), all images in a row.
  void run_block(const KernelRun& run, const float* x, const Planes& planes, const Region& region,
                 int64_t first, int64_t count) const {
    const int64_t inputs = groups_ * group_inputs_, outputs = groups_ * group_outputs_;
    const int64_t step = run.step_of(outputs);
    float* y = run.outputs[0].span<float>().data();
    const float* residual = run.site.has_input(3) ? run.inputs[3].span<float>().data() : nullptr;
    std::array<int64_t, kLargestBlock> places;
    std::array<Stretch, kLargestBlock> stretches;
    const auto all =
        std::span<const Stretch>(stretches).first(cut_block(planes, region, first, count, stretches));
    for (const Stretch& stretch : all)
      std::iota(places.begin() + stretch.begin, places.begin() + stretch.end, stretch.place);
    const bool pointwise = is_pointwise(planes);
    const int64_t taps = region.joined ? planes.y.kernel : planes.taps();
    const int64_t depth = group_inputs_ * planes.taps() / taps;
    std::array<const float*, kPointers> pointers;
    for (int64_t g = 0; g < groups_; ++g) {
      const PackedPanels& panels = panels_[static_cast<size_t>(g)];
      const int64_t at = g * group_outputs_;
      const TileOutput out{y + at,  step,          panels.bias(),  residual ? residual + at : nullptr,
                           outputs, epilogue_.low, epilogue_.high, places.data()};
      const float* group = x + g * group_inputs_;
      if (pointwise) {
        loops_.dense(group + first * inputs, inputs, count, group_inputs_, panels.panels(), group_outputs_,
                     out);
        continue;
      }
      for (const Stretch& stretch : all)
        point_at_taps(planes, group, inputs, stretch, count, region.joined, pointers.data());
      loops_.indirect(pointers.data(), taps, count, depth, panels.panels(), group_outputs_, out);
    }
    if (epilogue_.has_map) apply_map(y, std::span(places).first(static_cast<size_t>(count)), outputs, step);
  }

  /// Over runs of neighbouring places whose outputs lie side by side.
  void apply_map(float* y, std::span<const int64_t> places, int64_t outputs, int64_t step) const {
    for (size_t begin = 0; begin < places.size();) {
      size_t end = begin + 1;
      while (step == outputs && end < places.size() && places[end] == places[end - 1] + 1) ++end;
      epilogue_.apply(activations_, y + places[begin] * step, static_cast<int64_t>(end - begin) * outputs);
      begin = end;
    }
  }

  /// Rows [begin, end) of a block: outputs side by side on one line, from `place` on. y and x: where the
  /// first window begins, which may be outside the image.
  struct Stretch {
    int64_t begin, end, place, image, y, x;
  };

  /// The region's places [first, first + count), one after the other; how many stretches they are.
  static size_t cut_block(const Planes& p, const Region& region, int64_t first, int64_t count,
                          std::span<Stretch> stretches) {
    size_t made = 0;
    for (int64_t done = 0; done < count;) {
      const int64_t column = (first + done) % region.width, line = (first + done) / region.width;
      const int64_t image = line / region.height, out_row = line % region.height + region.top;
      const bool left = column < region.left;
      const int64_t out_column = left ? column : column - region.left + region.skip_to;
      const int64_t length = std::min(count - done, (left ? region.left : region.width) - column);
      stretches[made++] = {done,
                           done + length,
                           (image * p.out_rows + out_row) * p.out_columns + out_column,
                           image,
                           out_row * p.y.stride - p.y.pad_begin,
                           out_column * p.x.stride - p.x.pad_begin};
      done += length;
    }
    return made;
  }

  /// pointers[t * count + r]: the channels under tap t of row r, or zeros. Joined, t counts rows of the
  /// window.
  void point_at_taps(const Planes& p, const float* x, int64_t channels, const Stretch& stretch, int64_t count,
                     bool joined, const float** pointers) const {
    const int64_t length = stretch.end - stretch.begin, step = p.x.stride * channels;
    const float** to = pointers + stretch.begin;
    for (int64_t ky = 0; ky < p.y.kernel; ++ky) {
      const int64_t iy = stretch.y + ky * p.y.dilation;
      const bool inside = iy >= 0 && iy < p.rows;
      const float* line = x + (stretch.image * p.rows + iy) * p.columns * channels;
      for (int64_t kx = 0; kx < (joined ? 1 : p.x.kernel); ++kx, to += count) {
        const int64_t ix = stretch.x + kx * p.x.dilation;
        if (length == 1) {  // as at the edges
          *to = inside && ix >= 0 && ix < p.columns ? line + ix * channels : zeros_.data();
          continue;
        }
        // Rows [low, high) read inside.
        int64_t low = 0, high = inside ? length : 0;
        if (!joined && inside) {
          low = ix < 0 ? std::min(ceil_div(-ix, p.x.stride), length) : 0;
          high = std::clamp(ix < p.columns ? ceil_div(p.columns - ix, p.x.stride) : 0, low, length);
        }
        std::fill(to, to + low, zeros_.data());
        const float* at = line + ix * channels;
        for (int64_t r = low; r < high; ++r) to[r] = at + r * step;
        std::fill(to + high, to + length, zeros_.data());
      }
    }
  }

  const FloatTileLoops& loops_;
  const ActivationLoops& activations_;
  Window window_;
  Epilogue epilogue_;
  int64_t groups_, group_inputs_, group_outputs_;
  int64_t most_tiles_;  ///< of a block
  std::vector<PackedPanels> panels_;
  std::vector<float> zeros_;
};

template <const FloatTileLoops& kLoops, const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<FloatConv>(site, kLoops, kActivations);
}

}  // namespace

#define HALFTONE_CONV_FLOAT(isa)        \
  extern const Kernel conv_float_##isa{ \
      "conv_float_" #isa, "Conv", Isa::isa, supports, prepare<float_tile_##isa, activation_##isa>, true};

#if defined(__x86_64__)
HALFTONE_CONV_FLOAT(avx512vnni)
HALFTONE_CONV_FLOAT(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_FLOAT(neon)
#endif

}  // namespace halftone::cpu
