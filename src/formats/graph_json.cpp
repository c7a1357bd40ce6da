#include "formats/graph_json.h"

#include <cmath>
#include <map>
#include <stdexcept>

#include "formats/encoding_json.h"
#include "formats/node_inputs.h"

namespace halftone {
namespace {

constexpr int64_t kMaxDimension = int64_t{1} << 40;
constexpr int64_t kMaxElements = int64_t{1} << 56;  // so that their bytes fit 63 bits
constexpr int64_t kMaxSymbol = int64_t{1} << 31;

OrderedJson shape_to_json(const Graph& graph, const Shape& shape) {
  OrderedJson json = OrderedJson::array();
  for (int64_t dim : shape) {
    if (dim >= 0)
      json.push_back(dim);
    else if (dim == Shape::kUnknownDim)
      json.push_back(nullptr);
    else
      json.push_back(graph.symbols()[static_cast<size_t>(Shape::dim_symbol(dim))].name);
  }
  return json;
}

OrderedJson float_to_json(float value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

OrderedJson attribute_to_json(const AttributeValue& value) {
  struct Writer {
    OrderedJson operator()(int64_t x) const { return {{"int", x}}; }
    OrderedJson operator()(float x) const { return {{"float", float_to_json(x)}}; }
    OrderedJson operator()(const std::string& x) const { return {{"string", x}}; }
    OrderedJson operator()(const std::vector<int64_t>& x) const { return {{"ints", x}}; }
    OrderedJson operator()(const std::vector<float>& x) const {
      OrderedJson list = OrderedJson::array();
      for (float value : x) list.push_back(float_to_json(value));
      return {{"floats", list}};
    }
  };
  return std::visit(Writer{}, value);
}

OrderedJson node_to_json(const Graph& graph, const Node& node) {
  auto name = [&](ValueId id) { return id == kNoValue ? OrderedJson() : OrderedJson(graph.value(id).name); };
  OrderedJson json;
  json["op"] = node.schema->name;
  json["name"] = node.name;
  json["inputs"] = OrderedJson::array();
  for (ValueId input : node.inputs) json["inputs"].push_back(name(input));
  json["outputs"] = OrderedJson::array();
  for (ValueId output : node.outputs) json["outputs"].push_back(name(output));
  for (const auto& [key, value] : node.attributes) json["attributes"][key] = attribute_to_json(value);
  for (size_t i = 0; i < node.use_encodings.size(); ++i)
    if (node.use_encodings[i])
      json["use_encodings"][std::to_string(i)] = encoding_to_json(*node.use_encodings[i]);
  return json;
}

class GraphReader {
 public:
  GraphReader(const Json& json, const std::string& source, const ConstantFinder& find_constant)
      : json_(json), source_(source), find_constant_(find_constant) {}

  Graph read() {
    graph_.name = json_get<std::string>(json_, "name", source_);
    for (const Json& symbol : list(json_, "symbols", source_)) read_symbol(symbol);
    for (const Json& input : list(json_, "inputs", source_)) {
      const std::string name = json_get<std::string>(input, "name", source_ + ": inputs");
      define(name, graph_.add_input(name, type(input, place("input", name))));
    }
    for (const Json& constant : list(json_, "constants", source_)) read_constant(constant);
    for (const Json& node : list(json_, "nodes", source_)) read_node(node);
    for (const Json& output : list(json_, "outputs", source_)) {
      const std::string where = source_ + ": outputs";
      graph_.add_output(find(json_get<std::string>(output, "value", where), where),
                        json_get<std::string>(output, "name", where));
    }
    try {
      verify(graph_);
    } catch (const std::logic_error& error) {
      throw InputError("{}: {}", source_, error.what());
    }
    return std::move(graph_);
  }

 private:
  std::string place(const char* what, const std::string& name) const {
    return fmt::format("{}: {} \"{}\"", source_, what, name);
  }

  static const Json& list(const Json& object, const char* key, const std::string& where) {
    static const Json kEmpty = Json::array();
    if (!object.is_object()) throw InputError("{}: expected an object", where);
    auto found = object.find(key);
    if (found == object.end()) return kEmpty;
    if (!found->is_array()) throw InputError("{}: key \"{}\": expected a list", where, key);
    return *found;
  }

  void define(const std::string& name, ValueId id) {
    if (name.empty()) throw InputError("{}: a value without a name", source_);
    if (!ids_.emplace(name, id).second) throw InputError("{}: two values are named \"{}\"", source_, name);
  }

  ValueId find(const std::string& name, const std::string& where) const {
    auto found = ids_.find(name);
    if (found == ids_.end()) throw InputError("{}: reads \"{}\" before it is made", where, name);
    return found->second;
  }

  void read_symbol(const Json& json) {
    const std::string name = json_get<std::string>(json, "name", source_ + ": symbols");
    const std::string where = place("symbol", name);
    const auto min = json_get<int64_t>(json, "min", where);
    const auto max = json_get<int64_t>(json, "max", where);
    if (min < 0 || max < min || max > kMaxSymbol)
      throw InputError("{}: expected a range within 0 and 2^31, found {} to {}", where, min, max);
    if (!symbols_.emplace(name, graph_.symbol(name, min, max)).second)
      throw InputError("{}: appears twice", where);
  }

  int64_t dimension(const Json& json, const std::string& where) const {
    if (json.is_number_unsigned() && json.get<uint64_t>() <= static_cast<uint64_t>(kMaxDimension))
      return json.get<int64_t>();
    if (json.is_null()) return Shape::kUnknownDim;
    if (json.is_string()) {
      auto found = symbols_.find(json.get<std::string>());
      if (found != symbols_.end()) return found->second;
    }
    throw InputError("{}: shape: expected sizes up to 2^40 and names of symbols, found {}", where,
                     json.dump().substr(0, 80));
  }

  ValueType type(const Json& json, const std::string& where) const {
    const auto name = json_get<std::string>(json, "dtype", where);
    const auto dtype = dtype_from_name(name);
    if (!dtype) throw InputError("{}: unknown dtype \"{}\"", where, name);
    ValueType type{*dtype, {}};
    const Json& dims = list(json, "shape", where);
    if (dims.size() > static_cast<size_t>(Shape::kMaxRank))
      throw InputError("{}: expected at most {} dimensions, found {}", where, Shape::kMaxRank, dims.size());
    for (const Json& dim : dims) type.shape.push_back(dimension(dim, where));
    check_size(type, where);
    return type;
  }

  /// So that no later product overflows. Of several symbols one counts, at its largest: those of an imported
  /// graph have no bound that says more, and what a run gives is checked by its session.
  void check_size(const ValueType& type, const std::string& where) const {
    int64_t elements = 1, largest = 1;
    const auto multiply = [&](int64_t size) {
      if (size > 0 && elements > kMaxElements / size)
        throw InputError("{}: shape {} has more than 2^56 elements", where, type.shape.str());
      elements *= std::max<int64_t>(size, 1);
    };
    for (int64_t dim : type.shape)
      if (dim >= 0)
        multiply(dim);
      else if (dim != Shape::kUnknownDim)
        largest = std::max(largest, graph_.symbols()[static_cast<size_t>(Shape::dim_symbol(dim))].max);
    multiply(largest);
  }

  void read_constant(const Json& json) {
    const std::string name = json_get<std::string>(json, "name", source_ + ": constants");
    const std::string where = place("constant", name);
    const ValueType constant_type = type(json, where);
    if (!constant_type.shape.is_concrete() || constant_type.dtype == DType::state)
      throw InputError("{}: expected a concrete shape, found {}", where, constant_type.shape.str());
    std::optional<Encoding> encoding;
    if (json.contains("encoding")) {
      encoding = encoding_from_json(json["encoding"], where + ": encoding");
      if (encoding->timing != Timing::fixed)
        throw InputError("{}: a constant's encoding is not dynamic", where);
      if (!is_float(constant_type.dtype))
        throw InputError("{}: {} numbers have no encoding", where, dtype_name(constant_type.dtype));
      try {
        scale_grid(encoding->granularity, constant_type.shape);
      } catch (const UnsupportedError& error) {
        throw UnsupportedError("{}: {}", where, error.what());
      }
    }
    define(name, graph_.add_constant(name, find_constant_(name, constant_type, encoding)));
  }

  void read_node(const Json& json) {
    const std::string name = json_get<std::string>(json, "name", source_ + ": nodes");
    const std::string where = place("node", name);
    const auto op = json_get<std::string>(json, "op", where);
    const OpSchema* schema = find_op(op);
    if (!schema) throw UnsupportedError("{}: unknown operator \"{}\"", where, op);
    std::vector<ValueId> inputs;
    for (const Json& input : list(json, "inputs", where)) {
      if (!input.is_null() && !input.is_string())
        throw InputError("{}: inputs: expected names of values", where);
      inputs.push_back(input.is_null() ? kNoValue : find(input.get<std::string>(), where));
    }
    check_node_inputs(*schema, inputs, where);
    Attributes node_attributes = attributes(json, where);
    std::vector<ValueId> outputs;
    const Json& names = list(json, "outputs", where);
    try {
      check_known_dims(node_attributes, where);
      outputs = graph_.add_node(*schema, name, std::move(inputs), std::move(node_attributes), names.size());
    } catch (const InputError& error) {
      throw InputError("{}: {}", source_, error.what());
    } catch (const UnsupportedError& error) {
      throw UnsupportedError("{}: {}", source_, error.what());
    }
    if (names.size() != outputs.size())
      throw InputError("{}: {} makes {} values, found {} names", where, op, outputs.size(), names.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!names[i].is_string()) throw InputError("{}: outputs: expected names", where);
      check_size(graph_.value(outputs[i]).type, where);
      graph_.value(outputs[i]).name = names[i].get<std::string>();
      define(graph_.value(outputs[i]).name, outputs[i]);
    }
    read_use_encodings(json, graph_.nodes().back(), where);
  }

  /// What a Reshape says it knows of its shape are sizes and symbols of this graph.
  void check_known_dims(const Attributes& attributes, const std::string& where) const {
    const auto symbols = static_cast<int64_t>(graph_.symbols().size());
    for (int64_t dim : attributes.get_ints("known_dims", {}))
      if (dim > int64_t{1} << 40 || dim < Shape::kUnknownDim - symbols)
        throw InputError("{}: attribute known_dims: {} is neither a size nor a symbol", where, dim);
  }

  static float to_float(const Json& json, const std::string& where) {
    if (json.is_number()) return json.get<float>();
    if (json == "nan") return NAN;
    if (json == "inf") return INFINITY;
    if (json == "-inf") return -INFINITY;
    throw InputError("{}: expected a number, found {}", where, json.dump().substr(0, 80));
  }

  static int64_t to_int(const Json& json, const std::string& where) {
    if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX))
      throw InputError("{}: expected an integer, found {}", where, json.dump().substr(0, 80));
    return json.get<int64_t>();
  }

