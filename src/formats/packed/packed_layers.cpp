#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json.h"
#include "formats/packed/packed_formats.h"

namespace halftone {
namespace {

const std::string* module_of(std::string_view name, std::string_view suffix, std::string& module) {
  if (!name.ends_with(suffix)) return nullptr;
  module = name.substr(0, name.size() - suffix.size());
  return &module;
}

bool is_layer(const Checkpoint& checkpoint, const PackedReader& reader, const std::string& module) {
  return checkpoint.contains(module + std::string(reader.key)) &&
         checkpoint.contains(module + std::string(reader.witness));
}

/// What a tensor is to the readers of a method.
struct Part {
  const PackedReader* reader = nullptr;  ///< null: nothing to them
  std::string module;
  bool key = false;
};

Part part_of(const Checkpoint& checkpoint, std::span<const PackedReader* const> readers,
             const std::string& name) {
  Part part;
  for (const PackedReader* reader : readers) {
    if (module_of(name, reader->key, part.module) && is_layer(checkpoint, *reader, part.module))
      return {reader, part.module, true};
    for (std::string_view suffix : reader->parts)
      if (module_of(name, suffix, part.module) && is_layer(checkpoint, *reader, part.module))
        return {reader, part.module, false};
  }
  return {};
}

}  // namespace

std::span<const PackedReader> packed_readers() {
  static const std::array readers = {awq_reader, gptq_reader, compressed_tensors_pack_reader,
                                     compressed_tensors_plain_reader, bitsandbytes_reader};
  return readers;
}

std::span<const PackedWriter> packed_writers() {
  static const std::array writers = {awq_writer, gptq_writer, gptq_v2_writer, compressed_tensors_writer};
  return writers;
}

Checkpoint read_packed_layers(Checkpoint checkpoint) {
  const auto found = checkpoint.config.find("quantization_config");
  if (found == checkpoint.config.end() || found->is_null()) return checkpoint;
  const Json config = *found;
  const std::string where = checkpoint.path.string() + ": quantization_config";
  const auto method = json_get<std::string>(config, "quant_method", where);
  std::vector<const PackedReader*> readers;
  for (const PackedReader& reader : packed_readers())
    if (reader.method == method) readers.push_back(&reader);
  if (readers.empty())
    throw UnsupportedError(
        "{}: quant_method \"{}\"; Halftone reads awq, gptq, compressed-tensors and bitsandbytes (NF4)", where,
        method);

  Checkpoint plain;
  plain.path = checkpoint.path;
  plain.config = checkpoint.config;
  plain.config.erase("quantization_config");  // what it says now stands in the constants
  plain.generation_config = checkpoint.generation_config;
  plain.metadata = checkpoint.metadata;
  size_t layers = 0;
  for (const std::string& name : checkpoint.names()) {
    const Part part = part_of(checkpoint, readers, name);
    if (!part.reader) {
      plain.add(name, checkpoint.constant(name));
      continue;
    }
    if (!part.key) continue;
    PackedLayer layer = part.reader->read(checkpoint, part.module, config);
    plain.add(part.module + ".weight", std::move(layer.weight));
    if (!layer.input_order.empty())
      plain.add(part.module + ".input_order",
                Constant(Tensor::from<int64_t>({static_cast<int64_t>(layer.input_order.size())},
                                               std::span<const int64_t>(layer.input_order))));
    ++layers;
  }
  if (layers == 0)
    throw UnsupportedError("{}: no layer is stored as Halftone knows {} layers to be", where, method);
  return plain;
}

}  // namespace halftone
