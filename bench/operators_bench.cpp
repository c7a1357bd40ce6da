// Times the kernels beside Gemm at the shape of Llama-3-8B: one layer's worth, for decoding one token and for
// a prefill of 512, and prints the share of the machine's read bandwidth (or of its peak, where products
// count more).
//
//   operators_bench [--threads N] [--op NAME] [--rows M[,M...]] [--depth TOKENS[,TOKENS...]] [--cpu-time]
//   operators_bench --vision [--reference] [--threads N] [--op NAME] [--cpu-time]
//
// --vision: what is not convolution or product in graphs of pictures, at sizes of real ones; --reference
// times the scalar reference instead of the kernels.
// --cpu-time counts the CPU time of the first thread instead of the clock's (for a machine with other work on
// it; meant for --threads 1). Attention of one row is checked against the reference here, its largest error
// printed as a share of the largest output; other results by the tests, here for finite numbers.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>

#include "backend/cpu/cpu.h"
#include "cost/probe.h"
#include "op_run.h"
#include "ops/paged_attention/paged_attention.h"
#include "paged_sequences.h"

using namespace halftone;

namespace {

constexpr int kLayers = 32, kHidden = 4096, kMlp = 14336, kHeads = 32, kKvHeads = 8, kHeadDim = 128;
constexpr int kBlockTokens = 32;
constexpr double kSeconds = 0.3;

struct Roofs {
  double bandwidth, flops;
};

/// Whether to count the CPU time of the first thread instead of the clock's.
bool cpu_time = false;

double now() {
  timespec time{};
  clock_gettime(cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<int64_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

double time_once(const std::function<void()>& call) {
  const double start = now();
  call();
  return now() - start;
}

/// Median seconds of one call.
double time_calls(const std::function<void()>& call) {
  call();
  std::vector<double> times;
  double all = 0;
  while (times.size() < 5 || (all < kSeconds && times.size() < 2000)) {
    times.push_back(time_once(call));
    all += times.back();
  }
  return median(times);
}

/// Seconds of one call and the read bandwidth beside it: the memory is looked at between calls, since what a
/// shared host gives changes from one second to the next.
struct BesideReading {
  double seconds, bandwidth;
};
BesideReading time_beside_reading(const std::function<void()>& call, const ReadProbe& probe) {
  call();
  std::vector<double> times, bytes;
  double all = 0, before = probe.sample();
  while (times.size() < 15 || (all < kSeconds && times.size() < 2000)) {
    times.push_back(time_once(call));
    const double after = probe.sample();
    bytes.push_back(times.back() * (before + after) / 2);
    before = after;
    all += times.back();
  }
  const double seconds = median(times);
  return {seconds, median(bytes) / seconds};
}

/// One prepared kernel on one use, with its memory.
class Call {
 public:
  Call(const Kernel& kernel, OpRun& op, ThreadPool& threads)
      : op_(op), threads_(threads), prepared_(kernel.prepare(op.site(), threads)), outputs_(op.outputs()) {
    views_ = OpRun::views(outputs_);
    site_ = op.site();
  }
  void operator()() {
    // One after the other has the same memory, as in a run of a graph.
    static Tensor workspace = Tensor::allocate(DType::u8, {0});
    const auto bytes = static_cast<int64_t>(prepared_->workspace_bytes(site_));
    if (workspace.shape()[0] < bytes) workspace = Tensor::allocate(DType::u8, {bytes});
    prepared_->run({site_, op_.operands(), views_, workspace.mutable_view().bytes(), threads_});
  }
  const OpSite& site() const { return site_; }
  /// Largest difference from the reference, as a share of the largest output.
  double error() const {
    std::vector<Tensor> expected = op_.outputs();
    std::vector<MutableTensorView> views = OpRun::views(expected);
    run_reference(site_, op_.operands(), views);
    double worst = 0, size = 0;
    const auto y = outputs_[0].span<float>(), wanted = expected[0].span<float>();
    for (size_t i = 0; i < y.size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(y[i]) - wanted[i]));
      size = std::max(size, std::abs(static_cast<double>(wanted[i])));
    }
    return worst / size;
  }
  bool finite() const {
    if (outputs_[0].dtype() != DType::f32) return true;
    const auto y = outputs_[0].span<float>();
    return std::all_of(y.begin(), y.end(), [](float x) { return std::isfinite(x); });
  }

 private:
  OpRun& op_;
  ThreadPool& threads_;
  std::unique_ptr<PreparedKernel> prepared_;
  std::vector<Tensor> outputs_;
  std::vector<MutableTensorView> views_;
  OpSite site_;
};

int printed = 0;  ///< rows

void print_row(const Kernel& kernel, const std::string& what, double seconds, double bytes, double flops,
               const Roofs& roofs, const std::string& check) {
  ++printed;
  fmt::print("{:<28} {:<22} {:>10.1f} {:>8.1f} {:>5.0f}% {:>9.1f} {:>5.0f}%{}\n", kernel.name, what,
             seconds * 1e6, bytes / seconds / 1e9, 100 * bytes / seconds / roofs.bandwidth,
             flops / seconds / 1e9, 100 * flops / seconds / roofs.flops, check);
  std::fflush(stdout);
}

/// Kernels of `op` that run here; the best alone unless asked for by name.
std::vector<const Kernel*> kernels_of(std::string_view op, const std::string& asked) {
  std::vector<const Kernel*> found;
  for (const Kernel& kernel : cpu_backend().kernels())
    if (kernel.op == op && cpu_has(kernel.isa) && (asked == op || (asked.empty() && found.empty())))
      found.push_back(&kernel);
  return found;
}

void bench_map(const std::string& op, const std::string& asked, const std::function<void(OpRun&)>& fill,
               Attributes attributes, const std::string& what, ThreadPool& threads, const Roofs& roofs) {
  for (const Kernel* kernel : kernels_of(op, asked)) {
    OpRun run(*find_op(op), attributes);
    fill(run);
    Call call(*kernel, run, threads);
    const double seconds = time_calls(std::ref(call));
    const Cost cost = find_op(op)->cost(call.site());
    print_row(*kernel, what, seconds, cost.activation_bytes + cost.weight_bytes, cost.flops, roofs,
              call.finite() ? "" : "  NOT FINITE");
  }
}

/// Layers in turn, so that each call finds its keys and values in memory and not in a cache.
void bench_attention(const std::string& asked, int rows, int depth, KvFormat format, ThreadPool& threads,
                     const Roofs& roofs) {
  const std::vector<SequenceSpan> spans = {{0, rows, depth}};
  const PagedSequences table(spans, kBlockTokens);
  const Tensor q = random_tensor({rows, kHeads * kHeadDim}, 2);
  const Tensor k = random_tensor({rows, kKvHeads * kHeadDim}, 3);
  const Tensor past = random_tensor({kHeadDim}, 1);
  const ReadProbe probe(threads, streaming_bytes(threads));
  for (const Kernel* kernel : kernels_of("PagedAttention", asked)) {
    KvCache cache(in_best_order({kLayers, kKvHeads, kHeadDim, kBlockTokens, format}, *kernel, threads),
                  table.block_count);
    for (int layer = 0; layer < kLayers; ++layer)
      for (int position = 0; position < depth; ++position)
        for (int head = 0; head < kKvHeads; ++head)
          cache.store(layer, position / kBlockTokens, head, position % kBlockTokens, past.span<float>(),
                      past.span<float>());
    std::deque<OpRun> uses;
    std::deque<Call> calls;
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      uses.emplace_back(
          paged_attention_schema(),
          Attributes{{"num_heads", int64_t{kHeads}}, {"kv_heads", int64_t{kKvHeads}}, {"layer", layer}});
      uses.back().input(q).input(k).input(k).input(table.sequences).input(table.blocks).state(cache);
      calls.emplace_back(*kernel, uses.back(), threads);
    }
    const BesideReading timed = time_beside_reading(
        [&] {
          for (Call& call : calls) call();
        },
        probe);
    const double seconds = timed.seconds / kLayers;
    const double seen = depth + (rows + 1) / 2.0;
    const double bytes =
        static_cast<double>(KvCache::bytes_per_token(cache.layout())) / kLayers * (depth + rows);
    print_row(*kernel, fmt::format("{} rows @ {} {}", rows, depth, kv_format_name(format)), seconds, bytes,
              4.0 * rows * seen * kHeads * kHeadDim, {timed.bandwidth, roofs.flops},
              fmt::format("  beside {:.1f} GB/s{}", timed.bandwidth / 1e9,
                          !calls.front().finite() ? "  NOT FINITE"
                          : rows == 1             ? fmt::format("  error {:.1g}", calls.front().error())
                                                  : ""));
  }
}

