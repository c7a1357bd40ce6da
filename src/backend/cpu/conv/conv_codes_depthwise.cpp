#include <algorithm>
#include <array>
#include <cstring>

#include "backend/cpu/conv/conv_int8_site.h"
#include "backend/cpu/int8/code_depthwise_lines.h"
#include "backend/cpu/int8/code_weights.h"
#include "backend/cpu/tile/epilogue.h"
#include "backend/cpu/window/planes.h"
#include "base/checked.h"

#if defined(__x86_64__)

// Depthwise 3x3 convolutions of codes, line by line (code_depthwise_lines.h), 16 channels at a time.

namespace halftone::cpu {
namespace {

constexpr int64_t kBlock = kCodePanel;
constexpr int64_t kBlockWeights = 384;

Refusal supports(const OpSite& site) {
  if (Refusal refusal = int8_conv_refusal(site); !refusal.empty()) return refusal;
  const ConvExtent extent = conv_extent(site);
  if (extent.window.rank != 2) return "one spatial axis";
  if (extent.group_inputs != 1 || extent.group_outputs != 1) return "not one channel a group";
  if (extent.groups < kBlock) return fmt::format("{} channels", extent.groups);
  const WindowAxis &y = extent.window[0], &x = extent.window[1];
  if (y.kernel != 3 || x.kernel != 3 || y.dilation != 1 || x.dilation != 1) return "not 3x3 with dilation 1";
  if (x.stride > kDepthwiseMostStride) return fmt::format("stride {}", x.stride);
  if (site.has_input(3)) return "it adds a residual";
  return {};
}

/// So few channels that vectors of 64 are mostly empty: lines are faster then (measured on Zen 4).
Refusal supports_narrow(const OpSite& site) {
  if (Refusal refusal = supports(site); !refusal.empty()) return refusal;
  const ConvExtent extent = conv_extent(site);
  if (extent.groups > (extent.window[0].stride == 1 ? 32 : 24)) return "its channels fill a vector";
  return {};
}

/// Blocks of channels, of which the last ends where the channels do.
std::vector<int64_t> block_channels(int64_t channels) {
  std::vector<int64_t> all;
  for (int64_t block = 0; block * kBlock < channels; ++block)
    for (int64_t i = 0; i < kBlock; ++i) all.push_back(std::min(block * kBlock, channels - kBlock) + i);
  return all;
}

class DepthwiseCodes final : public PreparedKernel {
 public:
  DepthwiseCodes(const Int8ConvLayer& layer, const CodeDepthwiseLinesLoops& loops, int threads)
      : loops_(loops),
        channels_(layer.extent.groups),
        blocks_(ceil_div(channels_, kBlock)),
        finish_(layer.requantizer, block_channels(channels_)),
        padding_(static_cast<size_t>(channels_), layer.input.zero),
        epilogue_(make_epilogue(layer.requantizer.to_codes() ? FusedActivation{}
                                                             : layer.requantizer.float_activation())),
        threads_(threads) {
    const std::vector<int64_t> all = block_channels(channels_);
    for (int64_t channel : all)
      bias_.push_back(folded_bias(layer.weights, static_cast<size_t>(channel), layer.input));
    weights_.resize(static_cast<size_t>(blocks_ * kBlockWeights));
    for (size_t block = 0; block < static_cast<size_t>(blocks_); ++block) {
      std::array<const int8_t*, kBlock> windows;
      for (size_t i = 0; i < kBlock; ++i)
        windows[i] = layer.weights.codes.data() + all[block * kBlock + i] * 9;
      pack_depthwise_lines(windows.data(), weights_.data() + block * kBlockWeights);
    }
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2 || i == kConvGains; }
  bool spaces_rows() const override { return true; }
  size_t packed_bytes() const override {
    return weights_.size() * sizeof(int16_t) + bias_.size() * sizeof(int32_t) + finish_.bytes();
  }
  size_t workspace_bytes(const OpSite&) const override {
    return static_cast<size_t>(threads_ * kWorkerBytes);
  }

