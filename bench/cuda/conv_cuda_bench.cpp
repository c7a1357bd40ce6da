// Convolutions of the CUDA backend at the shapes of real models, in f16 and in int8 codes: checks places of
// each result, then times it (median of replays of a recording through several sets of operands) and gives
// the share of the measured bandwidth of reading and of the measured peak of mma.sync.
//
//   conv_cuda_bench [--stand-in]
// --stand-in tries the benchmark at small shapes on the host in place of a GPU.

#include <cmath>
#include <string_view>

#include "bench_device.h"
#include "device_run.h"
#include "ops/conv/conv.h"
#include "ops/requantizer.h"

namespace halftone::cuda {
namespace {

struct Layer {
  const char* model;
  int64_t batch, inputs, outputs, side, kernel, stride = 1, groups = 1;

  int64_t pad() const { return stride == kernel ? 0 : kernel / 2; }
  int64_t out_side() const { return (side + 2 * pad() - kernel) / stride + 1; }
  int64_t group_inputs() const { return inputs / groups; }
  Shape x() const { return {batch, inputs, side, side}; }
  Shape w() const { return {outputs, group_inputs(), kernel, kernel}; }
  /// Multiply-adds count as two.
  double operations() const {
    return 2.0 * static_cast<double>(batch * outputs * out_side() * out_side()) *
           static_cast<double>(group_inputs() * kernel * kernel);
  }
  Attributes attributes() const {
    Attributes all = {{"group", groups},
                      {"strides", std::vector<int64_t>{stride, stride}},
                      {"pads", std::vector<int64_t>(4, pad())},
                      {"dilations", std::vector<int64_t>{1, 1}}};
    all.set("requantization", std::string("floating"));
    return all;
  }
};

// Two pictures: with guidance a step of SD sees the prompt and the empty prompt.
constexpr Layer kLayers[] = {{"sd-1.5 unet in", 2, 4, 320, 64, 3},
                             {"sd-1.5 unet 64", 2, 320, 320, 64, 3},
                             {"sd-1.5 unet 64, joined", 2, 960, 320, 64, 3},
                             {"sd-1.5 unet 64, down", 2, 320, 320, 64, 3, 2},
                             {"sd-1.5 unet 32", 2, 640, 640, 32, 3},
                             {"sd-1.5 unet 32, shortcut", 2, 1280, 640, 32, 1},
                             {"sd-1.5 unet 16", 2, 1280, 1280, 16, 3},
                             {"sd-1.5 unet 8", 2, 1280, 1280, 8, 3},
                             {"vit-b patches", 1, 3, 768, 224, 16, 16},
                             {"resnet-50 56", 1, 64, 64, 56, 3},
                             {"resnet-50 7", 1, 512, 512, 7, 3},
                             {"mobilenet-v2 depthwise", 1, 144, 144, 56, 3, 1, 144}};
constexpr Layer kTiny[] = {{"tiny", 2, 8, 12, 9, 3}, {"tiny depthwise", 1, 16, 16, 7, 3, 1, 16}};
constexpr double kBeyondCaches = 256e6;  ///< bytes that one recording goes through
constexpr size_t kMostSets = 16;
constexpr CodeScale kInput{0.03f, 113};

/// A layer with random operands, and the kernel that takes it.
struct Use {
  OpRun op;
  const Kernel* kernel = nullptr;
  Tensor x, w;  ///< in codes: w decoded
  std::optional<CodeScale> out;