/// One use of an operator of a vision, diffusion or detection model.
struct VisionUse {
  const char* what;
  const char* op;
  std::function<void(OpRun&)> fill;
  Attributes attributes = {};
};

std::vector<VisionUse> vision_uses() {
  const auto image = [](const Shape& shape, unsigned seed = 1) { return random_tensor(shape, seed); };
  const auto map = [image](OpRun& r) { r.input(image({1, 64, 80, 80})); };
  // The same for `same` neighbours.
  const auto indices = [](const Shape& shape, int64_t size, int64_t same) {
    Tensor tensor = Tensor::allocate(DType::i64, shape);
    int64_t next = 0;
    for (int64_t& index : tensor.mutable_view().span<int64_t>()) index = (7919 * (next++ / same)) % size;
    return tensor;
  };
  const Storage last{Storage::Order::channels_last, {}};
  std::vector<VisionUse> uses;
  for (const char* op :
       {"Relu", "Clip", "Exp", "Log", "Erf", "Sqrt", "Softplus", "Mish", "Elu", "Sin", "Tan"})
    uses.push_back({"1x64x80x80", op, map});
  const std::vector<VisionUse> others = {
      {"1x64x80x80 both", "Max",
       [=](OpRun& r) {
         r.input(image({1, 64, 80, 80})).input(image({1, 64, 80, 80}, 2));
       }},
      {"8x256x64 + 8x1x64", "Add",
       [=](OpRun& r) {
         r.input(image({8, 256, 64})).input(image({8, 1, 64}, 2));
       }},
      {"PRelu 1x64x56x56", "PRelu",
       [=](OpRun& r) {
         r.input(image({1, 64, 56, 56})).input(image({64, 1, 1}, 2));
       }},
      {"squares 1x4096x320", "Pow",
       [=](OpRun& r) {
         r.input(image({1, 4096, 320})).constant(Constant(Tensor::from<float>({}, {2})));
       }},
      {"8400x80 > 0.25", "Greater",
       [=](OpRun& r) {
         r.input(image({1, 8400, 80})).input(Tensor::from<float>({}, {0.25f}));
       }},
      {"mask 12x197x197", "Where",
       [=](OpRun& r) {
         Tensor mask = Tensor::zeros(DType::boolean, {1, 1, 197, 197});
         r.input(mask).input(image({1, 12, 197, 197})).input(Tensor::from<float>({}, {-1e9f}));
       }},
      {"rows of 4096x320", "ReduceMean",
       [=](OpRun& r) {
         r.input(image({1, 4096, 320})).ints({-1});
       }},
      {"places 1x96x56x56", "ReduceMean",
       [=](OpRun& r) {
         r.input(image({1, 96, 56, 56})).ints({2, 3});
       }},
      {"places, channels-last", "ReduceMean",
       [=](OpRun& r) {
         r.stored(image({1, 96, 56, 56}), last).ints({2, 3}).store_outputs({last});
       }},
      {"channels 1x96x56x56", "ReduceMax",
       [=](OpRun& r) {
         r.input(image({1, 96, 56, 56})).ints({1});
       }},
      {"80 classes of 8400", "ReduceMax",
       [=](OpRun& r) {
         r.input(image({1, 8400, 80})).ints({2});
       }},
      {"80 classes of 8400",
       "ArgMax",
       [=](OpRun& r) {
         r.input(image({1, 8400, 80}));
       },
       {{"axis", int64_t{2}}}},
      {"21 classes of 256x256",
       "ArgMax",
       [=](OpRun& r) {
         r.input(image({1, 21, 256, 256}));
       },
       {{"axis", int64_t{1}}}},
      {"16 bins of 33600",
       "Softmax",
       [=](OpRun& r) {
         r.input(image({1, 16, 4, 8400}));
       },
       {{"axis", int64_t{1}}}},
      {"1000 classes of 64", "LogSoftmax",
       [=](OpRun& r) {
         r.input(image({64, 1000}));
       }},
      {"1x256x28x28", "BatchNormalization",
       [=](OpRun& r) {
         r.input(image({1, 256, 28, 28}));
         for (unsigned i = 0; i < 3; ++i) r.input(image({256}, i));
         r.input(Tensor::from<float>({256}, std::vector<float>(256, 0.5f)));
       }},
      {"8x32x50x50 at 900x4", "GridSample",
       [=](OpRun& r) {
         r.input(image({8, 32, 50, 50})).input(random_tensor({8, 900, 4, 2}, 2, 0.5f));
       }},
      {"300 of 72000", "TopK",
       [=](OpRun& r) {
         r.input(image({1, 72000})).ints({300});
       }},
      {"token to 64x197x192", "Expand",
       [=](OpRun& r) {
         r.input(image({1, 1, 192})).ints({64, 197, 192});
       }},
      {"shift 1x56x56x96", "Slice",
       [=](OpRun& r) {
         r.input(image({1, 56, 56, 96})).ints({3}).ints({56}).ints({1});
       }},
      {"every second, 64x80x80", "Slice",
       [=](OpRun& r) {
         r.input(image({1, 64, 80, 80})).ints({0, 0}).ints({80, 80}).ints({2, 3}).ints({2, 2});
       }},
      {"reflect 1x64x128x128",
       "Pad",
       [=](OpRun& r) {
         r.input(image({1, 64, 128, 128})).ints({0, 0, 1, 1, 0, 0, 1, 1});
       },
       {{"mode", std::string("reflect")}}},
      {"1x48x64x64 by 4",
       "DepthToSpace",
       [=](OpRun& r) {
         r.input(image({1, 48, 64, 64}));
       },
       {{"blocksize", int64_t{4}}}},
      {"300 of 8400x256",
       "GatherElements",
       [=](OpRun& r) {
         r.input(image({1, 8400, 256})).input(indices({1, 300, 256}, 8400, 256));
       },
       {{"axis", int64_t{1}}}},
      {"16800 into 8400x85", "ScatterND",
       [=](OpRun& r) {
         r.input(image({8400, 85})).input(indices({8400, 2, 2}, 85, 1)).input(image({8400, 2}, 2));
       }},
      {"1x8400x84 to f16",
       "Cast",
       [=](OpRun& r) {
         r.input(image({1, 8400, 84}));
       },
       {{"to", int64_t{10}}}},
  };
  uses.insert(uses.end(), others.begin(), others.end());
  return uses;
}

