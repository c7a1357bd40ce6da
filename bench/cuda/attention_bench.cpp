// Attention over a KV cache on a GPU, at the shapes of real models: checks it against the reference, then
// times decoding at several depths (against the measured bandwidth of reading) and prefilling.
// `attention_bench
// --host` only checks, on the host that stands in for a GPU.

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <string_view>

#ifdef HALFTONE_CUDA
#include "backend/cuda/driver/gpu.h"
#endif
#include "backend/cuda/cuda.h"
#include "backend/cuda/device/host/host_device.h"
#include "op_run.h"
#include "ops/paged_attention/paged_attention.h"

namespace halftone::cuda {
namespace {

struct Model {
  const char* name;
  int heads, kv_heads, dim;
};
constexpr Model kModels[] = {{"Llama-3-8B", 32, 8, 128},
                             {"Llama-2-13B", 40, 40, 128},
                             {"Qwen2.5-0.5B", 14, 2, 64},
                             {"Qwen2.5-1.5B", 12, 2, 128}};
constexpr int kBlockTokens = 32;
/// Layers that decoding goes through in turns hold at least this, several times any second-level cache.
constexpr double kCacheBytes = 400e6;

const Kernel& paged_attention() {
  static HostDevice any;
  for (const Kernel& kernel : CudaBackend(any).kernels())
    if (kernel.op == "PagedAttention") return kernel;
  throw std::logic_error("no kernel");
}

/// A cache of one sequence on a device, and the kernel of each of its layers.
class Bench {
 public:
  Bench(Device& device, const Model& model, KvFormat format, int layers, int context)
      : device_(device),
        model_(model),
        width_((context + kBlockTokens - 1) / kBlockTokens),
        layers_(layers),
        cache_({layers, model.kv_heads, model.dim, kBlockTokens, format}, width_,
               [&](size_t bytes) { return device.allocate(bytes, "the cache"); }) {}

  /// Memory and kernels for runs of `rows` rows.
  void shape(int rows, unsigned seed) {
    const int64_t q = int64_t{model_.heads} * model_.dim, kv = int64_t{model_.kv_heads} * model_.dim;
    rows_ = rows;
    memory_.clear();
    kernels_.clear();
    sites_.clear();
    std::vector<int32_t> table(static_cast<size_t>(width_));
    for (int b = 0; b < width_; ++b) table[static_cast<size_t>(b)] = b;
    Tensor blocks = Tensor::allocate(DType::i32, {1, width_});
    std::ranges::copy(table, blocks.mutable_view().span<int32_t>().begin());
    inputs_ = {random_tensor({rows, q}, seed), random_tensor({rows, kv}, seed + 1),
               random_tensor({rows, kv}, seed + 2), Tensor::from<int32_t>({1, 3}, {0, rows, 0}), blocks};
    for (int layer = 0; layer < layers_; ++layer) {
      auto op =
          std::make_unique<OpRun>(paged_attention_schema(), Attributes{{"num_heads", int64_t{model_.heads}},
                                                                       {"kv_heads", int64_t{model_.kv_heads}},
                                                                       {"layer", int64_t{layer}}});
      for (const Tensor& input : inputs_) op->input(input);
      op->state(cache_);
      kernels_.push_back(CudaBackend(device_).prepare(paged_attention(), op->site(), threads_));
      sites_.push_back(std::move(op));
    }
    operands_.clear();
    for (const Tensor& input : inputs_) {
      std::byte* copy = place(input.size_bytes());
      device_.upload(copy, input.view().data, input.size_bytes());
      TensorView view = input.view();
      view.data = copy;
      operands_.push_back({view, nullptr, nullptr, true});
    }
    operands_.push_back({{DType::state, {}, nullptr}, nullptr, &cache_, true});
    outputs_ = {{DType::f32, {rows, q}, place(static_cast<size_t>(rows * q) * sizeof(float))},
                {DType::state, {}, nullptr}};
    const size_t workspace = kernels_[0]->workspace_bytes(sites_.back()->site());
    workspace_ = {place(workspace), workspace};
  }
  void set_past(int past) {
    const int32_t sequence[3] = {0, rows_, past};
    device_.upload(const_cast<std::byte*>(operands_[3].tensor.data),
                   reinterpret_cast<const std::byte*>(sequence), sizeof(sequence));
  }
  void run(int layer) {
    const auto at = static_cast<size_t>(layer);
    kernels_[at]->run({sites_[at]->site(), operands_, outputs_, workspace_, threads_});
  }
  /// Fills positions up to `depth` of every layer.
  void fill(int depth) {
    constexpr int kChunk = 512;
    for (int past = 0; past < depth; past += kChunk) {
      shape(std::min(kChunk, depth - past), static_cast<unsigned>(past));
      set_past(past);
      for (int layer = 0; layer < layers_; ++layer) run(layer);
    }
  }
  const std::vector<Tensor>& inputs() const { return inputs_; }
  std::vector<float> result() {
    std::vector<float> values(static_cast<size_t>(outputs_[0].shape.elements()));
    device_.download(reinterpret_cast<std::byte*>(values.data()), outputs_[0].data, outputs_[0].size_bytes());
    return values;
  }

 private:
  std::byte* place(size_t bytes) {
    memory_.push_back(device_.allocate(bytes, "a benchmark's array"));
    return memory_.back().get();
  }

