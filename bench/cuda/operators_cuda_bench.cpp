// Operators of the CUDA backend between the products, and attention without a cache, at the shapes of real
// models, in f32 and f16: checks each against the reference at a small shape, then times it (median of
// replays of a recording through several sets of operands) and gives the share of the measured bandwidth of
// reading and, for what multiplies, of the measured peak of mma.sync.
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

/// A use of an operator in the making.
struct Use {
  OpRun& op;
  DType type;

  Tensor numbers(const Shape& shape, unsigned seed, float spread = 1) const {
    return as_type(random_tensor(shape, seed, spread), type);
  }
  void last(const Shape& shape, unsigned seed) {
    op.stored(numbers(shape, seed), {Storage::Order::channels_last, {}});
  }
  void store_last() { op.store_outputs({{Storage::Order::channels_last, {}}}); }
  void constant(const Shape& shape, unsigned seed) { op.constant(Constant(numbers(shape, seed, 0.1f))); }
  void planar(const Shape& shape, unsigned seed) { op.input(numbers(shape, seed)); }
  void heads(int64_t batch, int64_t count, int64_t rows, int64_t keys, int64_t dim) {
    op.drop_outputs(1);
    planar({batch, count, rows, dim}, 1);
    planar({batch, count, keys, dim}, 2);
    planar({batch, count, keys, dim}, 3);
  }
};

struct Case {
  const char *model, *op;
  Attributes attributes;
  void (*operands)(Use use, bool small);
  float bound;  ///< of the largest result, but for rounding to f16
};