  Use(const Layer& layer, bool codes) : op(conv_schema(), layer.attributes()) {
    const Storage::Order last = Storage::Order::channels_last;
    x = random_tensor(layer.x(), 1, 1.0f);
    w = random_tensor(layer.w(), 2, 0.2f);
    Constant weights(w);
    if (codes) {
      weights.set_encoding({.format = find_number_format("int8"),
                            .granularity = Granularity::per_axis(0),
                            .scale_dtype = DType::f32});
      w = weights.load_encoded("weights")->decode();
      const double deviation =
          0.2 * std::sqrt(static_cast<double>(layer.group_inputs() * layer.kernel * layer.kernel));
      out = fit_codes(static_cast<float>(-3 * deviation), static_cast<float>(3 * deviation));
    }
    op.stored(x, {last, codes ? std::optional(kInput) : std::nullopt}).constant(weights);
    op.store_outputs({{last, out}});
    for (const Kernel& candidate : cuda_kernels())
      if (!kernel && candidate.op == "Conv" && candidate.supports(op.site()).empty()) kernel = &candidate;
    if (!kernel) throw UnsupportedError("no kernel takes {}", layer.model);
  }
};

/// Compares some places with sums in double. Rounding both factors to f16 errs by 2^-10 of the sum of
/// magnitudes, adding in f32 by 2^-24 of it a term; a code is off by at most one where the sum lies between
/// two.
void check(const Layer& layer, const Use& use, DeviceRun& run) {
  run.run();
  const Tensor y = run.outputs()[0];
  const int64_t side = layer.out_side(), places = layer.batch * layer.outputs * side * side;
  const auto x = use.x.span<float>(), w = use.w.span<float>(), found = y.span<float>();
  for (int64_t place = 0; place < places; place += std::max<int64_t>(1, places / 997)) {
    const int64_t column = place % side, row = place / side % side,
                  output = place / (side * side) % layer.outputs,
                  picture = place / (side * side * layer.outputs);
    const int64_t first_input = output / (layer.outputs / layer.groups) * layer.group_inputs();
    double sum = 0, size = 0;
    for (int64_t i = 0; i < layer.group_inputs(); ++i)
      for (int64_t ky = 0; ky < layer.kernel; ++ky)
        for (int64_t kx = 0; kx < layer.kernel; ++kx) {
          const int64_t at_y = row * layer.stride + ky - layer.pad(),
                        at_x = column * layer.stride + kx - layer.pad();
          if (at_y < 0 || at_y >= layer.side || at_x < 0 || at_x >= layer.side) continue;
          double value = static_cast<double>(x[static_cast<size_t>(
              ((picture * layer.inputs + first_input + i) * layer.side + at_y) * layer.side + at_x)]);
          if (use.out) {
            const double step = static_cast<double>(kInput.scale);
            value = step * (std::clamp(std::nearbyint(value / step) + kInput.zero, 0.0, 255.0) - kInput.zero);
          }
          const double term =
              value * static_cast<double>(w[static_cast<size_t>(
                          ((output * layer.group_inputs() + i) * layer.kernel + ky) * layer.kernel + kx)]);
          sum += term;
          size += std::fabs(term);
        }
    double bound =
        size * (0x1p-10 + static_cast<double>(layer.group_inputs() * layer.kernel * layer.kernel) * 0x1p-24);
    if (use.out) {
      const double step = static_cast<double>(use.out->scale);
      sum = std::clamp(sum, (0 - use.out->zero) * step, (255 - use.out->zero) * step);
      bound = 0.5 * step + 1e-3 * step + size * 0x1p-20;
    }
    const double value = static_cast<double>(found[static_cast<size_t>(place)]);
    if (!(std::fabs(value - sum) <= bound + 1e-6))
      throw std::runtime_error(fmt::format("{}, {}: place {} has {}, it should be {}", layer.model,
                                           use.kernel->name, place, value, sum));
  }
}

void bench(bool stand_in) {
  const BenchDevice device(stand_in);
  const Roofs roofs = device.roofs();
  fmt::print(
      "| layer | in | out | picture | window | kernel | us | GB/s | of reading | TFLOPS | of mma.sync |\n");
  fmt::print("|---|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|\n");
  for (const Layer& layer : stand_in ? std::span<const Layer>(kTiny) : std::span<const Layer>(kLayers))
    for (bool codes : {false, true}) {
      Use use(layer, codes);
      // Sets of operands, so that they come from memory and not from the cache.
      std::vector<std::unique_ptr<DeviceRun>> sets;
      const auto add = [&] { sets.push_back(std::make_unique<DeviceRun>(*use.kernel, use.op, *device)); };
      add();
      check(layer, use, *sets[0]);
      const auto bytes = static_cast<double>(sets[0]->bytes());
      const size_t most = stand_in ? 2 : kMostSets;
      while (sets.size() < most && static_cast<double>(sets.size()) * bytes < kBeyondCaches) add();
      const double seconds = device.median_seconds(sets.size(), [&] {
        for (const auto& set : sets) set->run();
      });
      fmt::print(
          "| {} | {} | {} | {}x {}x{} | {}x{}/{} | {} | {:.1f} | {:.0f} | {:.1f} % | {:.1f} | {:.1f} % |\n",
          layer.model, layer.inputs, layer.outputs, layer.batch, layer.side, layer.side, layer.kernel,
          layer.kernel, layer.stride, use.kernel->name, seconds * 1e6, bytes / seconds * 1e-9,
          100 * bytes / seconds / roofs.read_bandwidth, layer.operations() / seconds * 1e-12,
          100 * layer.operations() / seconds / (codes ? roofs.int8_ops : roofs.f16_flops));
      std::fflush(stdout);
    }
}

}  // namespace
}  // namespace halftone::cuda

int main(int argc, char** argv) {
  return halftone::cuda::bench_main("conv_cuda_bench", [&] {
    halftone::cuda::bench(argc > 1 && std::string_view(argv[1]) == "--stand-in");
  });
}