  Device& device_;
  Model model_;
  int width_, layers_, rows_ = 0;
  KvCache cache_;
  ThreadPool threads_{1};
  std::vector<std::unique_ptr<OpRun>> sites_;
  std::vector<std::unique_ptr<PreparedKernel>> kernels_;
  std::vector<std::shared_ptr<std::byte>> memory_;
  std::vector<Tensor> inputs_;
  std::vector<Operand> operands_;
  std::vector<MutableTensorView> outputs_;
  std::span<std::byte> workspace_;
};

/// The largest difference from the reference after `runs` of rows, one after another.
float difference(Device& device, const Model& model, KvFormat format, std::initializer_list<int> runs) {
  constexpr int kContext = 256;
  Bench bench(device, model, format, 1, kContext);
  KvCache reference_cache({1, model.kv_heads, model.dim, kBlockTokens, format}, kContext / kBlockTokens);
  float most = 0;
  int past = 0;
  for (int rows : runs) {
    bench.shape(rows, static_cast<unsigned>(past + 1));
    bench.set_past(past);
    bench.run(0);
    OpRun op(paged_attention_schema(),
             {{"num_heads", int64_t{model.heads}}, {"kv_heads", int64_t{model.kv_heads}}});
    for (size_t i = 0; i < 3; ++i) op.input(bench.inputs()[i]);
    op.input(Tensor::from<int32_t>({1, 3}, {0, rows, past})).input(bench.inputs()[4]).state(reference_cache);
    const Tensor expected = op.reference()[0];
    const std::vector<float> found = bench.result();
    for (size_t i = 0; i < found.size(); ++i) {
      const float off = std::fabs(found[i] - expected.span<float>()[i]);
      most = off <= most ? most : off;  // NaN stays
    }
    past += rows;
  }
  return most;
}

bool verify(Device& device) {
  bool good = true;
  for (const Model& model : kModels)
    for (KvFormat format : {KvFormat::f16, KvFormat::int8}) {
      const float off = difference(device, model, format, {70, 1, 1, 33, 1});
      // Four roundings of f16, as the kernel's test derives it.
      const bool fits = off < 4 * 0x1p-11f + 1e-4f;
      fmt::print("{} {}: differs by {:.1e}{}\n", model.name, kv_format_name(format), off,
                 fits ? "" : "  WRONG");
      good = good && fits;
    }
  return good;
}

#ifdef HALFTONE_CUDA
/// Median over repeats of the milliseconds of one of `times` things that a recording does.
double median_ms(Device& device, int times, const std::function<void()>& work) {
  const auto recording = device.record(work);
  const auto once = [&] { recording ? recording->replay() : work(); };
  once();
  device.wait();
  std::vector<double> measured;
  for (int i = 0; i < 15; ++i) measured.push_back(gpu_milliseconds(device, once) / times);
  std::nth_element(measured.begin(), measured.begin() + 7, measured.end());
  return measured[7];
}

void measure(Device& device) {
  const double bandwidth = device.measure_roofs().read_bandwidth;
  fmt::print("\nreading: {:.0f} GB/s\n\n", bandwidth / 1e9);
  fmt::print("| model | KV | decode at | us | GB/s | of reading |\n|---|---|---:|---:|---:|---:|\n");
  for (const Model& model : kModels)
    for (KvFormat format : {KvFormat::f16, KvFormat::int8})
      for (int depth : {1024, 8192}) {
        const double bytes = static_cast<double>(KvCache::bytes_per_token(
                                 {1, model.kv_heads, model.dim, kBlockTokens, format})) *
                             depth;
        const int layers = std::max(2, static_cast<int>(kCacheBytes / bytes) + 1);
        Bench bench(device, model, format, layers, depth);
        bench.fill(depth - 1);
        bench.shape(1, 9);
        bench.set_past(depth - 1);
        const double ms = median_ms(device, layers, [&] {
          for (int layer = 0; layer < layers; ++layer) bench.run(layer);
        });
        fmt::print("| {} | {} | {} | {:.1f} | {:.0f} | {:.0f}% |\n", model.name, kv_format_name(format),
                   depth, ms * 1e3, bytes / ms / 1e6, 100 * bytes / (ms / 1e3) / bandwidth);
      }
  fmt::print("\n| model | KV | prefill | us | TFLOP/s |\n|---|---|---:|---:|---:|\n");
  for (const Model& model : kModels)
    for (KvFormat format : {KvFormat::f16, KvFormat::int8}) {
      constexpr int kRows = 2048, kLayers = 4;
      Bench bench(device, model, format, kLayers, kRows);
      bench.shape(kRows, 1);
      bench.set_past(0);
      const double ms = median_ms(device, kLayers, [&] {
        for (int layer = 0; layer < kLayers; ++layer) bench.run(layer);
      });
      const double flops = 4.0 * model.heads * model.dim * kRows * (kRows + 1.0) / 2;
      fmt::print("| {} | {} | {} | {:.0f} | {:.0f} |\n", model.name, kv_format_name(format), kRows, ms * 1e3,
                 flops / (ms / 1e3) / 1e12);
    }
}
#endif

int bench(bool on_host) {
  if (on_host) {
    HostDevice device;
    return verify(device) ? 0 : 1;
  }
#ifdef HALFTONE_CUDA
  Device& device = open_gpu(0);
  if (!verify(device)) return 1;
  measure(device);
  return 0;
#else
  fmt::print(stderr, "this build has no CUDA backend\n");
  return 1;
#endif
}

}  // namespace
}  // namespace halftone::cuda

int main(int argc, char** argv) {
  try {
    return halftone::cuda::bench(argc > 1 && std::string_view(argv[1]) == "--host");
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