// Two pictures: with guidance a step of SD sees the prompt and the empty prompt.
const Case kCases[] = {
    {"sd-1.5 unet 64",
     "GroupNormalization",
     {{"num_groups", int64_t{32}}},
     [](Use use, bool small) {
       const int64_t side = small ? 3 : 64;
       use.last({2, 320, side, side}, 1);
       use.constant({320}, 2);
       use.constant({320}, 3);
       use.store_last();
     },
     kF32},
    {"sd vae decoder 512",
     "GroupNormalization",
     {{"num_groups", int64_t{32}}},
     [](Use use, bool small) {
       const int64_t side = small ? 4 : 512;
       use.last({1, 128, side, side}, 1);
       use.constant({128}, 2);
       use.constant({128}, 3);
       use.store_last();
     },
     kF32},
    {"sd-1.5 unet 64",
     "Swish",
     {},
     [](Use use, bool small) {
       use.planar({2, small ? 3 : 64, 64, 320}, 1);
     },
     kF32},
    {"sd-1.5 unet 64",
     "Add",
     {},
     [](Use use, bool small) {
       use.planar({2, small ? 3 : 64, 64, 320}, 1);
       use.planar({2, small ? 3 : 64, 64, 320}, 2);
     },
     kF32},
    {"sd-1.5 unet 64, time",
     "Add",
     {},
     [](Use use, bool small) {
       const int64_t side = small ? 3 : 64;
       use.last({2, 320, side, side}, 1);
       use.last({2, 320, 1, 1}, 2);
       use.store_last();
     },
     kF32},
    {"sd-1.5 unet 64",
     "LayerNormalization",
     {},
     [](Use use, bool small) {
       use.op.drop_outputs(1);
       use.planar({2, small ? 5 : 4096, 320}, 1);
       use.constant({320}, 2);
       use.constant({320}, 3);
     },
     kF32},
    {"sd-1.5 unet 64",
     "Gelu",
     {},
     [](Use use, bool small) {
       use.planar({2, small ? 5 : 4096, 1280}, 1);
     },
     kF32},
    {"sd-1.5 unet 64",
     "Transpose",
     {{"perm", Ints{0, 2, 1, 3}}},
     [](Use use, bool small) {
       use.planar({2, small ? 5 : 4096, 8, 40}, 1);
     },
     kF32},
    {"sd-1.5 unet 32, up",
     "Resize",
     {{"mode", std::string("nearest")},
      {"coordinate_transformation_mode", std::string("asymmetric")},
      {"nearest_mode", std::string("floor")}},
     [](Use use, bool small) {
       const int64_t side = small ? 3 : 32;
       use.last({2, 640, side, side}, 1);
       use.op.absent().constant(Constant(Tensor::from<float>({4}, {1, 1, 2, 2})));
       use.store_last();
     },
     kF32},
    {"sd-1.5 unet 32, joined",
     "Concat",
     {{"axis", int64_t{3}}},
     [](Use use, bool small) {
       use.planar({2, small ? 3 : 32, 32, 1280}, 1);
       use.planar({2, small ? 3 : 32, 32, 640}, 2);
     },
     kF32},
    {"sd-1.5 unet 64, self",
     "Attention",
     {},
     [](Use use, bool small) { use.heads(2, 8, small ? 9 : 4096, small ? 9 : 4096, 40); },
     kF16},
    {"sd-1.5 unet 64, cross",
     "Attention",
     {},
     [](Use use, bool small) { use.heads(2, 8, small ? 9 : 4096, 77, 40); },
     kF16},
    {"sd vae decoder 64",
     "Attention",
     {},
     [](Use use, bool small) { use.heads(1, 1, small ? 9 : 4096, small ? 9 : 4096, 512); },
     kF16},
    {"vit-b",
     "Attention",
     {},
     [](Use use, bool small) { use.heads(8, 12, small ? 9 : 197, small ? 9 : 197, 64); },
     kF16},
    {"clip text encoder",
     "Attention",
     {},
     [](Use use, bool small) {
       const int64_t rows = small ? 9 : 77;
       use.heads(2, 12, rows, rows, 64);
       use.planar({1, 1, rows, rows}, 4);
     },
     kF16},
    {"bert-base",
     "Attention",
     {},
     [](Use use, bool small) {
       const int64_t rows = small ? 9 : 384;
       use.heads(8, 12, rows, rows, 64);
       use.planar({8, 1, 1, rows}, 4);
     },
     kF16},
    {"swin-b windows",
     "Attention",
     {},
     [](Use use, bool small) {
       const int64_t windows = small ? 2 : 64;
       use.heads(windows, 4, 49, 49, 32);
       use.planar({windows, 4, 49, 49}, 4);
     },
     kF16},
    {"vit-b",
     "LayerNormalization",
     {},
     [](Use use, bool small) {
       use.op.drop_outputs(1);
       use.planar({8, small ? 5 : 197, 768}, 1);
       use.constant({768}, 2);
       use.constant({768}, 3);
     },
     kF32},
    {"vit-b",
     "Softmax",
     {},
     [](Use use, bool small) {
       use.planar({8, 12, small ? 5 : 197, 197}, 1);
     },
     kF32},
    {"sam mask decoder",
     "ConvTranspose",
     {{"strides", Ints{2, 2}}},
     [](Use use, bool small) {
       const int64_t side = small ? 3 : 64;
       use.last({1, 256, side, side}, 1);
       use.constant({256, 64, 2, 2}, 2);
       use.store_last();
     },
     kF32},
    {"detr, mean of a picture",
     "ReduceMean",
     {},
     [](Use use, bool small) {
       use.planar({1, 256, small ? 3 : 100, 100}, 1);
       use.op.ints({2, 3});
     },
     kF32},
    {"rt-detr, deformable",
     "GridSample",
     {{"mode", std::string("linear")}},
     [](Use use, bool small) {
       use.planar({8, 32, small ? 5 : 80, 80}, 1);
       use.planar({8, small ? 5 : 300, 4, 2}, 2);
     },
     kF32},
    {"yolo head",
     "Sigmoid",
     {},
     [](Use use, bool small) {
       use.planar({1, small ? 30 : 8400, 84}, 1);
     },
     kF32},
    {"rt-detr, best queries",
     "TopK",
     {},
     [](Use use, bool small) {
       use.planar({1, small ? 500 : 8400 * 80}, 1);
       use.op.ints({small ? 20 : 300});
     },
     0},
};

