#include "quant/encodings/quantize_with_encodings.h"

#include <algorithm>

namespace halftone {

QuantizationWithEncodings quantize_with_encodings(Graph& graph, const Recipe& recipe, QuantizeOptions options,
                                                  const EncodingFile& file) {
  const Graph given = graph;
  const std::set<std::string> known = value_names(graph);
  options.encodings_only = options.data == nullptr;
  options.even_factors = &file.even_channels;
  options.set_scales = [&](Graph& coded) { apply_encodings(coded, file, known); };
  QuantizationWithEncodings made;
  const auto quantize = [&] {
    made.report = quantize_graph(graph, recipe, options);
    made.applied = apply_encodings(graph, file, known);
  };
  quantize();
  if (options.data || made.applied.unnamed.empty()) return made;
  options.without_scales = std::move(made.applied.unnamed);
  graph = given;
  quantize();
  std::ranges::set_difference(std::set(options.without_scales.begin(), options.without_scales.end()),
                              std::set(made.applied.unnamed.begin(), made.applied.unnamed.end()),
                              std::back_inserter(made.floating));
  return made;
}

}  // namespace halftone
