#include <algorithm>
#include <cstring>

#include "backend/cpu/int8/code_gather.h"
#include "backend/cpu/int8/code_multiply.h"
#include "backend/kernel.h"
#include "base/checked.h"
#include "ops/conv/conv_integer.h"

namespace halftone::cpu {
namespace {

bool is_channels_last(const Storage& storage) {
  return storage.order == Storage::Order::channels_last;
}

Refusal layout_refusal(const OpSite& site) {
  if (Refusal refusal = integer_conv_refusal(site); !refusal.empty()) return refusal;
  if (site.input_shape(0).rank() > 4) return "more than two spatial axes";
  if (!is_channels_last(site.inputs[0].storage) || !is_channels_last(site.storage_of_output(0)))
    return "the values are not stored channels-last";
  if (site.has_input(3) && !is_channels_last(site.inputs[3].storage))
    return "the residual is not stored channels-last";
  return {};
}

bool is_depthwise(const OpSite& site) {
  const ConvExtent extent = conv_extent(site);
  return extent.group_inputs == 1 && extent.group_outputs == 1 && extent.groups > 1;
}

/// What both kernels prepare: weights, and how sums end.
struct Layer {
  explicit Layer(const OpSite& site)
      : extent(conv_extent(site)),
        input(*site.inputs[0].storage.codes),
        weights(integer_weights(site, *site.inputs[1].constant->load_encoded(std::string(site.name)), 0,
                                constant_bias(site))),
        residual(site.has_input(3) ? integer_residual(weights, *site.inputs[3].storage.codes)
                                   : IntegerResidual{}),
        requantizer(site, weights.units) {}
  ConvExtent extent;
  CodeScale input;
  IntegerWeights weights;
  IntegerResidual residual;
  Requantizer requantizer;
};

class Int8Conv final : public PreparedKernel {
 public:
  Int8Conv(const Layer& layer, const CodeLoops& loops, int threads)
      : loops_(loops),
        weights_(layer.weights, layer.requantizer, layer.input,
                 {layer.extent.groups, layer.extent.group_outputs, layer.extent.group_inputs,
                  layer.extent.window.taps()},
                 loops, layer.residual),
        padding_(static_cast<size_t>(weights_.quads() * kCodeQuad), layer.input.zero),
        activation_(layer.requantizer.to_codes() ? FusedActivation{} : layer.requantizer.float_activation()),
        threads_(threads) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return weights_.bytes(); }
  size_t workspace_bytes(const OpSite&) const override {
    return CodeMultiply::workspace_bytes(weights_, threads_) + padding_.size();
  }

  void run(const KernelRun& run) const override {
    const uint8_t* pictures = run.inputs[0].span<uint8_t>().data();
    const CodeGather gather(conv_extent(run.site).window, run.site.input_shape(0), run.outputs[0].shape);
    const int64_t channels = weights_.extent().channels;
    uint8_t* last_place =
        reinterpret_cast<uint8_t*>(run.workspace.data()) + CodeMultiply::workspace_bytes(weights_, threads_);
    const bool whole_quads = channels % kCodeQuad == 0;
    const int64_t last_offset = (weights_.extent().groups - 1) * channels;
    const auto bytes = run.inputs[0].span<uint8_t>();
    if (!whole_quads && !bytes.empty())
      std::memcpy(last_place, bytes.data() + bytes.size() - channels, static_cast<size_t>(channels));

    CodeMultiply multiply{.loops = loops_, .weights = weights_, .rows = gather.places(), .gather = {}};
    multiply.gather = [&](int64_t group, int64_t first, int64_t count, const uint8_t** to) {
      const int64_t offset = group * channels;
      gather.rows(pictures, padding_.data(), offset, first, count, to);
      if (!whole_quads && offset == last_offset)
        gather.redirect_last(pictures, offset, last_place, {to, static_cast<size_t>(gather.taps() * count)});
    };
    if (run.outputs[0].dtype == DType::u8)
      multiply.codes = run.outputs[0].span<uint8_t>().data();
    else
      multiply.floats = run.outputs[0].span<float>().data();
    if (run.site.has_input(3)) {
      multiply.residual = run.inputs[3].span<uint8_t>().data();
      multiply.residual_zero = run.site.inputs[3].storage.codes->zero;
    }
    multiply.activation = activation_;
    multiply.run(run.threads, run.workspace);
  }

