// Checks and then times the products of the CUDA backend at layer shapes of real models.
//
//   gemm_cuda_bench [--scheme NAME] [--shape NxK] [--rows M[,M...]] [--library-from M] [--seconds S]
//   [--stand-in]
// For each it prints the time of one product (median of replays of a recording that goes through several sets
// of weights, so that they come from memory and not from the cache) and the share of what the device does at
// best: of the bandwidth of reading for up to 16 rows, of the peak of mma.sync beyond; and how many times as
// fast the product is as one of f16 matrices by the vendor's library. A wrong product is a row of its own,
// and the benchmark then ends with 1. --library-from: rows from which the library is to multiply, instead of
// the device's own choice (to compare both ways). --stand-in tries the benchmark at small shapes on the host
// in place of a GPU. --seconds ends the list when so much time has passed.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <random>

#include "backend/cuda/cuda.h"
#include "base/thread_pool.h"
#include "bench_device.h"
#include "ops/gemm/gemm.h"

using namespace halftone;

namespace {

/// Weights that one recording goes through: several times the last cache.
constexpr size_t kBeyondCaches = size_t{256} << 20;
constexpr size_t kMostSets = 16;

struct Scheme {
  std::string name;
  std::optional<Encoding> weights;
  DType dtype = DType::f16;
  bool integer_activations = false;
  bool main = false;  ///< timed at every layer
};

std::vector<Scheme> schemes() {
  const auto ints = [](const char* format, Granularity granularity, bool symmetric = true) {
    return Encoding{.format = find_number_format(format), .granularity = granularity, .symmetric = symmetric};
  };
  const Encoding w4 = ints("int4", Granularity::per_group(128));
  const Encoding w8 = ints("int8", Granularity::per_axis(0));
  return {
      {"w4g128", w4, DType::f16, false, true},
      {"w4g32", ints("int4", Granularity::per_group(32))},
      {"w4g128-affine", ints("int4", Granularity::per_group(128), false)},
      {"w8", w8, DType::f16, false, true},
      {"w2g64-affine", ints("int2", Granularity::per_group(64), false)},
      {"nf4g64", Encoding{.format = find_number_format("nf4"), .granularity = Granularity::per_group(64)}},
      {"f16", {}, DType::f16, false, true},
      {"f32", {}, DType::f32},
      {"w8a8", w8, DType::f16, true, true},
      {"w4g128a8", w4, DType::f16, true, true}};
}

struct Layer {
  std::string model;
  int64_t n, k;
};
const std::vector<Layer> kLayers = {{"llama-3-8b gate/up", 14336, 4096},
                                    {"llama-3-8b down", 4096, 14336},
                                    {"llama-3-8b q/o", 4096, 4096},
                                    {"llama-3-8b k/v", 1024, 4096},
                                    {"llama-3-8b lm_head", 128256, 4096},
                                    {"llama-2-13b gate/up", 13824, 5120},
                                    {"llama-2-13b down", 5120, 13824},
                                    {"llama-2-13b q/k/v/o", 5120, 5120},
                                    {"qwen2.5-1.5b gate/up", 8960, 1536},
                                    {"qwen2.5-1.5b down", 1536, 8960},
                                    {"qwen2.5-0.5b gate/up", 4864, 896},
                                    {"qwen2.5-0.5b down", 896, 4864},
                                    {"vit-b fc1", 3072, 768},
                                    {"vit-b fc2", 768, 3072},
                                    {"sd-1.5 ff", 10240, 1280},
                                    {"sd-1.5 attention", 1280, 1280}};

Tensor random_floats(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  // A few thousand numbers over and over: making billions would take longer than timing them.
  std::vector<float> some(8191);
  for (float& x : some) x = normal(random);
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  const auto values = tensor.mutable_view().span<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = some[i % some.size()];
  return tensor;
}

/// Random codes and scales, so that nothing need be quantized.
Constant random_weights(const Scheme& scheme, int64_t n, int64_t k, unsigned seed) {
  if (!scheme.weights) {
    const Tensor plain = random_floats({n, k}, seed);
    if (scheme.dtype == DType::f32) return Constant(plain);
    Tensor rounded = Tensor::allocate(scheme.dtype, {n, k});
    store_floats(plain.span<float>(), rounded.mutable_view(), 0);
    return Constant(rounded);
  }
  std::mt19937 random(seed);
  QuantizedTensor::Parts parts;
  parts.encoding = *scheme.weights;
  parts.shape = {n, k};
  const ScaleGrid grid = scale_grid(parts.encoding.granularity, parts.shape);
  const int64_t row_bytes = (k * parts.encoding.format->bits() + 7) / 8;
  parts.codes = Tensor::allocate(DType::u8, {n, row_bytes});
  std::vector<std::byte> some(65521);
  for (std::byte& b : some) b = static_cast<std::byte>(random());
  const auto codes = parts.codes.mutable_view().bytes();
  for (size_t at = 0; at < codes.size(); at += some.size())
    std::copy_n(some.begin(), std::min(some.size(), codes.size() - at),
                codes.begin() + static_cast<ptrdiff_t>(at));
  const Tensor scales = random_floats({grid.rows, grid.groups}, seed + 1);
  parts.scales = Tensor::allocate(DType::f16, {grid.rows, grid.groups});
  store_floats(scales.span<float>(), parts.scales.mutable_view(), 0);
  if (parts.encoding.format->is_integer() && !parts.encoding.symmetric) {
    parts.zeros = Tensor::allocate(DType::u8, {grid.rows, grid.groups});
    const auto levels = 1u << parts.encoding.format->bits();
    for (uint8_t& zero : parts.zeros.mutable_view().span<uint8_t>())
      zero = static_cast<uint8_t>(random() % levels);
  }
  return Constant(std::make_shared<QuantizedTensor>(std::move(parts), "weights"));
}

/// One Gemm with transB = 1.
struct Product {
  Attributes attributes = {{"transB", int64_t{1}}};
  Encoding activations{.format = find_number_format("int8"),
                       .granularity = Granularity::per_token(),
                       .timing = Timing::dynamic};
  Constant b;
  bool integer_activations;

