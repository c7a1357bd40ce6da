#include "base/error.h"
#include "graph/static_codes.h"
#include "memory_file.h"
#include "quant/encodings/apply_encodings.h"
#include "scheme/number_format.h"

namespace {

using namespace halftone;

/// x -> Conv "a" (weights "a.w") -> MaxPool "pool" -> Conv "y" (weights "y.w"), values in u8 codes.
Graph coded_graph() {
  Graph graph;
  const auto convolve = [&](ValueId input, const std::string& name) {
    Constant weights(Tensor::from<float>({2, 2, 1, 1}, {1.0f, -0.5f, 0.25f, 0.1f}));
    Encoding encoding;
    encoding.format = find_number_format("int8");
    encoding.granularity = Granularity::per_axis(0);
    encoding.scale_dtype = DType::f32;
    weights.set_encoding(encoding);
    return graph.add_node(*find_op("Conv"), name, {input, graph.add_constant(name + ".w", weights)}).front();
  };
  const CodeScale codes{0.1f, 7};
  const auto in_codes = [&] {
    set_codes_in(graph.nodes().back(), 0, codes);
    set_codes_out(graph.nodes().back(), 0, codes);
  };
  const ValueId a = convolve(graph.add_input("x", {DType::f32, {1, 2, 4, 4}}), "a");
  in_codes();
  const Attributes square = {{"kernel_shape", std::vector<int64_t>{2, 2}}};
  const ValueId pool = graph.add_node(*find_op("MaxPool"), "pool", {a}, square).front();
  in_codes();
  graph.add_output(convolve(pool, "y"), "y");
  set_codes_in(graph.nodes().back(), 0, codes);
  return graph;
}

}  // namespace

/// Any text is an encodings file, which fits a small quantized graph or not, or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  try {
    Graph graph = coded_graph();
    apply_encodings(graph, read_encodings(file.path()), {});
    verify(graph);
    encodings_json(graph).dump();
    for (const Value& value : graph.values())
      if (value.constant) value.constant->load_encoded(value.name)->decode();
  } catch (const Error&) {
  }
  return 0;
}
