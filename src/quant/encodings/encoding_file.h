#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "graph/graph.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// What an encodings file says of one tensor: number = (code + offset) * scale for codes from 0 on, one scale
/// for all or one an output.
struct NamedEncoding {
  std::string name;
  int bits = 8;
  bool symmetric = false;
  std::vector<float> scales;
  std::vector<int64_t> offsets;  ///< as many; 0 or less
};

/// A file of encodings as QNN's and AIMET's tools exchange them (docs/formats/encodings.md).
struct EncodingFile {
  std::string source;
  std::vector<NamedEncoding> activations, parameters;
  /// They are those of a graph whose channels were divided by these (quant/algo/int8_static/even_channels.h).
  EvenFactors even_channels;
};

/// Versions 0.6.1 (objects by name) and 1.0.0 (lists). Entries of floating types are left out. Throws
/// InputError that names the entry and what is wrong with it.
EncodingFile read_encodings(const fs::path& path);

/// The static encodings of a quantized graph, version 1.0.0: values that are read or made as codes, and
/// weights of 8 bits at most with one scale a tensor or an output. Others are left out.
OrderedJson encodings_json(const Graph& graph);

}  // namespace halftone