  static Attributes attributes(const Json& json, const std::string& where) {
    Attributes attributes;
    auto found = json.find("attributes");
    if (found == json.end()) return attributes;
    if (!found->is_object()) throw InputError("{}: attributes: expected an object", where);
    for (const auto& [key, value] : found->items())
      attributes.set(key, attribute(value, where + ": attribute \"" + key + "\""));
    return attributes;
  }

  static AttributeValue attribute(const Json& json, const std::string& where) {
    if (!json.is_object() || json.size() != 1)
      throw InputError("{}: expected one of int, float, string, ints, floats and its value", where);
    const std::string& kind = json.begin().key();
    const Json& value = json.begin().value();
    if (kind == "int") return to_int(value, where);
    if (kind == "float") return to_float(value, where);
    if (kind == "string" && value.is_string()) return value.get<std::string>();
    if (kind == "ints" && value.is_array()) {
      std::vector<int64_t> values;
      for (const Json& element : value) values.push_back(to_int(element, where));
      return values;
    }
    if (kind == "floats" && value.is_array()) {
      std::vector<float> values;
      for (const Json& element : value) values.push_back(to_float(element, where));
      return values;
    }
    throw InputError("{}: expected one of int, float, string, ints, floats and its value", where);
  }

  void read_use_encodings(const Json& json, Node& node, const std::string& where) const {
    auto found = json.find("use_encodings");
    if (found == json.end()) return;
    if (!found->is_object()) throw InputError("{}: use_encodings: expected an object", where);
    node.use_encodings.resize(node.inputs.size());
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      auto encoding = found->find(std::to_string(i));
      if (encoding == found->end()) continue;
      if (node.inputs[i] == kNoValue || graph_.value(node.inputs[i]).constant)
        throw InputError("{}: use_encodings: input {} is not an activation", where, i);
      node.use_encodings[i] =
          encoding_from_json(*encoding, fmt::format("{}: use_encodings: input {}", where, i));
    }
  }

  const Json& json_;
  const std::string& source_;
  const ConstantFinder& find_constant_;
  Graph graph_;
  std::map<std::string, int64_t> symbols_;
  std::map<std::string, ValueId> ids_;
};

}  // namespace

