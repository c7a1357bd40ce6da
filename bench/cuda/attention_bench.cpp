// Attention over a KV cache at the shapes of real models: checks it against the reference, then times
// decoding at several depths (share of the measured bandwidth of reading) and prefilling (share of the
// measured peak of mma.sync).
//
//   attention_bench [--stand-in]
// --stand-in tries the benchmark at small sizes on the host in place of a GPU.

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <string_view>

#include "backend/cuda/cuda.h"
#include "bench_device.h"
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

void verify(Device& device, std::span<const Model> models) {
  for (const Model& model : models)
    for (KvFormat format : {KvFormat::f16, KvFormat::int8}) {
      const float off = difference(device, model, format, {70, 1, 1, 33, 1});
      // Four roundings of f16, as the kernel's test derives it.
      const bool fits = off < 4 * 0x1p-11f + 1e-4f;
      fmt::print("{} {}: differs by {:.1e}\n", model.name, kv_format_name(format), off);
      if (!fits) throw std::runtime_error("this is wrong");
    }
}

/// A decoded row for each model and depth, then prefills, of `rows` rows.
void measure(const BenchDevice& device, std::span<const Model> models, std::initializer_list<int> depths,
             int rows) {
  const Roofs roofs = device.roofs();
  fmt::print("| model | KV | decode at | us | GB/s | of reading |\n|---|---|---:|---:|---:|---:|\n");
  for (const Model& model : models)
    for (KvFormat format : {KvFormat::f16, KvFormat::int8})
      for (int depth : depths) {
        const double bytes = static_cast<double>(KvCache::bytes_per_token(
                                 {1, model.kv_heads, model.dim, kBlockTokens, format})) *
                             depth;
        const int layers = device.stand_in() ? 2 : std::max(2, static_cast<int>(kCacheBytes / bytes) + 1);
        Bench bench(*device, model, format, layers, depth);
        bench.fill(depth - 1);
        bench.shape(1, 9);
        bench.set_past(depth - 1);
        const double seconds = device.median_seconds(static_cast<size_t>(layers), [&] {
          for (int layer = 0; layer < layers; ++layer) bench.run(layer);
        });
        fmt::print("| {} | {} | {} | {:.1f} | {:.0f} | {:.0f} % |\n", model.name, kv_format_name(format),
                   depth, seconds * 1e6, bytes / seconds * 1e-9,
                   100 * bytes / seconds / roofs.read_bandwidth);
      }
  fmt::print("\n| model | KV | prefill | us | TFLOPS | of mma.sync |\n|---|---|---:|---:|---:|---:|\n");
  for (const Model& model : models)
    for (KvFormat format : {KvFormat::f16, KvFormat::int8}) {
      const int layers = device.stand_in() ? 1 : 4;
      Bench bench(*device, model, format, layers, rows);
      bench.shape(rows, 1);
      bench.set_past(0);
      const double seconds = device.median_seconds(static_cast<size_t>(layers), [&] {
        for (int layer = 0; layer < layers; ++layer) bench.run(layer);
      });
      const double flops = 4.0 * model.heads * model.dim * rows * (rows + 1.0) / 2;
      fmt::print("| {} | {} | {} | {:.0f} | {:.0f} | {:.0f} % |\n", model.name, kv_format_name(format), rows,
                 seconds * 1e6, flops / seconds * 1e-12, 100 * flops / seconds / roofs.f16_flops);
    }
}

void bench(bool stand_in) {
  const BenchDevice device(stand_in);
  const std::span<const Model> models =
      stand_in ? std::span(kModels).last(2) : std::span<const Model>(kModels);
  verify(*device, models);
  if (stand_in)
    measure(device, models.first(1), {40}, 20);
  else
    measure(device, models, {1024, 8192}, 2048);
}

}  // namespace
}  // namespace halftone::cuda

int main(int argc, char** argv) {
  return halftone::cuda::bench_main("attention_bench", [&] {
    halftone::cuda::bench(argc > 1 && std::string_view(argv[1]) == "--stand-in");
  });
}