/// Null where none takes it; says what each refuses then.
const Kernel* kernel_for(OpRun& op, const char* name, std::string& refusals) {
  for (const Kernel& kernel : cuda_kernels()) {
    if (kernel.op != name) continue;
    const Refusal refusal = kernel.supports(op.site());
    if (refusal.empty()) return &kernel;
    refusals += fmt::format(" {}: {}.", kernel.name, refusal);
  }
  return nullptr;
}

std::unique_ptr<OpRun> make(const Case& one, DType type, bool small) {
  auto op = std::make_unique<OpRun>(*find_op(one.op), one.attributes);
  one.operands({*op, type}, small);
  return op;
}

void check(const Case& one, const Kernel& kernel, DType type, Device& device) {
  const std::unique_ptr<OpRun> op = make(one, type, true);
  const std::vector<float> found = floats(run_on_device(kernel, *op, device)[0]),
                           expected = floats(op->reference()[0]);
  float largest = 0;
  for (float x : expected) largest = std::max(largest, std::fabs(x));
  const float bound = one.bound + rounded_apart(type);
  for (size_t i = 0; i < expected.size(); ++i)
    if (!(std::fabs(found[i] - expected[i]) <= bound * largest))
      throw std::runtime_error(fmt::format("{}, {}: element {} is {}, it should be {}", one.model,
                                           kernel.name, i, found[i], expected[i]));
}

void time(const Case& one, DType type, const BenchDevice& device, const Roofs& roofs) {
  const std::unique_ptr<OpRun> op = make(one, type, device.stand_in());
  std::string refusals;
  const Kernel* kernel = kernel_for(*op, one.op, refusals);
  fmt::print("| {} | {} | {} | {} |", one.model, one.op, dtype_name(type), op->site().outputs[0].shape.str());
  if (!kernel) return fmt::print(" none.{} | | | | | |\n", refusals);
  check(one, *kernel, type, *device);
  // Sets of operands, so that they come from memory and not from the cache.
  std::vector<std::unique_ptr<DeviceRun>> sets;
  do {
    sets.push_back(std::make_unique<DeviceRun>(*kernel, *op, *device));
  } while (sets.size() < (device.stand_in() ? 2 : kMostSets) &&
           static_cast<double>(sets.size() * sets[0]->bytes()) < kBeyondCaches);
  const double seconds = device.median_seconds(sets.size(), [&] {
    for (const auto& set : sets) set->run();
  });
  const auto bytes = static_cast<double>(sets[0]->bytes());
  fmt::print(" {} | {:.1f} | {:.0f} | {:.1f} % |", kernel->name, seconds * 1e6, bytes / seconds * 1e-9,
             100 * bytes / seconds / roofs.read_bandwidth);
  const double operations = find_op(one.op)->cost(op->site()).flops;
  if (operations > 16 * bytes)
    fmt::print(" {:.1f} | {:.1f} % |\n", operations / seconds * 1e-12,
               100 * operations / seconds / roofs.f16_flops);
  else
    fmt::print(" | |\n");
  std::fflush(stdout);
}

void bench(bool stand_in) {
  const BenchDevice device(stand_in);
  const Roofs roofs = device.roofs();
  fmt::print("| use | operator | type | output | kernel | us | GB/s | of reading | TFLOPS | of mma.sync |\n");
  fmt::print("|---|---|---|---|---|---:|---:|---:|---:|---:|\n");
  for (const Case& one : kCases)
    for (DType type : {DType::f32, DType::f16}) time(one, type, device, roofs);
}

}  // namespace
}  // namespace halftone::cuda

int main(int argc, char** argv) {
  return halftone::cuda::bench_main("operators_cuda_bench", [&] {
    halftone::cuda::bench(argc > 1 && std::string_view(argv[1]) == "--stand-in");
  });
}
