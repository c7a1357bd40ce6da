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

/// A weight that follows from what config.json says, too. The file stays mapped as long as the weight is
/// there, so that a plan cache, which goes by the contents of mapped files, knows of it.
class ToldByConfig : public ConstantSource {
 public:
  ToldByConfig(Constant weight, std::shared_ptr<const MappedFile> config, std::string name)
      : weight_(std::move(weight)), config_(std::move(config)), name_(std::move(name)) {}
  Tensor load() const override { return weight_.load(); }
  std::shared_ptr<const QuantizedTensor> load_encoded(const Encoding& encoding) const override {
    return encoding == weight_.encoding() ? weight_.load_encoded(name_) : nullptr;
  }
  std::optional<std::string> told_by() const override { return weight_.told_by(); }

 private:
  Constant weight_;
  std::shared_ptr<const MappedFile> config_;
  std::string name_;
};

Constant told_by(std::shared_ptr<const MappedFile> config, const Constant& weight, const std::string& name) {
  if (!config || !weight.encoding()) return weight;
  Constant told(weight.dtype(), weight.shape(),
                std::make_shared<ToldByConfig>(weight, std::move(config), name));
  told.set_encoding(*weight.encoding());
  return told;
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
  const fs::path config_path = checkpoint.path / "config.json";
  const auto config_file = fs::is_regular_file(config_path) ? MappedFile::open(config_path) : nullptr;
  size_t layers = 0;
  for (const std::string& name : checkpoint.names()) {
    const Part part = part_of(checkpoint, readers, name);
    if (!part.reader) {
      plain.add(name, checkpoint.constant(name));
      continue;
    }
    if (!part.key) continue;
    PackedLayer layer = part.reader->read(checkpoint, part.module, config);
    plain.add(part.module + ".weight", told_by(config_file, layer.weight, part.module));
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