  void run(const KernelRun& run) const override {
    const Planes planes =
        make_planes(conv_extent(run.site).window, run.site.input_shape(0), run.outputs[0].shape);
    const int64_t together = planes.y.stride == 1 ? 2 : 1;
    const int64_t groups = ceil_div(planes.out_rows, together), items = planes.batch * groups * blocks_;
    const bool few = planes.out_places() * channels_ < kFewOutputs;
    const int64_t workers = few ? 1 : std::min<int64_t>(threads_, run.threads.size());
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) {
        std::byte* scratch = run.workspace.data() + worker * kWorkerBytes;
        for (int64_t item = items * worker / workers; item < items * (worker + 1) / workers; ++item) {
          const int64_t line = item / blocks_;
          const int64_t row = line % groups * together;
          run_lines(run, planes, line / groups, row, std::min(together, planes.out_rows - row),
                    item % blocks_, scratch);
        }
      }
    });
  }

 private:
  static constexpr int64_t kWorkerBytes = (kDepthwiseScratch + 63) / 64 * 64;
  static constexpr int64_t kFewOutputs = 8192;  ///< sooner made than shared

  /// `count` lines of outputs of a picture from `row` on, a block of channels.
  void run_lines(const KernelRun& run, const Planes& p, int64_t picture, int64_t row, int64_t count,
                 int64_t block, std::byte* scratch) const {
    const int64_t first = std::min(block * kBlock, channels_ - kBlock), step = run.step_of(channels_);
    const uint8_t* x = run.inputs[0].span<uint8_t>().data();
    const bool to_codes = run.outputs[0].dtype == DType::u8;
    CodeDepthwiseLines work{};
    for (int64_t line = 0; line < 4; ++line) {
      const int64_t y = row * p.y.stride - p.y.pad_begin + line;
      const bool inside = y >= 0 && y < p.rows;
      work.lines[line] =
          inside ? x + (picture * p.rows + y) * p.columns * channels_ + first : padding_.data();
      work.steps[line] = inside ? channels_ : 0;
    }
    work.columns = p.columns;
    work.stride = p.x.stride;
    work.padding = padding_.data();
    work.weights = weights_.data() + block * kBlockWeights;
    work.bias = bias_.data() + block * kBlock;
    work.out_step = step;
    work.scratch = scratch;
    const CodeFinish finish = finish_.at(block * kBlock);
    for (int64_t column = 0; column < p.out_columns; column += work.count) {
      work.count = std::min(kDepthwiseColumns, p.out_columns - column);
      work.first_column = column * p.x.stride - p.x.pad_begin;
      const int64_t place = (picture * p.out_rows + row) * p.out_columns + column;
      if (to_codes)
        for (int64_t line = 0; line < count; ++line)
          work.out[line] =
              run.outputs[0].span<uint8_t>().data() + (place + line * p.out_columns) * step + first;
      (p.y.stride == 1 ? loops_.two : loops_.one)(work, finish);
      if (to_codes) continue;
      for (int64_t line = 0; line < count; ++line)
        store_floats(reinterpret_cast<float*>(scratch + kDepthwiseSums) + line * kDepthwiseColumns * kBlock,
                     work.count,
                     run.outputs[0].span<float>().data() + (place + line * p.out_columns) * step + first,
                     step);
    }
  }

  void store_floats(float* made, int64_t count, float* to, int64_t step) const {
    apply_all(epilogue_, *loops_.activations, made, count * kBlock);
    for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * step, made + i * kBlock, kBlock * sizeof(float));
  }

  const CodeDepthwiseLinesLoops& loops_;
  int64_t channels_, blocks_;
  FinishArrays finish_;
  std::vector<uint8_t> padding_;
  Epilogue epilogue_;  ///< of floats
  int threads_;
  std::vector<int32_t> bias_;
  std::vector<int16_t> weights_;
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<DepthwiseCodes>(Int8ConvLayer(site), code_depthwise_lines_avx2, threads.size());
}

}  // namespace

extern const Kernel conv_codes_depthwise_avx2{
    "conv_codes_depthwise_avx2", "Conv", Isa::avx2, supports, prepare, true};
extern const Kernel conv_codes_narrow_depthwise_avx2{
    "conv_codes_narrow_depthwise_avx2", "Conv", Isa::avx2, supports_narrow, prepare, true};

}  // namespace halftone::cpu

#endif
