// Operators of the CUDA backend between the products, and attention without a cache, at the shapes of real
// models: checks each against the reference at a small shape, then times it (median of replays of a recording
// through several sets of operands) and gives the share of the measured bandwidth of reading and, for what
// multiplies, of the measured peak of mma.sync.
//
//   operators_cuda_bench [--stand-in]
// --stand-in tries the benchmark at the small shapes on the host in place of a GPU.

#include <cmath>
#include <string_view>

#include "bench_device.h"
#include "device_run.h"

namespace halftone::cuda {
namespace {

using Ints = std::vector<int64_t>;

constexpr double kBeyondCaches = 256e6;  ///< bytes that one recording goes through
constexpr size_t kMostSets = 16;
constexpr float kF32 = 0x1p-20f;  ///< of the largest result: some roundings
constexpr float kF16 = 0x1p-8f;   ///< of mean values whose factors were rounded to f16

struct Case {
  const char *model, *op;
  Attributes attributes;
  void (*operands)(OpRun& op, bool small);
  float bound;  ///< of the largest result
};

void last(OpRun& op, const Shape& shape, unsigned seed) {
  op.stored(random_tensor(shape, seed), {Storage::Order::channels_last, {}});
}
void store_last(OpRun& op) {
  op.store_outputs({{Storage::Order::channels_last, {}}});
}
void constant(OpRun& op, const Shape& shape, unsigned seed) {
  op.constant(Constant(random_tensor(shape, seed, 0.1f)));
}
void planar(OpRun& op, const Shape& shape, unsigned seed) {
  op.input(random_tensor(shape, seed));
}
void heads(OpRun& op, int64_t batch, int64_t count, int64_t rows, int64_t keys, int64_t dim) {
  op.drop_outputs(1);
  planar(op, {batch, count, rows, dim}, 1);
  planar(op, {batch, count, keys, dim}, 2);
  planar(op, {batch, count, keys, dim}, 3);
}

// Two pictures: with guidance a step of SD sees the prompt and the empty prompt.
const Case kCases[] = {
    {"sd-1.5 unet 64",
     "GroupNormalization",
     {{"num_groups", int64_t{32}}},
     [](OpRun& op, bool small) {
       const int64_t side = small ? 3 : 64;
       last(op, {2, 320, side, side}, 1);
       constant(op, {320}, 2);
       constant(op, {320}, 3);
       store_last(op);
     },
     kF32},
    {"sd vae decoder 512",
     "GroupNormalization",
     {{"num_groups", int64_t{32}}},
     [](OpRun& op, bool small) {
       const int64_t side = small ? 4 : 512;
       last(op, {1, 128, side, side}, 1);
       constant(op, {128}, 2);
       constant(op, {128}, 3);
       store_last(op);
     },
     kF32},
    {"sd-1.5 unet 64",
     "Swish",
     {},
     [](OpRun& op, bool small) {
       planar(op, {2, small ? 3 : 64, 64, 320}, 1);
     },
     kF32},
    {"sd-1.5 unet 64",
     "Add",
     {},
     [](OpRun& op, bool small) {
       planar(op, {2, small ? 3 : 64, 64, 320}, 1);
       planar(op, {2, small ? 3 : 64, 64, 320}, 2);
     },
     kF32},
    {"sd-1.5 unet 64, time",
     "Add",
     {},
     [](OpRun& op, bool small) {
       const int64_t side = small ? 3 : 64;
       last(op, {2, 320, side, side}, 1);
       last(op, {2, 320, 1, 1}, 2);
       store_last(op);
     },
     kF32},
    {"sd-1.5 unet 64",
     "LayerNormalization",
     {},
     [](OpRun& op, bool small) {
       op.drop_outputs(1);
       planar(op, {2, small ? 5 : 4096, 320}, 1);
       constant(op, {320}, 2);
       constant(op, {320}, 3);
     },
     kF32},
    {"sd-1.5 unet 64",
     "Gelu",
     {},
     [](OpRun& op, bool small) {
       planar(op, {2, small ? 5 : 4096, 1280}, 1);
     },
     kF32},
    {"sd-1.5 unet 64",
     "Transpose",
     {{"perm", Ints{0, 2, 1, 3}}},
     [](OpRun& op, bool small) {
       planar(op, {2, small ? 5 : 4096, 8, 40}, 1);
     },
     kF32},
    {"sd-1.5 unet 32, up",
     "Resize",
     {{"mode", std::string("nearest")},
      {"coordinate_transformation_mode", std::string("asymmetric")},
      {"nearest_mode", std::string("floor")}},
     [](OpRun& op, bool small) {
       const int64_t side = small ? 3 : 32;
       last(op, {2, 640, side, side}, 1);
       op.absent().constant(Constant(Tensor::from<float>({4}, {1, 1, 2, 2})));
       store_last(op);
     },
     kF32},
    {"sd-1.5 unet 32, joined",
     "Concat",
     {{"axis", int64_t{3}}},
     [](OpRun& op, bool small) {
       planar(op, {2, small ? 3 : 32, 32, 1280}, 1);
       planar(op, {2, small ? 3 : 32, 32, 640}, 2);
     },
     kF32},
    {"sd-1.5 unet 64, self",
     "Attention",
     {},
     [](OpRun& op, bool small) { heads(op, 2, 8, small ? 9 : 4096, small ? 9 : 4096, 40); },
     kF16},
    {"sd-1.5 unet 64, cross",
     "Attention",
     {},
     [](OpRun& op, bool small) { heads(op, 2, 8, small ? 9 : 4096, 77, 40); },
     kF16},
    {"sd vae decoder 64",
     "Attention",
     {},
     [](OpRun& op, bool small) { heads(op, 1, 1, small ? 9 : 4096, small ? 9 : 4096, 512); },
     kF16},
    {"vit-b",
     "Attention",
     {},
     [](OpRun& op, bool small) { heads(op, 8, 12, small ? 9 : 197, small ? 9 : 197, 64); },
     kF16},
    {"clip text encoder",
     "Attention",
     {},
     [](OpRun& op, bool small) {
       const int64_t rows = small ? 9 : 77;
       heads(op, 2, 12, rows, rows, 64);
       planar(op, {1, 1, rows, rows}, 4);
     },
     kF16},
    {"bert-base",
     "Attention",
     {},
     [](OpRun& op, bool small) {
       const int64_t rows = small ? 9 : 384;
       heads(op, 8, 12, rows, rows, 64);
       planar(op, {8, 1, 1, rows}, 4);
     },
     kF16},
    {"swin-b windows",
     "Attention",
     {},
     [](OpRun& op, bool small) {
       const int64_t windows = small ? 2 : 64;
       heads(op, windows, 4, 49, 49, 32);
       planar(op, {windows, 4, 49, 49}, 4);
     },
     kF16},
    {"vit-b",
     "LayerNormalization",
     {},
     [](OpRun& op, bool small) {
       op.drop_outputs(1);
       planar(op, {8, small ? 5 : 197, 768}, 1);
       constant(op, {768}, 2);
       constant(op, {768}, 3);
     },
     kF32},
    {"vit-b",
     "Softmax",
     {},
     [](OpRun& op, bool small) {
       planar(op, {8, 12, small ? 5 : 197, 197}, 1);
     },
     kF32},
    {"sam mask decoder",
     "ConvTranspose",
     {{"strides", Ints{2, 2}}},
     [](OpRun& op, bool small) {
       const int64_t side = small ? 3 : 64;
       last(op, {1, 256, side, side}, 1);
       constant(op, {256, 64, 2, 2}, 2);
       store_last(op);
     },
     kF32},
    {"detr, mean of a picture",
     "ReduceMean",
     {},
     [](OpRun& op, bool small) {
       planar(op, {1, 256, small ? 3 : 100, 100}, 1);
       op.ints({2, 3});
     },
     kF32},
    {"rt-detr, deformable",
     "GridSample",
     {{"mode", std::string("linear")}},
     [](OpRun& op, bool small) {
       planar(op, {8, 32, small ? 5 : 80, 80}, 1);
       planar(op, {8, small ? 5 : 300, 4, 2}, 2);
     },
     kF32},
    {"yolo head",
     "Sigmoid",
     {},
     [](OpRun& op, bool small) {
       planar(op, {1, small ? 30 : 8400, 84}, 1);
     },
     kF32},
    {"rt-detr, best queries",
     "TopK",
     {},
     [](OpRun& op, bool small) {
       planar(op, {1, small ? 500 : 8400 * 80}, 1);
       op.ints({small ? 20 : 300});
     },
     0},
};

const Kernel& kernel_for(OpRun& op, const char* name) {
  std::string refusals;
  for (const Kernel& kernel : cuda_kernels()) {
    if (kernel.op != name) continue;
    const Refusal refusal = kernel.supports(op.site());
    if (refusal.empty()) return kernel;
    refusals += fmt::format(" {}: {}.", kernel.name, refusal);
  }
  throw UnsupportedError("no kernel takes {}.{}", name, refusals);
}

std::unique_ptr<OpRun> make(const Case& one, bool small) {
  auto op = std::make_unique<OpRun>(*find_op(one.op), one.attributes);
  one.operands(*op, small);
  return op;
}

void check(const Case& one, Device& device) {
  const std::unique_ptr<OpRun> op = make(one, true);
  const Kernel& kernel = kernel_for(*op, one.op);
  const Tensor found = run_on_device(kernel, *op, device)[0], expected = op->reference()[0];
  const auto to = expected.span<float>(), from = found.span<float>();
  float largest = 0;
  for (float x : to) largest = std::max(largest, std::fabs(x));
  for (size_t i = 0; i < to.size(); ++i)
    if (!(std::fabs(from[i] - to[i]) <= one.bound * largest))
      throw std::runtime_error(fmt::format("{}, {}: element {} is {}, it should be {}", one.model,
                                           kernel.name, i, from[i], to[i]));
}

void bench(bool stand_in) {
  const BenchDevice device(stand_in);
  const Roofs roofs = device.roofs();
  fmt::print("| use | operator | kernel | output | us | GB/s | of reading | TFLOPS | of mma.sync |\n");
  fmt::print("|---|---|---|---|---:|---:|---:|---:|---:|\n");
  for (const Case& one : kCases) {
    check(one, *device);
    const std::unique_ptr<OpRun> op = make(one, stand_in);
    const Kernel& kernel = kernel_for(*op, one.op);
    // Sets of operands, so that they come from memory and not from the cache.
    std::vector<std::unique_ptr<DeviceRun>> sets;
    do {
      sets.push_back(std::make_unique<DeviceRun>(kernel, *op, *device));
    } while (sets.size() < (stand_in ? 2 : kMostSets) &&
             static_cast<double>(sets.size() * sets[0]->bytes()) < kBeyondCaches);
    const double seconds = device.median_seconds(sets.size(), [&] {
      for (const auto& set : sets) set->run();
    });
    const auto bytes = static_cast<double>(sets[0]->bytes());
    fmt::print("| {} | {} | {} | {} | {:.1f} | {:.0f} | {:.1f} % |", one.model, one.op, kernel.name,
               op->site().outputs[0].shape.str(), seconds * 1e6, bytes / seconds * 1e-9,
               100 * bytes / seconds / roofs.read_bandwidth);
    const double operations = find_op(one.op)->cost(op->site()).flops;
    if (operations > 16 * bytes)
      fmt::print(" {:.1f} | {:.1f} % |\n", operations / seconds * 1e-12,
                 100 * operations / seconds / roofs.f16_flops);
    else
      fmt::print(" | |\n");
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace halftone::cuda

int main(int argc, char** argv) {
  return halftone::cuda::bench_main("operators_cuda_bench", [&] {
    halftone::cuda::bench(argc > 1 && std::string_view(argv[1]) == "--stand-in");
  });
}