std::vector<bool> constants_in_use(const Graph& graph) {
  std::vector<bool> used(graph.values().size(), false);
  for (const Node& node : graph.nodes())
    for (ValueId input : node.inputs)
      if (input != kNoValue) used[static_cast<size_t>(input)] = true;
  for (ValueId output : graph.outputs()) used[static_cast<size_t>(output)] = true;
  for (size_t i = 0; i < used.size(); ++i) used[i] = used[i] && graph.values()[i].constant;
  return used;
}

OrderedJson graph_to_json(const Graph& graph) {
  OrderedJson json;
  json["name"] = graph.name;
  json["symbols"] = OrderedJson::array();
  for (const Symbol& symbol : graph.symbols())
    json["symbols"].push_back({{"name", symbol.name}, {"min", symbol.min}, {"max", symbol.max}});
  auto described = [&](const Value& value) {
    return OrderedJson{{"name", value.name},
                       {"dtype", dtype_name(value.type.dtype)},
                       {"shape", shape_to_json(graph, value.type.shape)}};
  };
  json["inputs"] = OrderedJson::array();
  for (ValueId input : graph.inputs()) json["inputs"].push_back(described(graph.value(input)));
  json["constants"] = OrderedJson::array();
  const std::vector<bool> used = constants_in_use(graph);
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const Value& value = graph.values()[i];
    json["constants"].push_back(described(value));
    if (value.constant->encoding())
      json["constants"].back()["encoding"] = encoding_to_json(*value.constant->encoding());
  }
  json["nodes"] = OrderedJson::array();
  for (const Node& node : graph.nodes()) json["nodes"].push_back(node_to_json(graph, node));
  json["outputs"] = OrderedJson::array();
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    json["outputs"].push_back(
        {{"name", graph.output_names()[i]}, {"value", graph.value(graph.outputs()[i]).name}});
  return json;
}

Graph graph_from_json(const Json& json, const std::string& source, const ConstantFinder& find_constant) {
  return GraphReader(json, source, find_constant).read();
}

}  // namespace halftone
