// Times the Gemm kernels on linear layers of real models and prints the share of what the machine can do.
//
//   gemm_bench [--threads N] [--rows M[,M...]] [--kernel PREFIX] [--scheme NAME] [--shape NxK] [--quick]
//              [--isa NAME] [--cpu-time]
// --isa forbids stronger instruction sets than this one.
// --cpu-time counts the CPU time of the first thread instead of the clock's (for a machine with other work on
// it; meant for --threads 1).
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <string>

#include "backend/cpu/cpu.h"
#include "base/isa_flag.h"
#include "cost/probe.h"
#include "ops/gemm/gemm.h"
#include "scheme/bf16/rounded_bf16.h"

using namespace halftone;

namespace {

constexpr size_t kBeyondCaches = size_t{192} << 20;

struct Scheme {
  std::string name;
  std::optional<Encoding> weights;
  DType dtype = DType::f32;
  bool integer_activations = false;
  bool bf16_activations = false;
};

std::vector<Scheme> schemes() {
  auto ints = [](const char* format, Granularity granularity, bool symmetric) {
    return Encoding{.format = find_number_format(format), .granularity = granularity, .symmetric = symmetric};
  };
  const Encoding w4g32 = ints("int4", Granularity::per_group(32), true);
  const Encoding w4g128a = ints("int4", Granularity::per_group(128), false);
  const Encoding w8 = ints("int8", Granularity::per_axis(0), true);
  const Encoding w2 = ints("int2", Granularity::per_group(64), false);
  const Encoding nf4{.format = find_number_format("nf4"), .granularity = Granularity::per_group(64)};
  return {{"w4g32a8", w4g32, DType::f32, true},
          {"w4g128a8-affine", w4g128a, DType::f32, true},
          {"w8a8", w8, DType::f32, true},
          {"w2g64a8-affine", w2, DType::f32, true},
          {"w4g32-exact", w4g32, DType::f32, false},
          {"w8-exact", w8, DType::f32, false},
          {"nf4", nf4, DType::f32, false},
          {"bf16", {}, DType::bf16, false},
          {"bf16a16", {}, DType::bf16, false, true},
          {"w4g32a16", w4g32, DType::f32, false, true},
          {"f16", {}, DType::f16, false},
          {"f32", {}, DType::f32, false}};
}

struct Options {
  int threads = 0;
  std::vector<int64_t> rows = {1, 4, 512};
  std::vector<std::pair<int64_t, int64_t>> shapes = {
      {4096, 4096}, {1024, 4096}, {14336, 4096}, {4096, 14336}, {128256, 4096}};
  std::string kernel, scheme;
  double seconds = 0.6;
  bool cpu_time = false;
};

/// Of the text behind a flag; what is no number of at least `least` is an error.
int number(const std::string& flag, const std::string& text, int least) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least)
    throw UsageError("{}: expected a number of at least {}, found \"{}\"", flag, least, text);
  return value;
}

void check_scheme(const std::string& name) {
  std::vector<std::string> names;
  for (const Scheme& scheme : schemes()) names.push_back(scheme.name);
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw UsageError("--scheme {}: expected one of {}", name, fmt::join(names, ", "));
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
    if (flag == "--threads") {
      options.threads = number(flag, value(), 0);
    } else if (flag == "--rows") {
      options.rows.clear();
      std::istringstream list(value());
      for (std::string rows; std::getline(list, rows, ',');) options.rows.push_back(number(flag, rows, 1));
    } else if (flag == "--kernel") {
      options.kernel = value();
    } else if (flag == "--scheme") {
      options.scheme = value();
      check_scheme(options.scheme);
    } else if (flag == "--shape") {
      const std::string shape = value();
      const size_t x = shape.find('x');
      if (x == std::string::npos) throw UsageError("--shape: expected NxK, found \"{}\"", shape);
      options.shapes = {
          {std::max(1, std::atoi(shape.c_str())), std::max(1, std::atoi(shape.c_str() + x + 1))}};
    } else if (flag == "--isa") {
      limit_isa_to(value());
    } else if (flag == "--cpu-time") {
      options.cpu_time = true;
    } else if (flag == "--quick") {
      options.seconds = 0.1;
    } else {
      throw UsageError("unknown flag {}", flag);
    }
  }
  return options;
}