  OpSite site(int64_t m) const {
    OpSite made{&gemm_schema(), &attributes, "linear", {}, {}};
    made.inputs.push_back(
        {true, {DType::f32, {m, b.shape()[1]}}, nullptr, integer_activations ? &activations : nullptr});
    made.inputs.push_back({true, {b.dtype(), b.shape()}, &b, b.encoding() ? &*b.encoding() : nullptr});
    made.outputs = gemm_schema().infer(made);
    return made;
  }
};

Operand operand(const TensorView& view) {
  return {view, nullptr, nullptr, true};
}

/// Y of `rows` rows of A by the outputs [first, first + count) as the reference has it, and for each the sum
/// of magnitudes that rounding is measured against.
struct Expected {
  std::vector<float> y, size;
};
Expected reference(const Product& product, const Tensor& a, int64_t first, int64_t count) {
  Product part = product;
  if (product.b.encoding()) {
    part.b = Constant(
        std::make_shared<QuantizedTensor>(product.b.load_encoded("B")->slice_rows(first, first + count)));
  } else {
    Tensor rows = Tensor::allocate(DType::f32, {count, product.b.shape()[1]});
    load_floats(product.b.load().view(), first * product.b.shape()[1], rows.mutable_view().span<float>());
    part.b = Constant(rows);
  }
  const auto run = [&](const Product& p, const Tensor& x) {
    const OpSite site = p.site(x.shape()[0]);
    const auto encoded = p.b.encoding() ? p.b.load_encoded("B") : nullptr;
    const Tensor plain = encoded ? Tensor() : p.b.load();
    const std::vector<Operand> inputs = {
        operand(x.view()), {encoded ? TensorView{} : plain.view(), encoded.get(), nullptr, true}};
    Tensor y = Tensor::allocate(DType::f32, site.outputs[0].shape);
    const std::vector<MutableTensorView> outputs = {y.mutable_view()};
    gemm_schema().reference(site, inputs, outputs);
    return std::vector<float>(y.span<float>().begin(), y.span<float>().end());
  };
  Expected expected{run(part, a), {}};
  if (product.integer_activations) return expected;
  const auto absolute = [](Tensor tensor) {
    for (float& x : tensor.mutable_view().span<float>()) x = std::fabs(x);
    return tensor;
  };
  Product sizes;
  sizes.integer_activations = false;
  sizes.b =
      Constant(absolute(part.b.encoding() ? part.b.load_encoded("B")->decode() : to_f32(part.b.load())));
  Tensor magnitudes = Tensor::allocate(DType::f32, a.shape());
  std::copy(a.span<float>().begin(), a.span<float>().end(), magnitudes.mutable_view().span<float>().begin());
  expected.size = run(sizes, absolute(magnitudes));
  return expected;
}

std::unique_ptr<PreparedKernel> prepare(cuda::Device& device, const Product& product, ThreadPool& threads) {
  const cuda::CudaBackend backend(device);
  const OpSite site = product.site(1);
  for (const Kernel& kernel : backend.kernels())
    if (kernel.op == "Gemm" && kernel.supports(site).empty()) return backend.prepare(kernel, site, threads);
  throw UnsupportedError("no kernel takes it");
}

/// The operands of a product on a device.
class Run {
 public:
  Run(cuda::Device& device, const Product& product, const PreparedKernel& prepared, const Tensor& a,
      ThreadPool& threads)
      : device_(device), product_(product), m_(a.shape()[0]), threads_(threads) {
    a_ = device.allocate(a.size_bytes(), "A");
    device.upload(a_.get(), a.view().data, a.size_bytes());
    y_ = device.allocate(static_cast<size_t>(m_ * product.b.shape()[0]) * 4, "Y");
    workspace_bytes_ = prepared.workspace_bytes(product.site(m_));
    workspace_ = device.allocate(workspace_bytes_, "the workspace");
  }

