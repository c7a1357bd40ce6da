#include <algorithm>

#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "cost/graph_cost.h"
#include "formats/onnx/import_onnx.h"
#include "graph/concretize.h"
#include "memory_file.h"
#include "runtime/session.h"

namespace {

using namespace halftone;

// What runs here is small, so that many run.
constexpr int64_t kMostElements = int64_t{1} << 16;
constexpr double kMostFlops = 1e7;

/// Two of each symbol, as far as it may be.
std::map<std::string, int64_t> symbol_sizes(const Graph& graph) {
  std::map<std::string, int64_t> sizes;
  for (const Symbol& symbol : graph.symbols())
    sizes[symbol.name] = std::clamp<int64_t>(2, symbol.min, symbol.max);
  return sizes;
}

bool is_small(const ValueType& type) {
  const auto elements = type.shape.checked_elements();
  return elements && *elements <= kMostElements;
}

bool is_cheap(const Graph& graph) {
  const auto sizes = symbol_sizes(graph);
  const ConcreteGraph concrete = concretize(graph, sizes);
  return std::all_of(concrete.types.begin(), concrete.types.end(), is_small) &&
         graph_cost(graph, sizes).total.flops <= kMostFlops;
}

/// Zeros, or whole numbers within a type's range and far out of any dimension's.
Tensor filled(const ValueType& type, bool zeros) {
  Tensor tensor = Tensor::zeros(type.dtype, type.shape);
  const std::span<std::byte> bytes(tensor.mutable_view().data, tensor.size_bytes());
  if (!zeros && type.dtype != DType::boolean)
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i * i * 37 + i / 5);
  return tensor;
}

void run(Session& session, const ConcreteGraph& concrete, bool zeros) {
  const Graph& graph = session.plan().graph();
  std::map<std::string, Tensor> held;
  std::map<std::string, TensorView> inputs;
  for (ValueId id : graph.inputs()) {
    const std::string& name = graph.value(id).name;
    held[name] = filled(concrete.types[static_cast<size_t>(id)], zeros);
    inputs[name] = held[name].view();
  }
  session.run(inputs);
  for (const std::string& name : graph.output_names()) session.output(name);
}

}  // namespace

/// Any bytes are an ONNX model or an error; the graph of a model holds, its constants can be loaded, and it
/// runs where it is small.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  static ThreadPool threads(1);
  try {
    Graph graph = import_onnx(file.path());
    for (const Value& value : graph.values())
      if (value.constant) value.constant->load();
    if (!is_cheap(graph)) return 0;
    CompileOptions options;
    options.backend = &cpu_backend();
    const auto plan = compile(std::move(graph), options, threads);
    Session session(plan, threads);
    const ConcreteGraph concrete = concretize(plan->graph(), symbol_sizes(plan->graph()));
    for (bool zeros : {true, false}) run(session, concrete, zeros);
  } catch (const Error&) {
  }
  return 0;
}
