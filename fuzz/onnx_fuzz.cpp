#include "base/error.h"
#include "formats/onnx/import_onnx.h"
#include "graph/passes/pass.h"
#include "memory_file.h"

/// Any bytes are an ONNX model or an error; the graph of a model holds, and its constants can be loaded.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halftone;
  const MemoryFile file(data, size);
  try {
    Graph graph = import_onnx(file.path());
    for (const Value& value : graph.values())
      if (value.constant) value.constant->load();
    run_passes(graph, standard_passes());
  } catch (const Error&) {
  }
  return 0;
}