  void operator()(const PreparedKernel& prepared) const {
    const OpSite site = product_.site(m_);
    const std::vector<Operand> inputs = {operand({DType::f32, site.input_shape(0), a_.get()}), {}};
    const std::vector<MutableTensorView> outputs = {{DType::f32, site.outputs[0].shape, y_.get()}};
    prepared.run({site, inputs, outputs, {workspace_.get(), workspace_bytes_}, threads_});
  }
  std::vector<float> y() const {
    std::vector<float> values(static_cast<size_t>(m_ * product_.b.shape()[0]));
    device_.download(reinterpret_cast<std::byte*>(values.data()), y_.get(), values.size() * 4);
    return values;
  }

 private:
  cuda::Device& device_;
  const Product& product_;
  int64_t m_;
  ThreadPool& threads_;
  std::shared_ptr<std::byte> a_, y_, workspace_;
  size_t workspace_bytes_ = 0;
};

/// Throws unless the first and last outputs of some rows are right.
void check(const Product& product, const PreparedKernel& prepared, const Run& run, const Tensor& a) {
  const int64_t m = a.shape()[0], n = product.b.shape()[0], k = product.b.shape()[1];
  run(prepared);
  const std::vector<float> y = run.y();
  const int64_t count = std::min<int64_t>(n, 24), step = std::max<int64_t>(1, m / 4);
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < m; row += step) rows.push_back(row);
  if (rows.back() != m - 1) rows.push_back(m - 1);
  Tensor some = Tensor::allocate(DType::f32, {static_cast<int64_t>(rows.size()), k});
  for (size_t i = 0; i < rows.size(); ++i)
    std::copy_n(a.span<float>().begin() + rows[i] * k, k,
                some.mutable_view().span<float>().begin() + static_cast<int64_t>(i) * k);
  const bool f32 = !product.b.encoding() && product.b.dtype() == DType::f32;
  // Activations and scaled weights are rounded to f16, and the numbers of a code book once more.
  const bool book = product.b.encoding() && !product.b.encoding()->format->is_integer();
  const float bound = (f32 ? 0x1p-20f : book ? 3 * 0x1p-11f : 0x1p-10f) + static_cast<float>(k) * 0x1p-23f;
  for (int64_t first : {int64_t{0}, n - count}) {
    const Expected expected = reference(product, some, first, count);
    for (size_t i = 0; i < expected.y.size(); ++i) {
      const int64_t row = rows[i / static_cast<size_t>(count)],
                    output = first + static_cast<int64_t>(i) % count;
      const float found = y[static_cast<size_t>(row * n + output)];
      const bool right = product.integer_activations
                             ? found == expected.y[i]
                             : std::fabs(found - expected.y[i]) <= bound * expected.size[i] + 1e-30f;
      if (!right)
        throw std::runtime_error(fmt::format("wrong: row {}, output {}: {}, the reference has {}", row,
                                             output, found, expected.y[i]));
    }
  }
}