void bench_vision(const std::string& asked, bool reference, ThreadPool& threads, const Roofs& roofs) {
  for (const VisionUse& use : vision_uses()) {
    if (!asked.empty() && asked != use.op) continue;
    OpRun run(*find_op(use.op), use.attributes);
    use.fill(run);
    const OpSite& site = run.site();
    const Cost cost = site.schema->cost(site);
    const double bytes = cost.activation_bytes + cost.weight_bytes;
    const Kernel* taken = nullptr;
    for (const Kernel* kernel : kernels_of(use.op, use.op))
      if (!taken && kernel->refusal(site).empty()) taken = kernel;
    const Kernel scalar{"reference", use.op};
    if (reference || !taken) {
      std::vector<Tensor> outputs = run.outputs();
      const std::vector<MutableTensorView> views = OpRun::views(outputs);
      const double seconds = time_calls([&] { run_reference(site, run.operands(), views); });
      print_row(scalar, std::string(use.op) + " " + use.what, seconds, bytes, cost.flops, roofs, "");
      continue;
    }
    Call call(*taken, run, threads);
    const double seconds = time_calls(std::ref(call));
    print_row(*taken, use.what, seconds, bytes, cost.flops, roofs, "");
  }
}

void run(int argc, char** argv) {
  bool vision = false, reference = false;
  int thread_count = 0;
  std::string asked;
  std::vector<int> depths = {0, 1024, 4096}, row_counts = {1, 512};
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--cpu-time") {
      cpu_time = true;
      continue;
    }
    if (flag == "--vision" || flag == "--reference") {
      (flag == "--vision" ? vision : reference) = true;
      continue;
    }
    std::string value;
    if (i + 1 < argc) value = argv[++i];
    if (flag == "--threads") {
      thread_count = std::atoi(value.c_str());
    } else if (flag == "--op") {
      asked = value;
    } else if (flag == "--depth" || flag == "--rows") {
      std::vector<int>& numbers = flag == "--depth" ? depths : row_counts;
      numbers.clear();
      for (size_t at = 0; at < value.size(); at = std::min(value.find(',', at), value.size() - 1) + 1)
        numbers.push_back(std::max(flag == "--rows" ? 1 : 0, std::atoi(value.c_str() + at)));
    } else {
      throw UsageError("unknown flag {}", flag);
    }
  }
  ThreadPool threads(thread_count);
  const Roofs roofs{read_bandwidth(threads), peak_f32_flops(threads)};
  fmt::print("{}, {} threads: reads {:.1f} GB/s, f32 {:.0f} GFLOPS\n", cpu_model_name(), threads.size(),
             roofs.bandwidth / 1e9, roofs.flops / 1e9);
  fmt::print("{:<28} {:<22} {:>10} {:>8} {:>6} {:>9} {:>6}\n", "kernel", "", "us", "GB/s", "roof", "GFLOPS",
             "roof");
  if (vision) return bench_vision(asked, reference, threads, roofs);
  for (int64_t rows : row_counts) {
    const std::string what = fmt::format("{} rows", rows);
    const Tensor hidden = random_tensor({rows, kHidden}, 1);
    const Tensor scale = random_tensor({kHidden}, 2);
    const Tensor mlp = random_tensor({rows, kMlp}, 3);
    const Tensor table = random_tensor({1024, kHeadDim / 2}, 4);
    Tensor positions = Tensor::zeros(DType::i64, {rows});
    bench_map(
        "RMSNormalization", asked, [&](OpRun& r) { r.input(hidden).input(scale); }, {}, what, threads, roofs);
    bench_map(
        "SkipRMSNormalization", asked, [&](OpRun& r) { r.input(hidden).input(hidden).input(scale); }, {},
        what, threads, roofs);
    bench_map(
        "RotaryEmbedding", asked,
        [&](OpRun& r) { r.input(hidden).input(table).input(table).input(positions); },
        {{"num_heads", int64_t{kHeads}}}, what, threads, roofs);
    bench_map(
        "GatedActivation", asked, [&](OpRun& r) { r.input(mlp).input(mlp); }, {}, what, threads, roofs);
    bench_map(
        "Add", asked, [&](OpRun& r) { r.input(hidden).input(hidden); }, {}, what, threads, roofs);
    if (!asked.empty() && asked != "PagedAttention") continue;
    for (int depth : depths)
      for (KvFormat format : {KvFormat::f16, KvFormat::bf16, KvFormat::int8})
        bench_attention(asked, static_cast<int>(rows), depth, format, threads, roofs);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  run(argc, argv);
  if (printed == 0) throw UsageError("--op names none of the operators that are timed here");
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "operators_bench: {}\n", error.what());
  return static_cast<int>(error.code());
}
