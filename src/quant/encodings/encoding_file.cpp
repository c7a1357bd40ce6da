#include "quant/encodings/encoding_file.h"

#include <cmath>
#include <set>

#include "base/error.h"
#include "graph/static_codes.h"
#include "quant/algo/int8_static/even_channels.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

/// One entry of either version, with the words that each has for its parts.
class Entry {
 public:
  Entry(const Json& json, std::string where, bool list) : json_(json), where_(std::move(where)), list_(list) {
    if (!json.is_object()) fail("expected an object");
  }

  bool is_floating() const {
    const auto found = json_.find("dtype");
    if (found == json_.end() || !found->is_string()) return false;
    const std::string type = found->get<std::string>();
    return type == "float" || type == "FLOAT";
  }
  int bits() const {
    const double bits = number(list_ ? "bw" : "bitwidth");
    if (!(bits >= 2 && bits <= 32) || bits != std::floor(bits)) fail(fmt::format("{} bits", bits));
    return static_cast<int>(bits);
  }
  bool symmetric() const {
    const auto found = json_.find(list_ ? "is_sym" : "is_symmetric");
    if (found == json_.end()) return false;
    if (found->is_boolean()) return found->get<bool>();
    if (found->is_string()) return found->get<std::string>() == "True" || found->get<std::string>() == "true";
    fail("is_symmetric: expected True or False");
  }
  std::vector<double> numbers(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_array() || found->empty())
      fail(fmt::format("{}: expected numbers", key));
    std::vector<double> values;
    for (const Json& value : *found) {
      if (!value.is_number()) fail(fmt::format("{}: expected numbers", key));
      values.push_back(value.get<double>());
    }
    return values;
  }
  bool has(const char* key) const { return json_.contains(key); }
  double number(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_number()) fail(fmt::format("{}: expected a number", key));
    return found->get<double>();
  }
  [[noreturn]] void fail(const std::string& what) const { throw InputError("{}: {}", where_, what); }

 private:
  const Json& json_;
  const std::string where_;
  const bool list_;
};

void add_scale(NamedEncoding& to, double scale, double offset, const Entry& entry) {
  const double codes = std::ldexp(1.0, to.bits);
  if (!(static_cast<float>(scale) > 0) || !std::isfinite(static_cast<float>(scale)))
    entry.fail(fmt::format("scale: expected a positive number, found {}", scale));
  if (!(offset <= 0 && offset > -codes) || offset != std::floor(offset))
    entry.fail(fmt::format("offset: expected a whole number from {} to 0, found {}", 1 - codes, offset));
  to.scales.push_back(static_cast<float>(scale));
  to.offsets.push_back(static_cast<int64_t>(offset));
}

/// Version 0.6.1: an object for each scale. The range stands where the scale is missing.
NamedEncoding from_objects(const std::string& name, const Json& list, const std::string& where) {
  NamedEncoding made;
  made.name = name;
  if (!list.is_array() || list.empty()) throw InputError("{}: expected a list of encodings", where);
  for (size_t i = 0; i < list.size(); ++i) {
    const Entry entry(list[i], fmt::format("{}: {}", where, i), false);
    if (entry.is_floating()) return {};
    if (i > 0 && entry.bits() != made.bits) entry.fail("bitwidth: not that of the first");
    made.bits = entry.bits();
    made.symmetric = entry.symmetric();
    if (entry.has("scale")) {
      add_scale(made, entry.number("scale"), entry.number("offset"), entry);
      continue;
    }
    const double low = std::min(entry.number("min"), 0.0), high = std::max(entry.number("max"), 0.0);
    const double scale = (high - low) / (std::ldexp(1.0, made.bits) - 1);
    add_scale(made, scale, std::nearbyint(low / scale), entry);
  }
  return made;
}

/// Version 1.0.0: an object for each tensor.
NamedEncoding from_lists(const Json& json, const std::string& where) {
  const Entry entry(json, where, true);
  if (entry.is_floating()) return {};
  NamedEncoding made;
  made.name = json_get<std::string>(json, "name", where);
  made.bits = entry.bits();
  made.symmetric = entry.symmetric();
  const std::vector<double> scales = entry.numbers("scale"), offsets = entry.numbers("offset");
  if (scales.size() != offsets.size())
    entry.fail(fmt::format("{} scales and {} offsets", scales.size(), offsets.size()));
  for (size_t i = 0; i < scales.size(); ++i) add_scale(made, scales[i], offsets[i], entry);
  return made;
}