/// Seconds that the vendor's library takes for f16 matrices of each number of rows; none where there is none.
std::vector<double> library_seconds(const cuda::BenchDevice& gpu, const Layer& layer,
                                    std::span<const int64_t> row_counts) {
  if (gpu.stand_in() || !gpu->multiplies(std::numeric_limits<int>::max())) return {};
  const auto place = [&](int64_t elements, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<uint16_t> halves(static_cast<size_t>(elements)), some(65521);
    for (uint16_t& h : some)
      h = static_cast<uint16_t>(0x3000 | (random() & 0x8fff));  // 1/8 to 2 in magnitude
    for (size_t i = 0; i < halves.size(); ++i) halves[i] = some[i % some.size()];
    auto memory = gpu->allocate(halves.size() * 2, "f16");
    gpu->upload(memory.get(), reinterpret_cast<const std::byte*>(halves.data()), halves.size() * 2);
    return memory;
  };
  const auto halves = [](const std::shared_ptr<std::byte>& at) {
    return reinterpret_cast<const uint16_t*>(at.get());
  };
  const int64_t most = *std::max_element(row_counts.begin(), row_counts.end());
  const auto a = place(most * layer.k, 1);
  const auto y = gpu->allocate(static_cast<size_t>(most * layer.n) * 4, "Y");
  std::vector<std::shared_ptr<std::byte>> sets;
  const auto bytes = static_cast<size_t>(layer.n * layer.k) * 2;
  while (sets.size() < kMostSets && sets.size() * bytes < kBeyondCaches)
    sets.push_back(place(layer.n * layer.k, 2));
  std::vector<double> seconds;
  for (int64_t m : row_counts) {
    const auto multiply = [&](const std::shared_ptr<std::byte>& b) {
      gpu->multiply({halves(a), halves(b), reinterpret_cast<float*>(y.get()), static_cast<int>(m),
                     static_cast<int>(layer.n), static_cast<int>(layer.k), layer.n});
    };
    multiply(sets[0]);  // which loads what the library needs for it
    seconds.push_back(gpu.median_seconds(sets.size(), [&] {
      for (const auto& b : sets) multiply(b);
    }));
  }
  return seconds;
}

struct Options {
  std::string scheme, shape;
  int library_from = -1;
  std::vector<int64_t> rows = {1, 8, 16, 64, 512, 2048};
  double seconds = 180;
  bool stand_in = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
    if (flag == "--scheme") {
      options.scheme = value();
    } else if (flag == "--shape") {
      options.shape = value();
    } else if (flag == "--library-from") {
      options.library_from = std::atoi(value().c_str());
    } else if (flag == "--seconds") {
      options.seconds = std::atof(value().c_str());
    } else if (flag == "--rows") {
      options.rows.clear();
      for (std::string rest = value(); !rest.empty();) {
        options.rows.push_back(std::max(1, std::atoi(rest.c_str())));
        const size_t comma = rest.find(',');
        rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
      }
    } else if (flag == "--stand-in") {
      options.stand_in = true;
    } else {
      throw UsageError("what is \"{}\"?", flag);
    }
  }
  return options;
}

