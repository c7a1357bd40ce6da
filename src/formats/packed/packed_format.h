#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "scheme/quantized_tensor.h"

namespace halftone {

/// What a reader makes of one layer of another tool's checkpoint.
struct PackedLayer {
  Constant weight;  ///< [outputs, inputs] under its encoding; its codes are unpacked when they are loaded
  /// Column j of `weight` multiplies input input_order[j] of the layer: GPTQ's act-order without static
  /// groups. Empty: as they come.
  std::vector<int64_t> input_order{};
};

/// How a tool stores quantized layers. A layer is there where MODULE + key and MODULE + witness both are.
struct PackedReader {
  std::string_view method;  ///< config.json: quantization_config.quant_method
  std::string_view key;
  std::string_view witness;
  std::vector<std::string_view> parts;  ///< suffixes of all other tensors that belong to a layer
  PackedLayer (*read)(const Checkpoint& checkpoint, const std::string& module, const Json& config);
};
std::span<const PackedReader> packed_readers();

/// How layers are written for a tool to read.
struct PackedWriter {
  std::string_view name;         ///< "awq": of --format
  std::string_view description;  ///< what reads it
  /// Why layers of this encoding cannot be written so; empty when they can.
  std::string (*refusal)(const Encoding& encoding, const Shape& shape);
  std::vector<PlannedTensor> (*plan)(const std::string& module, const Encoding& encoding, const Shape& shape);
  /// The tensors of plan(), in its order.
  std::vector<Tensor> (*pack)(const QuantizedTensor& weight);
  /// quantization_config. `kept`: modules that stay in floating point.
  OrderedJson (*config)(const Encoding& encoding, const std::vector<std::string>& kept);
};
std::span<const PackedWriter> packed_writers();

/// Replaces the tensors of each quantized layer by one constant MODULE.weight that carries its encoding, and
/// where the order of inputs matters MODULE.input_order (i64); quantization_config goes. A checkpoint whose
/// config has no quantization_config comes back as it is. Throws UnsupportedError for a method or a variant
/// that is not known by name, InputError for tensors that contradict one another.
Checkpoint read_packed_layers(Checkpoint checkpoint);

}  // namespace halftone