 private:
  const CodeLoops& loops_;
  CodeWeights weights_;
  std::vector<uint8_t> padding_;
  FusedActivation activation_;
  int threads_;
};

class Int8Depthwise final : public PreparedKernel {
 public:
  static constexpr int64_t kChunk = 48;

  Int8Depthwise(const Layer& layer, const CodeDepthwiseLoops& loops, int threads)
      : loops_(loops),
        weights_(layer.weights, layer.requantizer, layer.input, loops),
        padding_(static_cast<size_t>(layer.weights.outputs), layer.input.zero),
        threads_(threads) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return weights_.bytes(); }
  size_t workspace_bytes(const OpSite&) const override {
    return static_cast<size_t>(threads_ * weights_.taps() * kChunk) * sizeof(void*);
  }

  void run(const KernelRun& run) const override {
    const uint8_t* pictures = run.inputs[0].span<uint8_t>().data();
    uint8_t* out = run.outputs[0].span<uint8_t>().data();
    const CodeGather gather(conv_extent(run.site).window, run.site.input_shape(0), run.outputs[0].shape);
    const CodeFinish finish = weights_.finish();
    const int64_t places = gather.places(), workers = std::min<int64_t>(threads_, run.threads.size());
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) {
        auto* pointers =
            reinterpret_cast<const uint8_t**>(run.workspace.data()) + worker * weights_.taps() * kChunk;
        CodeDepthwise work = weights_.work();
        work.rows = pointers;
        work.out_step = work.channels;
        const int64_t last = places * (worker + 1) / workers;
        for (int64_t first = places * worker / workers; first < last; first += work.count) {
          work.row_step = work.count = std::min(kChunk, last - first);
          work.out = out + first * work.channels;
          gather.rows(pictures, padding_.data(), 0, first, work.count, pointers);
          std::fill(pointers + gather.taps() * work.count, pointers + weights_.taps() * work.count,
                    padding_.data());
          loops_.run(work, finish);
        }
      }
    });
  }

 private:
  const CodeDepthwiseLoops& loops_;
  CodeDepthwiseWeights weights_;
  std::vector<uint8_t> padding_;
  int threads_;
};

Refusal supports_depthwise(const OpSite& site) {
  if (Refusal refusal = layout_refusal(site); !refusal.empty()) return refusal;
  if (!is_depthwise(site)) return "not one channel a group";
  if (!site.storage_of_output(0).codes) return "the output is floating";
  if (site.has_input(3)) return "it adds a residual";
  return {};
}

template <const CodeLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Int8Conv>(Layer(site), kLoops, threads.size());
}

template <const CodeDepthwiseLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare_depthwise(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Int8Depthwise>(Layer(site), kLoops, threads.size());
}

}  // namespace

#define HALFTONE_CONV_INT8_KERNELS(isa)                                                            \
  extern const Kernel conv_int8_depthwise_##isa{"conv_int8_depthwise_" #isa,                       \
                                                "Conv",                                            \
                                                Isa::isa,                                          \
                                                supports_depthwise,                                \
                                                prepare_depthwise<code_depthwise_##isa>,           \
                                                true};                                             \
  extern const Kernel conv_int8_##isa{"conv_int8_" #isa,         "Conv", Isa::isa, layout_refusal, \
                                      prepare<code_loops_##isa>, true};

#if defined(__x86_64__)
HALFTONE_CONV_INT8_KERNELS(avx512vnni)
HALFTONE_CONV_INT8_KERNELS(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_INT8_KERNELS(neondot)
#endif

}  // namespace halftone::cpu