/// False when a product is wrong.
bool time_layer(const cuda::BenchDevice& gpu, const Roofs& roofs, const Scheme& scheme, const Layer& layer,
                std::span<const int64_t> row_counts, std::span<const double> library, ThreadPool& threads) {
  Product product;
  product.b = random_weights(scheme, layer.n, layer.k, 1);
  product.integer_activations = scheme.integer_activations;
  std::vector<std::unique_ptr<PreparedKernel>> sets;
  sets.push_back(prepare(*gpu, product, threads));
  const size_t bytes = sets[0]->packed_bytes(), most = gpu.stand_in() ? 2 : kMostSets;
  while (sets.size() < most && sets.size() * bytes < kBeyondCaches)
    sets.push_back(prepare(*gpu, product, threads));
  bool right = true;
  for (size_t i = 0; i < row_counts.size(); ++i) {
    const int64_t m = row_counts[i];
    const auto row = fmt::format("| {} | {} | {}x{} | {} |", scheme.name, layer.model, layer.n, layer.k, m);
    const Tensor a = random_floats({m, layer.k}, 2);
    const Run run(*gpu, product, *sets[0], a, threads);
    try {
      check(product, *sets[0], run, a);
    } catch (const std::runtime_error& error) {
      fmt::print("{} {} | | | | | |\n", row, error.what());
      right = false;
      continue;
    }
    const double seconds = gpu.median_seconds(sets.size(), [&] {
      for (const auto& set : sets) run(*set);
    });
    const double moved = static_cast<double>(bytes) + 4.0 * static_cast<double>(m * (layer.k + layer.n));
    const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(layer.n * layer.k);
    const double peak = scheme.integer_activations ? roofs.int8_ops : roofs.f16_flops;
    fmt::print(
        "{} {:.1f} | {:.0f} | {:.1f} % | {:.1f} | {:.1f} % | {} |\n", row, seconds * 1e6,
        moved / seconds * 1e-9, 100 * moved / seconds / roofs.read_bandwidth, flops / seconds * 1e-12,
        100 * flops / seconds / peak,
        library.empty() ? "" : fmt::format("{:.2f} ({:.1f} us)", library[i] / seconds, library[i] * 1e6));
    std::fflush(stdout);
  }
  return right;
}

/// Every scheme at the first layer, the main ones elsewhere.
std::vector<Scheme> schemes_of(const Layer& layer) {
  std::vector<Scheme> chosen = schemes();
  if (&layer == &kLayers.front()) return chosen;
  std::erase_if(chosen, [](const Scheme& scheme) { return !scheme.main; });
  return chosen;
}

/// False when a product is wrong.
bool run(const Options& options) {
  cuda::BenchDevice gpu(options.stand_in);
  const Roofs roofs = gpu.roofs();
  if (options.library_from >= 0) gpu.library_from(options.library_from);
  fmt::print(
      "| weights | layer | shape | rows | us | GB/s | of reading | TFLOPS | of mma.sync | times f16 by the "
      "library |\n");
  fmt::print("|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n");
  ThreadPool threads(0);
  bool right = true;
  if (options.stand_in) {
    for (const Scheme& scheme : schemes())
      right &= time_layer(gpu, roofs, scheme, {"tiny", 40, 256}, std::vector<int64_t>{1, 9}, {}, threads);
    return right;
  }
  const auto start = std::chrono::steady_clock::now();
  for (const Layer& layer : kLayers) {
    if (!options.shape.empty() && options.shape != fmt::format("{}x{}", layer.n, layer.k)) continue;
    // A prompt's last row is all that the head sees.
    std::vector<int64_t> rows = options.rows;
    if (layer.n > 100000) std::erase_if(rows, [](int64_t m) { return m > 16; });
    std::optional<std::vector<double>> library;
    for (const Scheme& scheme : schemes_of(layer)) {
      if (!options.scheme.empty() && options.scheme != scheme.name) continue;
      if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > options.seconds) {
        fmt::print("\nended after {} seconds\n", options.seconds);
        return right;
      }
      if (!library) library = rows.empty() ? std::vector<double>{} : library_seconds(gpu, layer, rows);
      right &= time_layer(gpu, roofs, scheme, layer, rows, *library, threads);
    }
  }
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  bool right = false;
  const int failed = cuda::bench_main("gemm_cuda_bench", [&] { right = run(parse(argc, argv)); });
  return failed != 0 || !right ? 1 : 0;
}