std::vector<NamedEncoding> read_part(const Json& file, const char* key, const std::string& source) {
  std::vector<NamedEncoding> made;
  const auto found = file.find(key);
  if (found == file.end()) return made;
  const std::string where = fmt::format("{}: {}", source, key);
  if (found->is_object()) {
    for (const auto& [name, list] : found->items())
      made.push_back(from_objects(name, list, where + ": " + name));
  } else if (found->is_array()) {
    for (size_t i = 0; i < found->size(); ++i)
      made.push_back(from_lists((*found)[i], fmt::format("{}: {}", where, i)));
  } else {
    throw InputError("{}: expected an object (version 0.6.1) or a list (1.0.0)", where);
  }
  std::erase_if(made, [](const NamedEncoding& encoding) { return encoding.scales.empty(); });
  std::set<std::string> names;
  for (const NamedEncoding& encoding : made)
    if (!names.insert(encoding.name).second)
      throw InputError("{}: \"{}\" is named twice", where, encoding.name);
  return made;
}

OrderedJson entry_json(const std::string& name, int bits, bool symmetric, const std::vector<float>& scales,
                       const std::vector<int32_t>& offsets) {
  OrderedJson entry;
  entry["name"] = name;
  entry["dtype"] = "INT";
  entry["enc_type"] = scales.size() == 1 ? "PER_TENSOR" : "PER_CHANNEL";
  entry["bw"] = bits;
  entry["is_sym"] = symmetric;
  entry["scale"] = scales;
  entry["offset"] = offsets;
  return entry;
}

OrderedJson weights_json(const Value& value) {
  const auto tensor = value.constant->load_encoded(value.name);
  std::vector<float> scales, row(static_cast<size_t>(tensor->grid().groups));
  std::vector<int32_t> offsets, zeros(row.size());
  for (int64_t r = 0; r < tensor->grid().rows; ++r) {
    tensor->row_scales(r, row);
    tensor->row_zeros(r, zeros);
    for (const float scale : row) scales.push_back(scale == 0 ? 1 : std::abs(scale));  // readers want > 0
    for (int32_t zero : zeros) offsets.push_back(-zero);
  }
  return entry_json(value.name, tensor->encoding().format->bits(), tensor->encoding().symmetric, scales,
                    offsets);
}

bool is_said(const Encoding& encoding) {
  return encoding.format->is_integer() && !encoding.real_minimum &&
         encoding.granularity.kind != Granularity::Kind::per_group;
}

/// Layer by layer a list of numbers.
EvenFactors read_even_channels(const Json& json, const std::string& source) {
  EvenFactors factors;
  const auto found = json.find("even_channels");
  if (found == json.end()) return factors;
  if (!found->is_object()) throw InputError("{}: even_channels: expected an object", source);
  for (const auto& [layer, numbers] : found->items()) {
    if (!numbers.is_array()) throw InputError("{}: even_channels: {}: expected numbers", source, layer);
    for (const Json& number : numbers) {
      if (!number.is_number()) throw InputError("{}: even_channels: {}: expected numbers", source, layer);
      factors[layer].push_back(number.get<float>());
    }
  }
  return factors;
}

}  // namespace

EncodingFile read_encodings(const fs::path& path) {
  const Json json = read_json(path, size_t{256} << 20);
  const std::string source = path.string();
  if (!json.is_object() || (!json.contains("activation_encodings") && !json.contains("param_encodings")))
    throw InputError("{}: expected an object with activation_encodings and param_encodings", source);
  return {source, read_part(json, "activation_encodings", source), read_part(json, "param_encodings", source),
          read_even_channels(json, source)};
}

OrderedJson encodings_json(const Graph& graph) {
  OrderedJson activations = OrderedJson::array(), parameters = OrderedJson::array();
  std::set<ValueId> told;
  const auto tell = [&](ValueId value, const std::optional<CodeScale>& codes) {
    if (codes && told.insert(value).second)
      activations.push_back(entry_json(graph.value(value).name, codes->wide() ? 16 : 8,
                                       codes->wide() || codes->zero == 128, {codes->scale}, {-codes->zero}));
  };
  for (const Node& node : graph.nodes()) {
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue && !graph.value(node.inputs[i]).constant)
        tell(node.inputs[i], codes_in(node, i));
    for (size_t i = 0; i < node.outputs.size(); ++i) tell(node.outputs[i], codes_out(node, i));
  }
  for (const Value& value : graph.values())
    if (value.constant && value.constant->encoding() && is_said(*value.constant->encoding()))
      parameters.push_back(weights_json(value));
  OrderedJson json;
  json["version"] = "1.0.0";
  if (const EvenFactors factors = even_factors(graph); !factors.empty()) json["even_channels"] = factors;
  json["activation_encodings"] = std::move(activations);
  json["param_encodings"] = std::move(parameters);
  return json;
}

}  // namespace halftone