Tensor random_tensor(const Shape& shape, unsigned seed) {
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  std::minstd_rand random(seed);
  for (float& x : tensor.mutable_view().span<float>())
    x = static_cast<float>(random() % 65536) / 32768.0f - 1.0f;
  return tensor;
}

/// One kernel prepared on one weight.
struct Bench {
  Attributes attributes = {{"transB", int64_t{1}}};
  std::optional<Encoding> activations;  ///< dynamic
  Constant weights;

  OpSite site(int64_t m) const {
    OpSite made{&gemm_schema(), &attributes, "bench", {}, {}};
    made.inputs.push_back(
        {true, {DType::f32, {m, weights.shape()[1]}}, nullptr, activations ? &*activations : nullptr});
    made.inputs.push_back({true,
                           {weights.dtype(), weights.shape()},
                           &weights,
                           weights.encoding() ? &*weights.encoding() : nullptr});
    made.outputs = gemm_schema().infer(made);
    return made;
  }
};

/// The first outputs of the first row against the reference on a slice of the weights.
double largest_error(const Bench& bench, const Tensor& a, const Tensor& y) {
  const int64_t n = std::min<int64_t>(64, bench.weights.shape()[0]);
  const int64_t k = bench.weights.shape()[1];
  Bench slice = bench;
  std::shared_ptr<const QuantizedTensor> encoded;
  Tensor plain;
  if (bench.weights.encoding()) {
    encoded = std::make_shared<QuantizedTensor>(bench.weights.load_encoded("B")->slice_rows(0, n));
    slice.weights = Constant(encoded);
  } else {
    plain = bench.weights.load().rows(0, n);
    slice.weights = Constant(plain);
  }
  const OpSite site = slice.site(1);
  std::vector<float> expected(static_cast<size_t>(n));
  const std::vector<Operand> inputs = {
      {{DType::f32, {1, k}, a.view().data}, nullptr, nullptr, true},
      {plain.empty() ? TensorView{} : plain.view(), encoded.get(), nullptr, true}};
  const std::vector<MutableTensorView> outputs = {
      {DType::f32, {1, n}, reinterpret_cast<std::byte*>(expected.data())}};
  gemm_schema().reference(site, inputs, outputs);
  double worst = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(y.span<float>()[i]) - expected[i]));
    size = std::max(size, std::abs(static_cast<double>(expected[i])));
  }
  return worst / size;
}

struct Times {
  double median, best;  ///< seconds of a run
};

double now(bool cpu_time) {
  timespec time{};
  clock_gettime(cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Times time_runs(const std::function<void()>& run, double budget, bool cpu_time) {
  run();
  std::vector<double> times;
  double total = 0;
  while (times.size() < 5 || (total < budget && times.size() < 1000)) {
    const double start = now(cpu_time);
    run();
    times.push_back(now(cpu_time) - start);
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[0]};
}

void run(const Options& options) {
  ThreadPool threads(options.threads);
  const double bandwidth = read_bandwidth(threads);
  const double int8 = peak_int8_ops(threads), f32 = peak_f32_flops(threads);
  const double bf16 = peak_bf16_flops(threads);
  fmt::print("{}, {} threads: reads {:.1f} GB/s, int8 {:.0f} GOPS, f32 {:.0f} GFLOPS, bf16 {:.0f} GFLOPS\n",
             cpu_model_name(), threads.size(), bandwidth / 1e9, int8 / 1e9, f32 / 1e9, bf16 / 1e9);
  fmt::print("{:<16} {:>12} {:>5}  {:<22} {:>10} {:>8} {:>6} {:>9} {:>6}  {:>9} {}\n", "scheme", "N x K", "M",
             "kernel", "us", "GB/s", "roof", "GOPS", "roof", "best us", "error");

  int timed = 0;
  for (const Scheme& scheme : schemes()) {
    if (!options.scheme.empty() && scheme.name != options.scheme) continue;
    for (const auto& [n, k] : options.shapes) {
      Bench bench;
      if (scheme.bf16_activations) bench.activations = bf16_activations();
      if (scheme.integer_activations)
        bench.activations = Encoding{.format = find_number_format("int8"),
                                     .granularity = Granularity::per_token(),
                                     .timing = Timing::dynamic};
      const Tensor random = random_tensor({n, k}, 1);
      Tensor stored = random;
      if (scheme.dtype != DType::f32) {
        stored = Tensor::allocate(scheme.dtype, {n, k});
        store_floats(random.span<float>(), stored.mutable_view(), 0);
      }
      bench.weights = Constant(stored);
      if (scheme.weights) {
        bench.weights.set_encoding(*scheme.weights);
        bench.weights = Constant(bench.weights.load_encoded("B"));
      }
      for (const Kernel& kernel : cpu_backend().kernels()) {
        if (kernel.op != "Gemm" || !cpu_has(kernel.isa) || !kernel.name.starts_with(options.kernel)) continue;
        if (!kernel.supports(bench.site(1)).empty()) continue;
        // As many copies as keep the weights out of the caches, used in turn.
        std::vector<std::unique_ptr<PreparedKernel>> copies;
        size_t packed = 0;
        do {
          copies.push_back(kernel.prepare(bench.site(1), threads));
          packed += copies.back()->packed_bytes();
        } while (copies.back()->packed_bytes() != 0 && packed < kBeyondCaches);
        const PreparedKernel* prepared = copies[0].get();
        for (int64_t m : options.rows) {
          const OpSite site = bench.site(m);
          const Tensor a = random_tensor({m, k}, 2);
          Tensor y = Tensor::allocate(DType::f32, {m, n});
          Tensor workspace =
              Tensor::allocate(DType::u8, {static_cast<int64_t>(prepared->workspace_bytes(site))});
          std::shared_ptr<const QuantizedTensor> encoded;
          if (!prepared->keeps(1) && scheme.weights) encoded = bench.weights.load_encoded("B");
          const bool plain = !prepared->keeps(1) && !scheme.weights;
          const std::vector<Operand> inputs = {
              {a.view(), nullptr, nullptr, true},
              {plain ? stored.view() : TensorView{}, encoded.get(), nullptr, plain || encoded}};
          const std::vector<MutableTensorView> outputs = {y.mutable_view()};
          const KernelRun call{site, inputs, outputs, workspace.mutable_view().bytes(), threads};
          int64_t turn = 0;
          const Times times =
              time_runs([&] { copies[static_cast<size_t>(turn++) % copies.size()]->run(call); },
                        options.seconds, options.cpu_time);
          const double seconds = times.median;
          const Cost cost = gemm_schema().cost(site);
          const double bytes = std::max(cost.weight_bytes, static_cast<double>(prepared->packed_bytes())) +
                               cost.activation_bytes;
          const double roof = scheme.integer_activations ? int8 : scheme.bf16_activations ? bf16 : f32;
          fmt::print(
              "{:<16} {:>12} {:>5}  {:<22} {:>10.1f} {:>8.2f} {:>5.0f}% {:>9.1f} {:>5.0f}%  {:>9.1f} "
              "{:.1g}\n",
              scheme.name, fmt::format("{}x{}", n, k), m, kernel.name, seconds * 1e6, bytes / seconds / 1e9,
              100 * bytes / seconds / bandwidth, cost.flops / seconds / 1e9,
              100 * cost.flops / seconds / roof, times.best * 1e6, largest_error(bench, a, y));
          std::fflush(stdout);
          ++timed;
        }
        if (options.kernel.empty()) break;  // the one that a plan would choose
      }
    }
  }
  if (timed == 0) throw UsageError("no kernel \"{}...\" takes any of this here", options.kernel);
}

}  // namespace

int main(int argc, char** argv) try {
  run(parse(argc, argv));
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "gemm_bench: {}\n", error.what());
  return static_cast<int>(error.code());
}
